"""The mean of checkpoints, and the run folder made from it."""

import json
from pathlib import Path

import pytest
import torch

from processes import Caller
from s2s.cli.average import average
from s2s.decoding.batch_translator import BatchTranslator
from s2s.errors import CheckpointError, RunError
from s2s.runs.checkpoint import checkpoints, load_best, load_checkpoint, mean_weights, save_checkpoint, without_prefix
from s2s.runs.folder import RunFolder
from s2s.tasks.train_run import train
from tiny_runs import TINY, compose, file_options


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run with checkpoints of steps 4, 8 and 12."""
    folder = tmp_path_factory.mktemp("average")
    options = [*file_options(folder / "corpus"), *TINY, "training.max_steps=12", "training.keep=3"]
    train(compose("train", *options, f"run={folder / 'run'}"))
    return RunFolder(folder / "run")


def test_the_mean_on_paper(tmp_path: Path) -> None:
    for step, value in ((10, 1.0), (20, 2.0), (30, 6.0)):
        tensors = {"model.w": torch.full((3, 5), value), "average.w": torch.full((3, 5), -value)}
        save_checkpoint(tmp_path / str(step), tensors, {"progress": {"step": step}})
    paths = [tmp_path / "30", tmp_path / "20", tmp_path / "10"]
    weights, steps = mean_weights(paths)
    assert steps == [30, 20, 10]
    assert weights.keys() == {"w"}
    assert torch.equal(weights["w"], torch.full((3, 5), 3.0))
    save_checkpoint(tmp_path / "40", {"model.other": torch.zeros(2)}, {"progress": {"step": 40}})
    with pytest.raises(CheckpointError, match="40: expected the weights of one and the same model"):
        mean_weights([*paths, tmp_path / "40"])


def test_the_sum_is_taken_in_double_precision(tmp_path: Path) -> None:
    """2^24 + 1 is no fp32 number: summed in fp32, the two ones would be lost."""
    for index, value in enumerate((2.0**24, 1.0, 1.0, -(2.0**24))):
        save_checkpoint(tmp_path / str(index), {"model.w": torch.tensor([value])}, {"progress": {"step": index}})
    weights, _ = mean_weights([tmp_path / str(index) for index in range(4)])
    assert weights["w"].dtype == torch.float32
    assert weights["w"].item() == 0.5


def test_the_output_is_a_run_that_translates_with_the_mean(
    run: RunFolder, tmp_path: Path, call_command: Caller
) -> None:
    output = tmp_path / "output"
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    ended = call_command("average", f"run={run.path}", f"output={output}", "last=3")
    assert ended.code == 0, ended.err
    assert ended.out == b""
    assert before == {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    weights, state, _ = load_best(RunFolder(output))
    assert state == {"step": 12, "averaged_steps": [12, 8, 4]}
    each = [without_prefix("model", load_checkpoint(path)[0]) for path in checkpoints(run)]
    for name, tensor in weights.items():
        mean = torch.stack([tensors[name] for tensors in each]).double().mean(0).float()
        torch.testing.assert_close(tensor, mean, rtol=1e-6, atol=1e-7)
    moved = output.rename(tmp_path / "moved")
    assert len(BatchTranslator.load(moved).translate(["하나 둘", "셋"])) == 2
    ended = call_command("evaluate", f"run={moved}")
    assert json.loads(ended.out)["lines"] == 15
    assert {path.name for path in moved.iterdir()} == {
        "SHA256SUMS", "config.yaml", "corpus.json", "subwords.model", "unseen_pieces.json", "text", "best", "evaluation"
    }  # fmt: skip


def test_one_checkpoint_is_its_own_mean(run: RunFolder, tmp_path: Path) -> None:
    average(compose("average", f"run={run.path}", f"output={tmp_path / 'output'}", "last=1"))
    newest = without_prefix("model", load_checkpoint(checkpoints(run)[0])[0])
    weights = load_best(RunFolder(tmp_path / "output"))[0]
    assert all(torch.equal(weights[name], tensor) for name, tensor in newest.items())


def test_too_few_checkpoints_say_what_to_do(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds 3 checkpoints, not last=5.*training\.keep=5"):
        average(compose("average", f"run={run.path}", f"output={tmp_path / 'output'}"))
    assert not (tmp_path / "output").exists()


def test_nothing_is_overwritten(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("something")
    for output in (run.path, tmp_path, tmp_path / "file"):
        with pytest.raises(RunError, match="is in use"):
            average(compose("average", f"run={run.path}", f"output={output}", "last=1"))
    (tmp_path / "empty").mkdir()
    average(compose("average", f"run={run.path}", f"output={tmp_path / 'empty'}", "last=1"))


def test_a_run_that_is_none(tmp_path: Path, call_command: Caller) -> None:
    ended = call_command("average", f"run={tmp_path / 'none'}", f"output={tmp_path / 'o'}")
    assert ended.code == 1
    assert "does not exist" in ended.err
