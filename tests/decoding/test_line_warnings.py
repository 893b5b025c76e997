"""Warnings about lines: collected, put in order, and one about many."""

import logging
from pathlib import Path

import pytest

from s2s.decoding.line_warnings import Doubts, LineWarning, collected_warnings, warn_of_line
from s2s.decoding.streaming.input_lines import LineBlock
from s2s.decoding.streaming.line_translator import load_line_translator
from s2s.decoding.streaming.parallel_translator import ParallelTranslator

_logger = logging.getLogger("s2s.decoding.any")


def test_warnings_about_lines_are_collected_and_others_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    with collected_warnings() as found:
        warn_of_line(7, "%s is cut", "it")
        warn_of_line(9, "100 % is odd")
        _logger.warning("line %d: of another file", 8)
    assert found == [LineWarning(7, "it is cut"), LineWarning(9, "100 % is odd")]
    assert caplog.messages == ["line 8: of another file"]
    warn_of_line(1, "outside")
    assert caplog.messages[-1] == "line 1: outside"


def test_warnings_come_in_the_order_of_the_lines(tiny_run: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Long lines are translated first, and lines are decoded before any is translated."""
    lines = [b"\xff", b"one " * 40, b"\xff \xff \xff \xff", b"one " * 50, b"\xff" * 2]

    def load() -> object:
        from s2s.config.search import SearchConfig, Strategy

        search = SearchConfig(strategy=Strategy.greedy, max_source_pieces=30)
        return load_line_translator(str(tiny_run), search=search, device="cpu", batch_size=1)

    with ParallelTranslator(load, 1) as translator:  # type: ignore[arg-type]
        list(translator.translate([LineBlock(1, lines[:3]), LineBlock(4, lines[3:])]))
    about = [message.split(":")[0] for message in caplog.messages if message.startswith("line ")]
    assert about == [f"line {number}" for number in range(1, 6)]


def test_one_doubtful_line_is_named(caplog: pytest.LogCaptureFixture) -> None:
    Doubts().add(1, [LineWarning(1, "1 of 1 words was never seen")])
    assert caplog.messages == ["line 1: 1 of 1 words was never seen"]


def test_many_doubtful_lines_are_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """One of eleven is too few, two of fifteen are enough."""
    doubts = Doubts()
    doubts.add(4, [])
    doubts.add(7, [LineWarning(6, "odd")])
    assert caplog.messages == []
    doubts.add(4, [LineWarning(14, "odder")])
    assert caplog.messages == ["2 of the first 15 lines are unlike the text of training, such as line 6: odd"]
    doubts.add(1, [LineWarning(16, "oddest")])
    assert len(caplog.messages) == 1
