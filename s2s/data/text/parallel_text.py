"""Parallel text files: fetched, read line by line or in chunks, cleaned with counts, and split.

A corpus is two text files (plain or gzip, UTF-8) with one sentence a line; line i of one translates line i of the
other. Text is streamed, and what has to be known of all pairs at once is 64-bit digests in arrays: about 30 bytes a
pair, so that a huge corpus needs no huge memory.

N pairs.
"""

import gzip
import hashlib
import io
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, count, islice, tee, zip_longest
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tqdm import tqdm

from s2s.errors import DataError

tqdm.monitor_interval = 0  # starting its thread would swallow a signal that comes meanwhile
GZIP_MAGIC = b"\x1f\x8b"
CHUNK_BYTES = 1 << 16


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes.

    Raises:
        DataError: it is missing or unreadable.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: expected a readable text file, got: {error.strerror}; check the path")


# ----------------------------------------------------------------------------------------------------------------------
# From files to pairs


class Pair(NamedTuple):
    """A sentence and its translation."""

    source: str
    target: str


def read_lines(path: Path) -> Iterator[str]:
    r"""Yield the lines of a UTF-8 text file, plain or gzip (told by its first bytes or by the name's .gz).

    A line ends at `\n` and nowhere else: not at a lone `\r`, a form feed, U+0085 or U+2028. One `\r` before the `\n` is
    dropped, and so is a byte order mark at the start of the file. A last line without `\n` counts.

    Raises:
        DataError: while reading: the file is missing or unreadable, is damaged gzip, or has a line that is not UTF-8.
    """
    for number, line in enumerate(read_raw_lines(path), start=1):
        yield decode_line(line, path, number)


def read_raw_lines(path: Path) -> Iterator[bytes]:
    """The lines of `read_lines` as bytes, with their line ends."""
    with reading_errors(path), open_plain_or_gzip(path) as file:
        if first := file.readline().removeprefix(BOM_UTF8):
            yield first
        yield from file


@contextmanager
def open_plain_or_gzip(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a text file, whichever way it is stored."""
    with path.open("rb") as raw:
        is_gzip = path.suffix == ".gz" or raw.peek(2).startswith(GZIP_MAGIC)
        # A BufferedReader finds lines several times as fast as GzipFile itself.
        with io.BufferedReader(gzip.GzipFile(fileobj=raw), CHUNK_BYTES) if is_gzip else raw as file:
            yield file


@contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Tell of what goes wrong while a text file is opened or read.

    Raises:
        DataError: it is missing, unreadable, or damaged gzip.
    """
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: expected a whole gzip file, found a damaged one ({error}); fetch it again") from error
    except OSError as error:
        raise unreadable(path, error) from error


def decode_line(line: bytes, path: Path, number: int) -> str:
    try:
        return line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line {number}: expected UTF-8, found 0x{line[error.start]:02x} at byte {error.start + 1} of the "
            "line; mend that line, or convert the file (iconv -f ENCODING -t UTF-8)"
        ) from error


def read_pairs(source: Path, target: Path | None) -> Iterator[Pair]:
    """Yield line i of one file with line i of the other.

    Args:
        target: None: every line of `source` holds both sides, a tab between them.

    Raises:
        DataError: as in `read_lines`; and, after the last pair, if one file is longer or both are empty.
    """
    num_source = num_target = 0
    target_path = target or source
    for number, (source_line, target_line) in enumerate(zip_longest(*raw_sides(source, target)), start=1):
        source_text = None if source_line is None else decode_line(source_line, source, number)
        target_text = None if target_line is None else decode_line(target_line, target_path, number)
        num_source += source_text is not None
        num_target += target_text is not None
        if source_text is not None and target_text is not None:
            yield Pair(source_text, target_text)
    check_counts(source, target_path, num_source, num_target)


def raw_sides(source: Path, target: Path | None) -> tuple[Iterator[bytes], Iterator[bytes]]:
    """The lines of both sides, to be read side by side, as `read_raw_lines` gives them."""
    if target is not None:
        return read_raw_lines(source), read_raw_lines(target)
    first, second = tee(split_at_tabs(source))
    return (side for side, _ in first), (side for _, side in second)


def split_at_tabs(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """What stands before and after the tab of each line, both with the line's end.

    Raises:
        DataError: a line holds no tab, or several.
    """
    for number, line in enumerate(read_raw_lines(path), start=1):
        sides = line.removesuffix(b"\n").removesuffix(b"\r").split(b"\t")
        if len(sides) != 2:
            raise DataError(
                f"{path}, line {number}: expected two columns with a tab between them, found {len(sides)}; "
                "text that holds tabs itself can be given as two files"
            )
        yield sides[0] + b"\n", sides[1] + b"\n"


class RawChunk(NamedTuple):
    """Lines of two files that follow each other, as they stand there, for another process to decode.

    Attributes:
        number: of the chunk, from 0.
        first_line: number of its first line, from 1.
        source: lines with their ends, but for the last one, which has none.
        target: as many.
    """

    number: int
    first_line: int
    source: bytes
    target: bytes


def read_chunks(source: Path, target: Path | None, num_pairs: int) -> Iterator[RawChunk]:
    """The pairs of `read_pairs`, not yet decoded, `num_pairs` at a time.

    Raises:
        DataError: as in `read_pairs`, but for lines that are not UTF-8: those are found by `decode_chunk`.
    """
    paths, sides = (source, target or source), raw_sides(source, target)
    num_read = 0
    for number in count():
        blocks = [list(islice(side, num_pairs)) for side in sides]
        num = min(map(len, blocks))
        if num:
            yield RawChunk(
                number,
                num_read + 1,
                *(b"".join(block[:num]).removesuffix(b"\n") for block in blocks),
            )
        num_read += num
        if num < num_pairs:
            break
    counts = [num_read, num_read]
    for index, (path, block, side) in enumerate(zip(paths, blocks, sides, strict=True)):
        for line in chain(block[num:], side):  # what one file has more than the other
            counts[index] += 1
            decode_line(line, path, counts[index])
    check_counts(*paths, *counts)


def decode_chunk(chunk: RawChunk, source: Path, target: Path | None) -> "list[Pair]":
    """The pairs of a chunk of these files, the second of which may be None as in `read_pairs`.

    Raises:
        DataError: a line is not UTF-8; the first one, with its file and number.
    """
    try:
        sides = [block.decode("utf-8").split("\n") for block in (chunk.source, chunk.target)]
    except UnicodeDecodeError:
        lines = zip(chunk.source.split(b"\n"), chunk.target.split(b"\n"), strict=True)
        for number, pair in enumerate(lines, start=chunk.first_line):
            for line, path in zip(pair, (source, target or source), strict=True):
                decode_line(line, path, number)
        raise
    return [Pair(source.removesuffix("\r"), target.removesuffix("\r")) for source, target in zip(*sides, strict=True)]


def check_counts(source: Path, target: Path, num_source: int, num_target: int) -> None:
    """See that two files are one corpus.

    Raises:
        DataError: one is longer than the other, or both are empty.
    """
    if num_source != num_target:
        raise DataError(
            f"expected as many lines in {source} as in {target}, found {num_source:,} and {num_target:,}; "
            "line i of one belongs to line i of the other"
        )
    if num_source == 0:
        raise DataError(f"expected a corpus, found no line in {source} and {target}; check the paths")


Files = tuple[Path, Path | None]
"""Of source and target, or, with None, one file that holds both, a tab between them; see `read_pairs`."""
