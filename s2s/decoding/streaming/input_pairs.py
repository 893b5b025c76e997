"""Sentence pairs as they come, in blocks: from two files, or from standard input with a tab between the sides."""

from collections.abc import Iterator
from pathlib import Path

from s2s.data.text.parallel_text import Pair, read_chunks, read_raw_lines
from s2s.decoding.streaming.input_lines import decode, open_input, read_blocks
from s2s.errors import DataError

_BLOCK_PAIRS = 2000


def read_pair_blocks(files: list[str]) -> Iterator[tuple[int, list[Pair]]]:
    """The number of the first pair of each block, counted from 1, and its pairs.

    Bytes that are not UTF-8 become U+FFFD, with a warning that names the line.

    Args:
        files: source and target; none: standard input, where a typed line comes at once.

    Raises:
        DataError: before the first block: a file is missing, or one is longer than the other. While reading: a line of
            standard input holds another number of tabs than one (a blank line is a pair of blank sides).
    """
    if files:
        _check_equally_long(*map(Path, files))
        for chunk in read_chunks(Path(files[0]), Path(files[1]), _BLOCK_PAIRS):
            sides = zip(chunk.source.split(b"\n"), chunk.target.split(b"\n"), strict=True)
            lines = enumerate(sides, chunk.first_line)
            yield chunk.first_line, [Pair(*(decode(side, number) for side in pair)) for number, pair in lines]
        return
    with open_input(None) as source:
        for block in filter(None, read_blocks(source)):
            numbered = enumerate(block.lines, block.first_line)
            yield block.first_line, [_split(decode(line, number), number) for number, line in numbered]


def _check_equally_long(*paths: Path) -> None:
    """Read two files to their ends, so that nothing is written of files that do not belong together.

    Raises:
        DataError: one is missing, or they have different numbers of lines.
    """
    if not all(path.is_file() for path in paths):  # what can be read once only, such as a pipe, is checked on the way
        return
    counts = [sum(1 for _ in read_raw_lines(path)) for path in paths]
    if counts[0] != counts[1]:
        raise DataError(
            f"expected as many lines in {paths[0]} as in {paths[1]}, found {counts[0]:,} and {counts[1]:,}; "
            "line i of one belongs to line i of the other"
        )


def _split(line: str, number: int) -> Pair:
    sides = line.split("\t")
    if not line.strip():
        return Pair("", "")
    if len(sides) != 2:
        raise DataError(
            f"line {number}: expected a source, a tab and a target, got {len(sides) - 1} tabs; "
            "text that holds tabs itself can be read from files: data.test=SOURCE,TARGET"
        )
    return Pair(*sides)
