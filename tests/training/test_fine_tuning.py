"""Fine-tuning: a run that starts from the weights of another."""

import dataclasses
import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from processes import Caller
from s2s.config.model import ModelConfig, Tie
from s2s.data.vocabulary.subwords import Subwords
from s2s.errors import CheckpointError, ConfigError
from s2s.models.seq2seq import Seq2Seq, build_seq2seq
from s2s.runs.checkpoint import checkpoints, load_best, load_checkpoint, model_tensors
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import load_config
from s2s.tasks import translation
from s2s.tasks.train_run import train
from s2s.training.fine_tuning import initialize_from
from s2s.training.loop import Trainer
from tiny_runs import TINY, compose, file_options

# ----------------------------------------------------------------------------------------------------------------------
# On paper

SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]
OLD = [*SPECIAL, "a", "b", "c"]
NEW = [*SPECIAL, "c", "x", "a", "y", "z"]
OLD_TARGET, NEW_TARGET = [*SPECIAL, "p", "q"], [*SPECIAL, "r", "q"]
ORIGIN = Path("old/weights")
SIZES = ModelConfig(embedding_size=5, hidden_size=6)


def tables(model: Seq2Seq) -> dict[str, Tensor]:
    """A copy of every tensor with a row a piece, under the names that a user of the model would give them."""
    both = {"source": model.encoder.embedding.weight, "target": model.decoder.embedding.weight}
    both |= {"output": model.output.weight, "bias": model.output.bias}
    return {name: tensor.detach().clone() for name, tensor in both.items()}


def assert_rows(found: Tensor, old: Tensor, drawn: Tensor, of_old: list[int | None]) -> None:
    """Each row is the named one of the old table, or still the random one."""
    for row, index in enumerate(of_old):
        expected = drawn[row] if index is None else old[index]
        assert torch.equal(found[row], expected), row


@pytest.mark.parametrize("tie", list(Tie))
def test_rows_of_shared_pieces_go_along(tie: Tie) -> None:
    torch.manual_seed(0)
    options = dataclasses.replace(SIZES, tie=tie)
    old, new = build_seq2seq(options, 7, 7), build_seq2seq(options, 9, 9)
    torch.nn.init.normal_(old.output.bias)
    drawn, before = tables(new), tables(old)
    assert initialize_from(new, model_tensors(old), ORIGIN, (OLD, OLD), (NEW, NEW)) == 6
    for name, found in tables(new).items():
        assert_rows(found, before[name], drawn[name], [0, 1, 2, 3, 6, None, 4, None, None])
    others = model_tensors(old).keys() - {f"{side}.embedding.weight" for side in ("encoder", "decoder")}
    for name in others - {"output.weight", "output.bias"}:
        assert torch.equal(model_tensors(new)[name], model_tensors(old)[name]), name
    assert (new.output.weight is new.decoder.embedding.weight) == (tie is not Tie.none)
    assert (new.encoder.embedding.weight is new.decoder.embedding.weight) == (tie is Tie.all)


@pytest.mark.parametrize("tie", [Tie.none, Tie.output])
def test_each_side_has_its_own_vocabulary(tie: Tie) -> None:
    torch.manual_seed(0)
    options = dataclasses.replace(SIZES, tie=tie)
    old, new = build_seq2seq(options, 7, 6), build_seq2seq(options, 9, 6)
    torch.nn.init.normal_(old.output.bias)
    drawn, before = tables(new), tables(old)
    assert initialize_from(new, model_tensors(old), ORIGIN, (OLD, OLD_TARGET), (NEW, NEW_TARGET)) == 5
    found = tables(new)
    assert_rows(found["source"], before["source"], drawn["source"], [0, 1, 2, 3, 6, None, 4, None, None])
    for name in ("target", "output", "bias"):
        assert_rows(found[name], before[name], drawn[name], [0, 1, 2, 3, None, 5])


def test_the_same_vocabulary_takes_all_over() -> None:
    torch.manual_seed(0)
    old, new = build_seq2seq(SIZES, 7, 6), build_seq2seq(SIZES, 7, 6)
    assert initialize_from(new, model_tensors(old), ORIGIN, (OLD, OLD_TARGET), (OLD, OLD_TARGET)) == 6
    for name, tensor in model_tensors(old).items():
        assert torch.equal(model_tensors(new)[name], tensor)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"embedding_size": 4}, r"of shape \(\d, 4\), got \(\d, 5\)"),
        ({"embedding_size": 1}, r"of shape \(\d, 1\), got \(\d, 5\)"),
        ({"hidden_size": 8}, "of another"),
        ({"layers": 2}, "of another model"),
        ({"tie": Tie.output}, "of another"),
    ],
    ids=str,
)
def test_another_network_cannot_be_started_from(changes: dict[str, Any], words: str) -> None:
    old, new = build_seq2seq(SIZES, 7, 7), build_seq2seq(dataclasses.replace(SIZES, **changes), 9, 9)
    with pytest.raises(CheckpointError, match=f"old/weights.*{words}"):
        initialize_from(new, model_tensors(old), ORIGIN, (OLD, OLD), (NEW, NEW))


def test_weights_without_a_row_for_every_piece_are_refused() -> None:
    old, new = build_seq2seq(SIZES, 6, 6), build_seq2seq(SIZES, 9, 9)
    with pytest.raises(CheckpointError, match="of other subwords"):
        initialize_from(new, model_tensors(old), ORIGIN, (OLD, OLD), (NEW, NEW))


# ----------------------------------------------------------------------------------------------------------------------
# End to end


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the time of so small a run is that of drawing its attention."""
    monkeypatch.setattr(translation, "plot_attention", lambda *_: None)


def rows(run: Path) -> list[tuple[int, str, float]]:
    """(step, kind, loss) of every line of metrics."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["kind"], line["loss_nats"]) for line in lines]


def other_corpus(folder: Path) -> list[str]:
    """A corpus with words of which the old run knows some."""
    folder.mkdir(parents=True)
    generator = random.Random(0)
    rows = [[generator.randrange(4) for _ in range(generator.randint(2, 7))] for _ in range(150)]
    for name, words in (("a.ko", ["둘", "셋", "일곱", "여덟"]), ("a.en", ["two", "three", "seven", "eight"])):
        lines = [" ".join(words[number] for number in row) for row in rows]
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    files = f"data.train=[{folder / 'a.ko'},{folder / 'a.en'}]"
    return ["data=files", files, "data.dev_pairs=10", "data.test_pairs=5"]


def test_old_subwords_begin_where_the_old_run_was(
    tiny_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    run = tmp_path / "run"
    options = [*file_options(tmp_path / "corpus"), *TINY, f"init_from={tiny_run}", f"run={run}"]
    options = [option for option in options if not option.startswith(("model.", "subwords."))]
    still = ["optim.learning_rate=0", "training.max_steps=2", "training.validate_every=1", "model.dropout=0.3"]
    train(compose("train", *options, *still))
    assert (run / "subwords.model").read_bytes() == (tiny_run / "subwords.model").read_bytes()
    _, best, _ = load_best(RunFolder(tiny_run))
    dev = [loss for _, kind, loss in rows(run) if kind == "dev"]
    assert dev == pytest.approx([best["dev_loss_nats"]] * 2, rel=1e-6)
    taken_over = next(text for text in caplog.messages if text.startswith("taken over"))
    assert "model.hidden_size: 512 -> 24" in taken_over
    assert "model.embedding_size: 256 -> 16" in taken_over
    assert "subwords.vocabulary_size: 8000 -> 60" in taken_over
    assert "dropout" not in taken_over
    config = load_config(run / "config.yaml")
    assert (config.model.hidden_size, config.model.dropout, config.init_from) == (24, 0.3, "run")
    assert "/" not in (run / "config.yaml").read_text()


def test_new_subwords_on_another_corpus(tiny_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    run = tmp_path / "run"
    options = [*other_corpus(tmp_path / "corpus"), *TINY, f"init_from={tiny_run}", "init_subwords=new"]
    train(compose("train", *options, f"run={run}", "training.max_steps=2", "subwords.vocabulary_size=50"))
    old, new = (Subwords.load(each / "subwords.model").all_pieces() for each in (tiny_run, run))
    assert old != new
    shared = set(old) & set(new)
    assert len(SPECIAL) < len(shared) < len(new)
    assert f"which knows {len(shared)} of {len(new)} target pieces" in caplog.text
    weights, start = load_best(RunFolder(tiny_run))[0], load_checkpoint(checkpoints(RunFolder(run))[-1])
    assert start[1]["progress"]["step"] == 0
    name = "decoder.embedding.weight"
    for piece in shared:
        assert torch.equal(start[0][f"model.{name}"][new.index(piece)], weights[name][old.index(piece)])


def stop_at(step: int) -> Callable[..., None]:
    """A `Trainer.step` that is killed where so many steps are made."""
    whole = Trainer.step

    def killed(self: Trainer, *arguments: Any) -> None:
        if self.progress.step == step:
            raise KeyboardInterrupt
        whole(self, *arguments)

    return killed


@pytest.mark.parametrize("subwords", ["old", pytest.param("new", marks=pytest.mark.slow)])
def test_once_it_has_begun_the_old_run_is_needed_no_more(
    tiny_run: Path, tmp_path: Path, subwords: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before its first update, and after a checkpoint of its own."""
    caplog.set_level("INFO")
    origin = tmp_path / "origin"
    shutil.copytree(tiny_run, origin)
    text = file_options(tmp_path / "corpus") if subwords == "old" else other_corpus(tmp_path / "other")
    options = [*text, *TINY, f"init_from={origin}", f"init_subwords={subwords}", "training.max_steps=6"]
    options += ["subwords.vocabulary_size=50"]
    train(compose("train", *options, f"run={tmp_path / 'whole'}"))
    for step in (0, 5):
        config = compose("train", *options, f"run={tmp_path / f'run{step}'}")
        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "step", stop_at(step))
            with pytest.raises(KeyboardInterrupt):
                train(config)
    shutil.rmtree(origin)
    caplog.clear()
    for step in (0, 5):
        train(compose("train", *options, f"run={tmp_path / f'run{step}'}"))
        assert rows(tmp_path / f"run{step}") == rows(tmp_path / "whole")
        assert f"going on at step {step // 4 * 4}" in caplog.text
    assert "starting from" not in caplog.text


def test_a_run_that_has_begun_does_not_start_again(
    tiny_run: Path, tmp_path: Path, call_command: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither from the run that it started from, nor from another, nor from any if it began without."""
    options = [*file_options(tmp_path / "corpus"), *TINY, "training.max_steps=2"]
    run = f"run={tmp_path / 'run'}"
    assert call_command("train", *options, run).code == 0
    ended = call_command("train", *options, run, f"init_from={tiny_run}")
    assert ended.code == 1
    assert f"init_from: None -> {tiny_run}" in ended.err
    run = f"run={tmp_path / 'second'}"
    assert call_command("train", *options, run, f"init_from={tiny_run}").code == 0
    caplog.set_level("INFO")
    caplog.clear()
    ended = call_command("train", *options, run, f"init_from={tmp_path / 'run'}", "training.max_steps=3")
    assert ended.code == 0, ended.err
    assert "going on at step 2" in caplog.text
    assert "starting from" not in caplog.text
    ended = call_command("train", *options, run, f"init_from={tiny_run}", "init_subwords=new")
    assert "init_subwords: old -> new" in ended.err


def foreign(folder: Path, tiny_run: Path, kind: str) -> Path:
    """A folder that is no run to start from."""
    origin = folder / "origin"
    if kind == "empty":
        origin.mkdir()
    if kind == "another program":
        origin.mkdir()
        (origin / "config.yaml").write_text("layers: 3\n")
    if kind in ("no weights", "damaged"):
        shutil.copytree(tiny_run, origin)
    if kind == "no weights":
        shutil.rmtree(origin / "best")
        shutil.rmtree(origin / "last")
    if kind == "damaged":
        (origin / "best" / "weights.safetensors").write_bytes(b"\0" * 100)
    return origin


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "init_from=.*origin does not exist"),
        ("empty", "init_from=.*origin holds no config.yaml"),
        ("another program", "origin/config.yaml: expected the options of an s2s run"),
        ("no weights", "origin: no weights in best/ or last/ yet"),
        ("damaged", "weights.safetensors: expected a checkpoint of s2s"),
    ],
)
def test_a_folder_that_cannot_be_started_from(
    tiny_run: Path, tmp_path: Path, call_command: Caller, kind: str, words: str
) -> None:
    """The run is not begun, so that the command may be given again with the right folder."""
    origin, run = foreign(tmp_path, tiny_run, kind), tmp_path / "run"
    ended = call_command("train", *file_options(tmp_path / "c"), *TINY, f"run={run}", f"init_from={origin}")
    assert ended.code == 1
    assert re.search(words, ended.err)
    assert len(ended.err.strip().splitlines()) <= 2
    assert list(run.iterdir()) == []


def test_a_network_that_does_not_go_with_the_new_subwords(tiny_run: Path, tmp_path: Path) -> None:
    """The old network has one table for both sides, and the new vocabulary is not one."""
    origin, run = tmp_path / "origin", tmp_path / "run"
    shutil.copytree(tiny_run, origin)
    text = (origin / "config.yaml").read_text()
    (origin / "config.yaml").write_text(text.replace("tie: none", "tie: all"))
    options = [*file_options(tmp_path / "corpus"), *TINY, f"init_from={origin}", "init_subwords=new"]
    with pytest.raises(ConfigError, match=r"model\.tie=all needs one vocabulary"):
        train(compose("train", *options, "subwords.shared=false", f"run={run}"))
    assert list(run.iterdir()) == []
