"""Warnings about single lines, which are found bucket by bucket and given in the order of the lines."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

_logger = logging.getLogger(__name__)


class LineWarning(NamedTuple):
    """A warning about a line.

    Attributes:
        line: its number, counted from 1.
        text: what is wrong, without the number.
    """

    line: int
    text: str


def warn_of_line(number: int, text: str, *args: object) -> None:
    """Warn of a line of the input.

    Args:
        number: of the line, counted from 1.
        text, args: what is wrong, as for `logging`.
    """
    warning = LineWarning(number, text % args if args else text)
    _logger.warning("line %d: %s", *warning, extra={"of_line": warning})


@contextmanager
def collected_warnings() -> Iterator[list[LineWarning]]:
    """A list that takes up the warnings about lines that are given in the block, instead of the log."""
    found: list[LineWarning] = []

    def is_logged(record: logging.LogRecord) -> bool:
        warning = getattr(record, "of_line", None)
        if warning is not None:
            found.append(warning)
        return warning is None

    _logger.addFilter(is_logged)
    try:
        yield found
    finally:
        _logger.removeFilter(is_logged)


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
            warn_of_line(*self._first)
            return
        _logger.warning(
            "%d of the first %d lines are unlike the text of training, such as line %d: %s",
            self._num_doubtful,
            self._num_lines,
            *self._first,
        )
