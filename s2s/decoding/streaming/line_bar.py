"""A bar at the terminal while a file is worked on: lines done, rate and time left."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from s2s.data.text.parallel_text import open_plain_or_gzip
from s2s.errors import DataError

_CHUNK_BYTES = 2**20


@contextmanager
def line_bar(
    work: str, source: Path | None, *, has_output: bool, num_done: int = 0
) -> Iterator[Callable[[int], object]]:
    """A block with a bar on stderr, above which messages are printed.

    There is none where stderr is no terminal, where the input is not a file, so that nobody knows its end, or where
    lines go to a terminal or a pipe, perhaps to a pager, at the same time.

    Args:
        work: what is done, such as "translating".
        source: the file that is read; None: standard input.
        has_output: whether the result goes to a file; otherwise it goes to stdout.
        num_done: lines that were done before.

    Yields:
        What to call with a number of lines whenever they are done.
    """
    is_shown = sys.stderr.isatty() and (has_output or not _is_watched(sys.stdout.fileno()))
    num_lines = _num_lines(source) if is_shown else None
    if num_lines is None:
        yield lambda num: None
        return
    with (
        logging_redirect_tqdm(),
        tqdm(total=num_lines, initial=num_done, desc=work, unit="line", dynamic_ncols=True) as bar,
    ):
        yield bar.update


def _is_watched(handle: int) -> bool:
    """Whether what is written there may show at a terminal."""
    return os.isatty(handle) or stat.S_ISFIFO(os.fstat(handle).st_mode)


def _num_lines(source: Path | None) -> int | None:
    """The lines of a file, counted; of standard input those that are still to come, if it is a file."""
    num_lines, last = 0, b"\n"
    try:
        if source is None:
            handle = sys.stdin.fileno()
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return None
            position = os.lseek(handle, 0, os.SEEK_CUR)
            while chunk := os.pread(handle, _CHUNK_BYTES, position):
                num_lines, last, position = num_lines + chunk.count(b"\n"), chunk[-1:], position + len(chunk)
        else:
            if not source.is_file():
                return None
            with open_plain_or_gzip(source) as file:
                for chunk in iter(partial(file.read, _CHUNK_BYTES), b""):
                    num_lines, last = num_lines + chunk.count(b"\n"), chunk[-1:]
    except (OSError, EOFError, DataError):  # whoever reads it tells of it
        return None
    return num_lines + (last != b"\n")
