"""A file of translations that is complete or absent, written by one rank or several, and resumed after a stop.

Until it is complete, each rank keeps two files beside it: a shard (OUTPUT.0-of-1.part) with the translations of whole
blocks, and a journal (OUTPUT.0-of-1.journal) that lists them. A block that is not in the journal is translated again.
"""

import dataclasses
import glob
import hashlib
import json
import logging
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import FileIO
from itertools import count, pairwise
from pathlib import Path
from typing import Any, BinaryIO

from s2s.decoding.streaming.input_lines import LineBlock
from s2s.errors import OutputError
from s2s.files import PART_SUFFIX, flush, lock, replacing

_logger = logging.getLogger(__name__)
_SHARD = r"\.(\d+)-of-(\d+)\.part"  # after the name of the output: a rank's shard, and of how many
Settings = dict[str, Any]
"""All that decides the text: names and JSON-able values."""


@dataclass(frozen=True)
class JournalEntry:
    """The progress after a block; a line of a journal.

    Attributes:
        last_line: number of the last line of the block.
        sha256: of the lines of the input up to there.
        num_bytes: size of the shard.
    """

    last_line: int
    sha256: str
    num_bytes: int


_NOTHING = JournalEntry(0, hashlib.sha256().hexdigest(), 0)


class ResumableOutput:
    """The shard of one rank: the output for every `size`-th block of the input, all of which it reads."""

    def __init__(self, path: Path, files: tuple[FileIO, FileIO], rank: int, size: int, done: JournalEntry) -> None:
        self.path, self._rank, self._size = path, rank, size
        self._file, self._journal = files
        self._done = done
        self._digests: dict[int, str] = {}
        self.whole_input: tuple[int, str] | None = None
        """Number of lines of the input and its sha256, once it has been read."""

    @classmethod
    @contextmanager
    def open(cls, output: Path, rank: int, size: int, settings: Settings) -> Iterator["ResumableOutput"]:
        """The shard of a rank, begun or resumed.

        Raises:
            OutputError: the output exists already, or was begun with other settings, or another process writes it.
        """
        _check_new(output, size)
        path = _shard_path(output, rank, size)
        with ExitStack() as stack:
            output.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("ab", buffering=0))
            _lock(file, output)
            _check_new(output, size)  # again: who held the lock may have finished the output, perhaps from this file
            files = file, stack.enter_context(_journal_path(path).open("ab", buffering=0))
            shard = cls(path, files, rank, size, _resume(path, files, settings))
            try:
                yield shard
            except BaseException:
                if shard._done.last_line:
                    _logger.info("%s: done up to line %d; the same command goes on", path, shard._done.last_line)
                raise

    @property
    def num_done(self) -> int:
        """Lines of the input up to which this rank is done."""
        return self._done.last_line

    def remaining(self, blocks: Iterable[LineBlock | None]) -> Iterator[LineBlock | None]:
        """The blocks that are left for this rank; those before are read again, to check that they are the same.

        Raises:
            OutputError: they are not.
        """
        sha256, done, last_line, turn = hashlib.sha256(), self._done, 0, 0
        for block in blocks:
            if block is None:
                yield None
                continue
            before, rest = block.split(done.last_line)
            for some in filter(lambda some: some.lines, (before, rest)):
                sha256.update(b"\n".join(some.lines) + b"\n")
                last_line = some.last_line
                if last_line == done.last_line:
                    self._check_same(sha256.hexdigest())
            if rest.lines and turn % self._size == self._rank:
                self._digests[last_line] = sha256.hexdigest()
                yield rest
            turn += 1
        if last_line < done.last_line:
            self._check_same("")
        self.whole_input = last_line, sha256.hexdigest()

    def _check_same(self, sha256: str) -> None:
        if sha256 != self._done.sha256:
            raise OutputError(
                f"{self.path} was begun with another input, whose first {self._done.last_line} lines were not these: "
                "give the same one to go on with it, or remove it to begin anew"
            )

    def add(self, block: LineBlock, content: bytes) -> None:
        """Write the output for a block of `remaining`; it is on the disk afterwards.

        Raises:
            OutputError: it cannot be written; the output before it is kept.
        """
        num_bytes = self._done.num_bytes + len(content)
        done = JournalEntry(block.last_line, self._digests.pop(block.last_line), num_bytes)
        _append(self._file, content)
        _append(self._journal, _json_line(dataclasses.asdict(done)))
        self._done = done


def join(output: Path, size: int) -> None:
    """Join the shards of all ranks, which are complete, into the output, and remove them."""
    paths = [_shard_path(output, rank, size) for rank in range(size)]
    for left, _ in _beside(output, PART_SUFFIX):  # of a killed process that joined them
        left.unlink()
    if size == 1:
        os.replace(paths[0], output)
        flush(output.parent)
    else:
        with replacing(output) as whole, ExitStack() as stack:
            contents = [_read_blocks(path, stack.enter_context(path.open("rb"))) for path in paths]
            for turn in count():
                content = next(contents[turn % size], None)
                if content is None:
                    break
                whole.write(content)
    for path in paths:
        _journal_path(path).unlink()  # first: a shard without one is begun anew
        path.unlink(missing_ok=True)


def _read_blocks(path: Path, file: BinaryIO) -> Iterator[bytes]:
    _, entries = _read_journal(_journal_path(path))
    for before, entry in pairwise([_NOTHING, *entries]):
        yield file.read(entry.num_bytes - before.num_bytes)


def _shard_path(output: Path, rank: int, size: int) -> Path:
    return output.with_name(f"{output.name}.{rank}-of-{size}.part")


def _journal_path(shard: Path) -> Path:
    return shard.with_suffix(".journal")


def _beside(output: Path, rest: str) -> list[tuple[Path, re.Match[str]]]:
    """Files whose names are that of the output and a rest that matches a pattern."""
    paths = sorted(output.parent.glob(f"{glob.escape(output.name)}.*"))
    matches = [re.fullmatch(rest, path.name.removeprefix(output.name)) for path in paths]
    return [(path, match) for path, match in zip(paths, matches, strict=True) if match]


def _lock(file: FileIO, output: Path) -> None:
    """Lock a shard, or warn where its file system cannot.

    Raises:
        OutputError: another process holds the lock.
    """
    try:
        is_locked = lock(file.fileno())
    except BlockingIOError as error:
        raise OutputError(f"output={output} is being written by another process: wait, or choose another") from error
    if not is_locked:
        _logger.warning("warning: %s cannot be locked here; ensure that no other command writes %s", file.name, output)


def _check_new(output: Path, size: int) -> None:
    if output.exists():
        raise OutputError(f"output={output} exists already: remove it, or choose another name")
    for path, match in _beside(output, _SHARD):
        num = match[2]
        if int(num) != size:
            raise OutputError(
                f"output={output} was begun by {num} processes, not {size}: start as many (torchrun --nproc-per-node) "
                f"to go on, or remove {path} and its like to begin anew"
            )


def _resume(path: Path, files: tuple[FileIO, FileIO], settings: Settings) -> JournalEntry:
    """Cut a shard and its journal down to what is complete in both; the journal of an empty shard is ignored.

    Returns:
        The last entry that is left.

    Raises:
        OutputError: they were begun with other settings.
    """
    file, journal = files
    size = os.fstat(file.fileno()).st_size
    before, entries = _read_journal(_journal_path(path)) if size else (None, [])
    if before is not None:
        _check_settings(path, before, settings)
    entries = [entry for entry in entries if entry.num_bytes <= size]
    done = entries[-1] if entries else _NOTHING
    num_lines = 0 if before is None else 1 + len(entries)
    # What is kept is not rewritten, so that it cannot be lost in between.
    journal.truncate(sum(map(len, _journal_path(path).read_bytes().splitlines(keepends=True)[:num_lines])))
    _append(journal, b"" if num_lines else _json_line(settings))
    file.truncate(done.num_bytes)
    if done.last_line:
        _logger.info("going on after line %d, which %s holds already", done.last_line, path)
    return done


def _check_settings(path: Path, before: Settings, now: Settings) -> None:
    names = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    if names:
        changes = "; ".join(f"{name}: {before.get(name)} -> {now.get(name)}" for name in names)
        raise OutputError(
            f"{path} was begun with something else ({changes}): give the same to go on with it, or remove it to begin "
            "anew"
        )


def _read_journal(path: Path) -> tuple[Settings | None, list[JournalEntry]]:
    """The settings and the entries of a journal; a line that is cut short does not count."""
    lines = path.read_bytes().split(b"\n")[:-1]
    if not lines:
        return None, []
    try:
        return json.loads(lines[0]), [JournalEntry(**json.loads(line)) for line in lines[1:]]
    except (ValueError, TypeError) as error:
        raise OutputError(
            f"{path} is no journal of s2s translate, or damaged: remove it and its .part to begin anew"
        ) from error


def _json_line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _append(file: FileIO, content: bytes) -> None:
    """Write to the end of an unbuffered file, and flush it to the disk."""
    try:
        while content:
            content = content[file.write(content) :]  # of a full disk, what fits
        os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(
            f"{file.name} cannot be written ({error.strerror or error}): what was done is kept; make room and give the "
            "same command"
        ) from error
