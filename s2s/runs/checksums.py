"""Checksums of the files that a run folder is made with, by which a damaged one is told from what was written.

They stand in `SHA256SUMS` as sha256sum writes and reads them, a line a file: vocabularies, unseen_pieces.json, dev and
test text, and corpus.json, which never change. The options, which may, begin with a checksum of their own
(saved_config.py), and checkpoints hold theirs. A folder without `SHA256SUMS`, of an earlier version, is read unchecked.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from s2s.errors import RunError
from s2s.files import read_bounded, write_lines

NAME = "SHA256SUMS"
_LINE = re.compile("([0-9a-f]{64})  (.+)")
_MAX_BYTES = 100_000


def write_checksums(folder: Path, files: Iterable[Path]) -> None:
    """Write the checksums of these files, which are below the folder."""
    names = sorted({str(path.relative_to(folder)) for path in files})
    write_lines(folder / NAME, [f"{_sha256_of(folder / name)}  {name}" for name in names])


def check_files(folder: Path, files: Iterable[Path]) -> None:
    """Ensure that files are what they were when the run was made, as far as the folder tells.

    A file that is missing is left to whoever reads it.

    Raises:
        RunError: one has another checksum, or none; or the checksums cannot be read.
    """
    expected = _read_checksums(folder / NAME)
    if expected is None:
        return
    for path in files:
        name = str(path.relative_to(folder))
        if name not in expected:
            raise RunError(
                f"{folder / NAME}: expected a checksum of {name}, found none: copy it again from where the run was "
                "made, or remove it to use the files unchecked"
            )
        if path.is_file() and _sha256_of(path) != expected[name]:
            raise RunError(
                f"{path}: changed since the run was made, as its SHA-256 shows: copy it again from where the run was "
                f"made; if you changed it yourself, remove {folder / NAME} to use the files as they are"
            )


def _read_checksums(path: Path) -> dict[str, str] | None:
    """Checksums by the names of their files; None where there are none.

    Raises:
        RunError: the file cannot be read, or is damaged.
    """
    if not path.exists():
        return None
    try:
        lines = read_bounded(path, _MAX_BYTES).decode().removesuffix("\n").split("\n")
        return {name: checksum for checksum, name in (_parts_of(line) for line in lines)}
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path}: expected the checksums of a run, but they cannot be read ({error}): copy it again from where the "
            "run was made, or remove it to use the files unchecked"
        ) from error


def _parts_of(line: str) -> tuple[str, str]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"found the line {line[:80]!r}")
    return match[1], match[2]


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
