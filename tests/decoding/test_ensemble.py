"""Ensembles of several runs, through the command."""

import shutil
from pathlib import Path

import pytest

from processes import run_command
from s2s.decoding.batch_translator import BatchTranslator
from s2s.errors import ConfigError, RunError
from s2s.runs.checkpoint import checkpoint_content, load_checkpoint, weights_path
from s2s.runs.folder import RunFolder
from s2s.tasks.train_run import train
from tiny_runs import compose, file_options

LINES = ["하나 둘 셋", "", "여섯 넷", "다섯 다섯 둘 하나"]


@pytest.fixture(scope="module")
def other_run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run with other weights."""
    folder = tmp_path_factory.mktemp("other") / "run"
    shutil.copytree(tiny_run, folder)
    path = weights_path(RunFolder(folder))
    tensors, state = load_checkpoint(path)
    path.write_bytes(checkpoint_content({name: 1.3 * tensor for name, tensor in tensors.items()}, state))
    return folder


def scores(run: Path | list[Path], **options: object) -> list[float]:
    found = BatchTranslator.load(run, **options).translations(LINES)  # type: ignore[arg-type]
    return [translation.hypotheses[0].score for translation in found]


def test_a_run_agrees_with_itself(tiny_run: Path, other_run: Path) -> None:
    for ensemble in ("probability", "log_probability"):
        assert scores([tiny_run, tiny_run], ensemble=ensemble) == pytest.approx(scores(tiny_run), abs=1e-4)
    mixed = scores([tiny_run, other_run])
    assert mixed != pytest.approx(scores(tiny_run), abs=1e-3)
    assert mixed != pytest.approx(scores([tiny_run, other_run], ensemble="probability"), abs=1e-6)


@pytest.mark.slow
def test_an_ensemble_in_the_shell(tiny_run: Path, other_run: Path) -> None:
    ended = run_command("translate", f"run=[{tiny_run},{other_run}]", stdin="\n".join(LINES).encode())
    assert ended.code == 0, ended.err
    assert ended.out.decode().split("\n")[:-1] == BatchTranslator.load([tiny_run, other_run]).translate(LINES)


def test_runs_with_other_subwords_are_no_ensemble(tiny_run: Path, tmp_path: Path) -> None:
    options = ("model.embedding_size=4", "model.hidden_size=6", "training.max_steps=1", "precision=fp32")
    corpus = file_options(tmp_path / "corpus")
    train(
        compose(
            "train", *corpus, *options, "subwords.kind=bpe", "subwords.vocabulary_size=60", f"run={tmp_path / 'run'}"
        )
    )
    with pytest.raises(RunError, match="has other subwords than"):
        BatchTranslator.load([tiny_run, tmp_path / "run"])


@pytest.mark.parametrize("options", [["run=a", "ensemble=probability"], ["run=[]"]])
def test_a_mean_needs_several_runs(options: list[str]) -> None:
    with pytest.raises(ConfigError):
        compose("translate", *options)
