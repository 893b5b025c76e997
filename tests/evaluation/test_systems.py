"""Translating a test set: what a terminal shows of it."""

from pathlib import Path

import pytest

from s2s.decoding.batch_translator import BatchTranslator
from s2s.evaluation.systems import translate_shown
from terminals import Terminal

LINES = ["하나 둘", "", "셋 넷", "여섯"]


def test_a_terminal_shows_a_bar(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    translator = BatchTranslator.load(tiny_run, batch_size=2)
    expected, terminal = translator.translate(LINES), Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert translate_shown(translator, LINES, "scoring the test set") == expected
    assert "scoring the test set" in terminal.getvalue()
    assert "/4 [" in terminal.getvalue()


def test_elsewhere_nothing_is_shown(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    translate_shown(BatchTranslator.load(tiny_run), LINES, "scoring the test set")
    assert capsys.readouterr().err == ""


def test_progress_counts_every_line_that_is_not_blank(tiny_run: Path) -> None:
    counts: list[int] = []
    BatchTranslator.load(tiny_run, batch_size=2).translations(LINES, progress=counts.append)
    assert counts == [2, 1]
