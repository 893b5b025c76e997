"""Runs as Python sees them, and training from Python."""

import io
import json
import logging
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tqdm import tqdm

import s2s
from s2s.api import training as api_training
from s2s.runs.metrics import read_metrics
from s2s.tasks import train_run
from tiny_runs import write_corpus

TINY = {
    "model__embedding_size": 16,
    "model__hidden_size": 24,
    "subwords__vocabulary_size": 60,
    "training__validate_every": 6,
    "training__log_every": 2,
    "data__dev_pairs": 20,
    "data__test_pairs": 15,
    "device": "cpu",
    "precision": "fp32",
}


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.chdir(tmp_path)
    source, target = write_corpus(tmp_path)
    return source.rename(tmp_path / "my.ko"), target.rename(tmp_path / "my.en")


def test_metrics_are_columns(tiny_run: Path) -> None:
    run = s2s.Run(tiny_run)
    rows = [row for row in read_metrics(tiny_run / "metrics.jsonl") if row["kind"] == "dev"]
    np.testing.assert_array_equal(run.metrics.dev["loss_nats"], [row["loss_nats"] for row in rows])
    assert {column.shape for column in run.metrics.train.values()} == {(6,)}
    assert run.summary == json.loads((tiny_run / "summary.json").read_text())["test"]
    assert run.is_finished
    assert run.samples[0].keys() == {"source", "reference", "translation"}
    assert run.options["training.max_steps"] == 12
    assert run.translator(search="greedy").search.strategy.name == "greedy"


def test_what_is_missing_is_nan_and_an_unfinished_run_has_no_scores(tiny_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    (run / "summary.json").unlink()
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 13, "epoch": 0, "kind": "dev", "loss_nats": null, "elapsed_s": 1.0}\n{"st')
    opened = s2s.Run(run)
    assert (opened.summary, opened.samples, opened.is_finished) == (None, [], False)
    assert np.isnan(opened.metrics.dev["loss_nats"][-1])
    assert np.isnan(opened.metrics.dev["bleu"][-1])
    assert "unfinished at step 13" in repr(opened)
    (run / "metrics.jsonl").write_text("nonsense\n")
    with pytest.raises(s2s.RunError, match=r"metrics\.jsonl, line 1: expected a record"):
        _ = opened.metrics


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"test": {}}', '{"test": {"bleu": 1}, "samples": 3}', "[" * 9000])
def test_a_damaged_summary_is_named(tiny_run: Path, tmp_path: Path, content: str) -> None:
    run = s2s.Run(shutil.copytree(tiny_run, tmp_path / "run"))
    (run.path / "summary.json").write_text(content)
    for name in ("summary", "samples", "is_finished"):
        with pytest.raises(s2s.RunError, match=r"run/summary\.json: expected the scores of a run"):
            getattr(run, name)


def test_a_data_frame_where_pandas_is(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(s2s.MissingExtraError, match="pip install pandas"):
        s2s.Run(tiny_run).metrics.to_pandas()


def test_a_classifier_is_a_run_too(labelled_run: Path) -> None:
    run = s2s.Run(labelled_run)
    assert "LSTM with last pooling" in repr(run)
    assert "test accuracy" in repr(run)
    assert run.curve.dev["accuracy"].shape == (2,)
    with pytest.raises(s2s.RunError, match="task=classify"):
        run.translator()


def configured(monkeypatch: pytest.MonkeyPatch, *files: Any, **options: Any) -> Any:
    """The options with which training would begin."""
    seen = []
    monkeypatch.setattr(train_run, "train", seen.append)
    monkeypatch.setattr(api_training, "Run", str)
    s2s.train(*files, **options)
    return seen[0]


def test_options_are_those_of_the_command(monkeypatch: pytest.MonkeyPatch, corpus: tuple[Path, Path]) -> None:
    config = configured(monkeypatch, data="multi30k", experiment="multi30k", model="gru", training__max_steps=7)
    assert (config.run, config.model.cell.name, config.model.hidden_size) == ("runs/multi30k-gru", "gru", 512)
    assert (config.training.max_steps, config.optim.schedule.name) == (7, "cosine")
    config = configured(monkeypatch, *corpus, **{"search.beam_size": 2, "data.dev_pairs": 9})
    assert config.data.train == [str(path) for path in corpus]
    assert (config.data.source_language, config.data.target_language) == ("ko", "en")
    assert (config.search.beam_size, config.data.dev_pairs) == (2, 9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modle": "gru"}, r"^modle: no such keyword; did you mean model\?"),
        ({"lr": 0.1}, r"^lr: no such keyword; did you mean optim\.learning_rate\?"),
        ({"training__max_step": 3}, r"^training\.max_step: no such keyword; did you mean training\.max_steps\?"),
        ({"model": "grue"}, r"^model must be one of 'gru', 'lstm', 'rnn' \(did you mean 'gru'\?\), but is 'grue'"),
        ({"training__max_steps": 0}, "^training.max_steps must be "),
        ({"training__max_steps": "many"}, r"^training\.max_steps must be a whole number.*, but is 'many'"),
        ({"device": "gpu"}, "^device must be one of 'auto', 'cpu', 'cuda'"),
    ],
)
def test_errors_speak_of_keywords(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(s2s.ConfigError, match=message):
        s2s.train(**options)
    assert list(tmp_path.iterdir()) == []


def test_a_cell_shows_one_bar_and_the_lines_above_it() -> None:
    cell = io.StringIO()
    stream = api_training._Shown(cell)
    with tqdm(total=2, file=stream, desc="outer", mininterval=0) as outer:
        for _ in range(2):
            for _ in tqdm(range(3), file=stream, desc="inner", leave=False, mininterval=0):
                pass
            tqdm.write("a line", file=stream)
            outer.update()
    stream.write("the end\n")
    shown = cell.getvalue()
    assert "inner" not in shown
    assert "\x1b" not in shown
    lines = [line.rpartition("\r")[2] for line in shown.split("\n")]
    assert [line for line in lines if "outer" not in line] == ["a line", "a line", "the end", ""]
    assert "2/2" in lines[-3]


@pytest.mark.slow
def test_training_leaves_a_run_and_its_messages(
    corpus: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # those of pytest
    run = s2s.train(*corpus, run="runs/mine", training__max_steps=6, **TINY)
    assert run.is_finished
    assert "training on" in capsys.readouterr().err
    again = s2s.train(**{**run.options, "data.train": list(map(str, corpus)), "run": "runs/again", "seed": 2})
    assert again.options["seed"] == 2
    assert again.options["model.hidden_size"] == 24


@pytest.mark.slow
def test_the_stop_button_saves(corpus: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook sends SIGINT to its kernel."""
    from s2s.training.loop import Trainer

    step = Trainer.step

    def interrupted(self: Trainer, update: Any) -> None:
        step(self, update)
        if self.progress.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Trainer, "step", interrupted)
    with pytest.raises(KeyboardInterrupt, match="stopped at step 3, all saved; the same call goes on"):
        s2s.train(*corpus, run="runs/mine", training__max_steps=6, **TINY)
    monkeypatch.setattr(Trainer, "step", step)
    assert not s2s.Run("runs/mine").is_finished
    assert s2s.train(*corpus, run="runs/mine", training__max_steps=6, **TINY).is_finished
