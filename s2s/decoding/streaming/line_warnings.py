"""Warnings about single lines, which are found bucket by bucket and given in the order of the lines."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

_logger = logging.getLogger(__name__)
_SOURCE = logging.getLogger("s2s.decoding")
_LINE = "line %d: "
"""What a warning about a line begins with; its first argument is the number."""


class LineWarning(NamedTuple):
    """A warning about a line.

    Attributes:
        line: its number, counted from 1.
        text: what is wrong, without the number.
    """

    line: int
    text: str


class _Collector(logging.Handler):
    """Keeps warnings about lines, and passes on what else is logged."""

    def __init__(self, found: list[LineWarning]) -> None:
        super().__init__()
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith(_LINE) and isinstance(record.args, tuple) and isinstance(record.args[0], int):
            text = record.getMessage().removeprefix(_LINE % record.args[0])
            self._found.append(LineWarning(record.args[0], text))
        elif _SOURCE.parent is not None:
            _SOURCE.parent.handle(record)


@contextmanager
def collected_warnings() -> Iterator[list[LineWarning]]:
    """A list that takes up the warnings that `s2s.decoding` gives about lines in the block, instead of the log."""
    found: list[LineWarning] = []
    collector, propagates = _Collector(found), _SOURCE.propagate
    _SOURCE.addHandler(collector)
    _SOURCE.propagate = False
    try:
        yield found
    finally:
        _SOURCE.propagate = propagates
        _SOURCE.removeHandler(collector)


class Doubts:
    """Tells once that much of the input is unlike the text of training."""

    def __init__(self) -> None:
        self._first: LineWarning | None = None
        self._num_lines = self._num_doubtful = 0
        self._has_told = False

    def add(self, num_lines: int, doubts: list[LineWarning]) -> None:
        """Count the next lines, in order, and those of them whose translation is doubtful.

        Once a tenth of all lines so far is, a warning says so. A line or two of other text are no reason for one, and
        those of a file in another language are one at the first block.
        """
        self._num_lines += num_lines
        self._num_doubtful += len(doubts)
        self._first = self._first or min(doubts, default=None)
        if self._has_told or self._first is None or self._num_doubtful * 10 < self._num_lines:
            return
        self._has_told = True
        if self._num_lines == 1:
            _logger.warning("line %d: %s", *self._first)
            return
        _logger.warning(
            "%d of the first %d lines are unlike the text of training, such as line %d: %s",
            self._num_doubtful,
            self._num_lines,
            *self._first,
        )
