"""Input lines, possibly without end: read in blocks, and divided into buckets of lines of about equal length."""

import codecs
import math
import os
import select
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from s2s.data.text.parallel_text import open_plain_or_gzip, reading_errors
from s2s.decoding.line_warnings import warn_of_line

BLOCK_BYTES = 2**17
"""About two thousand lines, enough to find sentences of about equal length among them."""
_MAX_LINE_BYTES = 2**20  # the rest of a longer line is dropped, so that input without line ends needs no huge memory
_PATIENCE_S = 0.01  # nobody notices it at a terminal, and a program that writes without a break fills a block
_MAX_WAIT_S = 0.1  # for the rest of a block when lines trickle in


@dataclass(frozen=True)
class LineBlock:
    """Consecutive lines.

    Attributes:
        first_line: number of the first one, counted from 1.
        lines: without their ends; a last line without an end counts.
    """

    first_line: int
    lines: Sequence[bytes]

    @property
    def last_line(self) -> int:
        """Number of the last one."""
        return self.first_line + len(self.lines) - 1

    @property
    def num_bytes(self) -> int:
        """Size of the lines, line ends included."""
        return sum(map(len, self.lines)) + len(self.lines)

    def split(self, line: int) -> "tuple[LineBlock, LineBlock]":
        """The lines up to a number, and those after it; either may be empty."""
        num = min(max(0, line + 1 - self.first_line), len(self.lines))
        return LineBlock(self.first_line, self.lines[:num]), LineBlock(self.first_line + num, self.lines[num:])


@dataclass(frozen=True)
class Bucket:
    """Some lines of a block, of about equal length, for one process to translate.

    Attributes:
        numbers: of the lines in the input, counted from 1.
        lines: as many.
    """

    numbers: Sequence[int]
    lines: Sequence[bytes]


@dataclass(frozen=True)
class Input:
    """Where lines come from.

    Attributes:
        read: from a number of bytes to that many, or to fewer where no more are there yet; nothing at the end.
        is_ready: whether `read` would return at once, after a wait of at most this many seconds.
        max_wait_s: how long a line may wait for others that keep coming in.
    """

    read: Callable[[int], bytes]
    is_ready: Callable[[float], bool]
    max_wait_s: float


def pipe(handle: int) -> Input:
    """A pipe or a terminal, or a redirected file, which is read without waiting for more than is there."""

    def is_ready(wait_s: float) -> bool:
        return bool(select.select([handle], [], [], wait_s)[0])

    return Input(lambda size: os.read(handle, size), is_ready, _MAX_WAIT_S)


@contextmanager
def open_input(path: Path | None) -> Iterator[Input]:
    """Standard input, where no path is given; or a file, plain or .gz; or a named pipe.

    Raises:
        DataError: the file is missing, unreadable, or (while it is read) damaged gzip.
    """
    with ExitStack() as stack:
        if path is None:
            yield pipe(sys.stdin.fileno())
            return
        with reading_errors(path):
            if path.is_fifo() or path.is_char_device():
                source = pipe(stack.enter_context(path.open("rb", buffering=0)).fileno())
            else:
                file = stack.enter_context(open_plain_or_gzip(path))
                read = reading_errors(path)(file.read)  # a context manager wraps a function, too
                source = Input(read, lambda _: True, math.inf)
        yield source


def read_blocks(source: Input) -> Iterator[LineBlock | None]:
    r"""Lines as they come: what was typed comes at once, and a file in blocks of `BLOCK_BYTES`.

    Lines end at "\n" only. Of a line of more than a mebibyte the rest is dropped. A block begins where the one before
    ends and holds the lines that fit, so the blocks of a file depend on its content alone.

    Yields:
        A block of at least one line; or None, before a wait for input that is not there yet.
    """
    content, first_line, until_s = b"", 1, 0.0
    while True:
        has_line = b"\n" in content
        is_ready = source.is_ready(_PATIENCE_S if has_line else 0)
        if has_line and (not is_ready or len(content) >= BLOCK_BYTES or time.monotonic() > until_s):
            *lines, content = content.split(b"\n")
            yield LineBlock(first_line, _cut(lines))
            first_line += len(lines)
            continue
        if not is_ready:
            yield None
        if not has_line:
            content = content[: _MAX_LINE_BYTES + 1]
            until_s = time.monotonic() + source.max_wait_s
        chunk = source.read(BLOCK_BYTES - len(content) % BLOCK_BYTES)
        if not chunk:
            break
        content += chunk
    if content:
        yield LineBlock(first_line, _cut(content.removesuffix(b"\n").split(b"\n")))


def _cut(lines: list[bytes]) -> list[bytes]:
    """Lines of at most a byte more than is allowed, by which `decode` recognizes those that were longer."""
    return [line[: _MAX_LINE_BYTES + 1] for line in lines]


def split_into_buckets(block: LineBlock, max_lines: int) -> list[Bucket]:
    """Divide a block into buckets of at most `max_lines` lines of about equal length, the longest first."""
    order = sorted(range(len(block.lines)), key=lambda index: -len(block.lines[index]))
    num_buckets = -(-len(order) // max_lines)
    size = -(-len(order) // num_buckets)
    return [
        Bucket([block.first_line + index for index in part], [block.lines[index] for index in part])
        for part in (order[start : start + size] for start in range(0, len(order), size))
    ]


def decode(line: bytes, number: int) -> str:
    """A line as text; bytes that are not UTF-8 become U+FFFD, with a warning that names the line."""
    if len(line) > _MAX_LINE_BYTES:
        warn_of_line(number, "more than %d bytes; cut", _MAX_LINE_BYTES)
        _, num_bytes = codecs.utf_8_decode(line[:_MAX_LINE_BYTES], "replace", False)  # up to a character cut in two
        line = line[:num_bytes]
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        text = line.decode("utf-8", errors="replace")
        warn_of_line(number, "not valid UTF-8; the bytes that are not became U+FFFD")
    return text.removesuffix("\r")
