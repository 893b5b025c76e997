"""Fine-tuning: a run that starts from the weights of another."""

import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from processes import Caller, losses
from s2s.data.vocabulary.subwords import Subwords
from s2s.errors import ConfigError
from s2s.runs.checkpoint import checkpoints, load_best, load_checkpoint
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import load_config
from s2s.tasks import translation
from s2s.tasks.train_run import train
from s2s.training.loop import Trainer
from tiny_runs import TINY, compose, file_options

pytestmark = pytest.mark.slow  # every one trains for seconds


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the time of so small a run is that of drawing its attention."""
    monkeypatch.setattr(translation, "plot_attention", lambda *_: None)


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
    dev = [loss for _, kind, loss in losses(run) if kind == "dev"]
    assert dev == pytest.approx([best["dev_loss_nats"]] * 2, rel=1e-6)
    taken_over = next(text for text in caplog.messages if text.startswith("taken over"))
    assert "model.hidden_size: None -> 24" in taken_over
    assert "model.embedding_size: None -> 16" in taken_over
    assert "subwords.vocabulary_size: None -> 60" in taken_over
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
    assert 4 < len(shared) < len(new)
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
        assert losses(tmp_path / f"run{step}") == losses(tmp_path / "whole")
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
    assert not run.exists()


def test_a_network_that_does_not_go_with_the_new_subwords(tiny_run: Path, tmp_path: Path) -> None:
    """The old network has one table for both sides, and the new vocabulary is not one."""
    origin, run = tmp_path / "origin", tmp_path / "run"
    shutil.copytree(tiny_run, origin)
    _checksum, _, text = (origin / "config.yaml").read_text().partition("\n")
    (origin / "config.yaml").write_text(text.replace("tie: none", "tie: all"))
    options = [*file_options(tmp_path / "corpus"), *TINY, f"init_from={origin}", "init_subwords=new"]
    with pytest.raises(ConfigError, match=r"model\.tie=all needs one vocabulary"):
        train(compose("train", *options, "subwords.shared=false", f"run={run}"))
    assert not run.exists()
