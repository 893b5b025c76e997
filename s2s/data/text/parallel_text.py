"""Parallel text files, read pair by pair or in chunks.

A corpus is two text files (plain or gzip, UTF-8) with one sentence a line; line i of one translates line i of the
other. Or it is one file that holds both sides of a pair on each line, a tab between them. Text is streamed, so that a
huge corpus needs no huge memory.
"""

import gzip
import hashlib
import io
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice, tee
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tqdm import tqdm

from s2s.errors import DataError

tqdm.monitor_interval = 0  # starting its thread would swallow a signal that comes meanwhile
GZIP_MAGIC = b"\x1f\x8b"
BUFFER_BYTES = 1 << 16
CHUNK_PAIRS = 50_000
"""Pairs that one process works on at a time, in some 50 MB; a corpus of no more starts no other process."""


class Pair(NamedTuple):
    """A sentence and its translation."""

    source: str
    target: str


Files = tuple[Path, Path | None]
"""Of source and target, or, with None, one file that holds both, a tab between them."""


def paths_of(names: list[str]) -> Files:
    """The files that an option such as `data.train` names."""
    return Path(names[0]), Path(names[1]) if len(names) == 2 else None


# ----------------------------------------------------------------------------------------------------------------------
# Lines


class HashingFile(io.FileIO):
    """A file whose bytes are hashed as they are read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.sha256 = hashlib.sha256()

    def readinto(self, buffer: "memoryview[int]") -> int | None:  # type: ignore[override]  # all that io gives it
        num_bytes = super().readinto(buffer)
        self.sha256.update(buffer[:num_bytes])
        return num_bytes


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes.

    Raises:
        DataError: it is missing or unreadable.
    """
    with reading_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_lines(path: Path) -> Iterator[str]:
    r"""Yield the lines of a UTF-8 text file, plain or gzip (recognized by its first bytes or by the name's .gz).

    A line ends at `\n` and nowhere else: not at a lone `\r`, a form feed, U+0085 or U+2028. One `\r` before the `\n` is
    dropped, and so is a byte order mark at the start of the file. A last line without `\n` counts.

    Raises:
        DataError: while reading: the file is missing or unreadable, is damaged gzip, or has a line that is not UTF-8.
    """
    for number, line in enumerate(read_raw_lines(path), start=1):
        yield decode_line(line, path, number)


def read_raw_lines(path: Path, sha256: str | None = None) -> Iterator[bytes]:
    """The lines of `read_lines` as bytes, with their line ends.

    Args:
        sha256: of the file's bytes; it is an error at the end if they have another.
    """
    with reading_errors(path), HashingFile(path) if sha256 else io.FileIO(path) as raw:
        with open_plain_or_gzip(path, raw) as file:
            if first := file.readline().removeprefix(BOM_UTF8):
                yield first
            yield from file
        if isinstance(raw, HashingFile) and raw.sha256.hexdigest() != sha256:
            raise DataError(f"{path} changed while it was read; give the command again")


@contextmanager
def open_plain_or_gzip(path: Path, raw: io.FileIO | None = None) -> Iterator[BinaryIO]:
    """The bytes of a text file, whichever way it is stored.

    Args:
        raw: the file, where it is open already.
    """
    with io.BufferedReader(raw or io.FileIO(path), BUFFER_BYTES) as stored:
        is_gzip = path.suffix == ".gz" or stored.peek(2).startswith(GZIP_MAGIC)
        # A BufferedReader finds lines several times as fast as GzipFile itself.
        with io.BufferedReader(gzip.GzipFile(fileobj=stored), BUFFER_BYTES) if is_gzip else stored as file:
            yield file


@contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Report what goes wrong while a text file is opened or read.

    Raises:
        DataError: it is missing, unreadable, or damaged gzip.
    """
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: expected a whole gzip file, found a damaged one ({error}); fetch it again") from error
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}: check its name and folder") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a folder: give the name of a text file in it") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): give a text file that you may read") from error


def decode_line(line: bytes, path: Path, number: int) -> str:
    """The text of a line, without its end.

    Raises:
        DataError: it is not UTF-8.
    """
    try:
        return line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line {number}: expected UTF-8, found 0x{line[error.start]:02x} at byte {error.start + 1} of the "
            "line; fix that line, or convert the file (iconv -f ENCODING -t UTF-8)"
        ) from error


# ----------------------------------------------------------------------------------------------------------------------
# Pairs


def read_pairs(source: Path, target: Path | None) -> Iterator[Pair]:
    """Yield line i of one file with line i of the other.

    Args:
        target: None: every line of `source` holds both sides, a tab between them.

    Raises:
        DataError: as in `read_lines`; and, after the last pair, if one file is longer or both are empty.
    """
    for chunk in read_chunks(source, target, 1000):
        yield from decode_chunk(chunk, source, target)


class RawChunk(NamedTuple):
    """Consecutive lines of both sides as bytes, for another process to decode.

    Attributes:
        first_line: number of the first one, from 1.
        source: lines with their ends, but for the last one, which has none.
        target: as many.
    """

    first_line: int
    source: bytes
    target: bytes


def read_chunks(
    source: Path, target: Path | None, num_pairs: int, sha256: Sequence[str | None] = (None, None)
) -> Iterator[RawChunk]:
    """The pairs of `read_pairs`, not yet decoded, `num_pairs` at a time.

    Args:
        sha256: of the bytes of each file, as in `read_raw_lines`.

    Raises:
        DataError: as in `read_pairs`, but for lines that are not UTF-8: those are found by `decode_chunk`.
    """
    sides: tuple[Iterator[bytes], Iterator[bytes]]
    if target is None:
        before, after = tee(_split_at_tabs(source, sha256[0]))
        sides = (line for line, _ in before), (line for _, line in after)
    else:
        sides = read_raw_lines(source, sha256[0]), read_raw_lines(target, sha256[1])
    num_read = 0
    while True:
        lines = [list(islice(side, num_pairs)) for side in sides]
        num = min(map(len, lines))
        if num:
            yield RawChunk(num_read + 1, *(b"".join(some[:num]).removesuffix(b"\n") for some in lines))
        num_read += num
        if num < num_pairs:
            break
    paths, counts = (source, target or source), [num_read, num_read]
    for index, path in enumerate(paths):
        for line in chain(lines[index][num:], sides[index]):  # what one file has more than the other
            counts[index] += 1
            decode_line(line, path, counts[index])
    if counts[0] != counts[1]:
        raise DataError(
            f"expected as many lines in {paths[0]} as in {paths[1]}, found {counts[0]:,} and {counts[1]:,}; "
            "line i of one belongs to line i of the other"
        )
    if counts[0] == 0:
        names = " and ".join(dict.fromkeys(map(str, paths)))
        raise DataError(f"expected a corpus, but there is no line of text in {names}; check the paths")


def _split_at_tabs(path: Path, sha256: str | None) -> Iterator[tuple[bytes, bytes]]:
    """What stands before and after the tab of each line, both with a line end."""
    for number, line in enumerate(read_raw_lines(path, sha256), start=1):
        sides = line.removesuffix(b"\n").removesuffix(b"\r").split(b"\t")
        if len(sides) != 2:
            raise DataError(
                f"{path}, line {number}: expected two columns with a tab between them, found {len(sides)}; "
                "text that holds tabs itself can be given as two files"
            )
        yield sides[0] + b"\n", sides[1] + b"\n"


def decode_chunk(chunk: RawChunk, source: Path, target: Path | None) -> list[Pair]:
    """The pairs of a chunk of these files.

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
