"""What every training run does at its end, whatever its task."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from s2s.tasks.train_run import train
from tiny_runs import TINY, compose, file_options, labelled_options


@pytest.mark.parametrize(
    ("corpus", "picture"),
    [
        (file_options, "s2s.tasks.translation.plot_attention"),
        (labelled_options, "s2s.tasks.classification.plot_confusion"),
    ],
)
def test_the_summary_is_written_before_a_picture_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, corpus: Callable[[Path], list[str]], picture: str
) -> None:
    def broken(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(picture, broken)
    options = [*corpus(tmp_path / "corpus"), *TINY, f"run={tmp_path / 'run'}", "training.max_steps=1"]
    with pytest.raises(MemoryError):
        train(compose("train", *options))
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["test"]["lines"] == 15
