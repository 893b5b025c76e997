"""Files and folders that are complete or absent: written beside, flushed to the disk, renamed."""

import errno
import fcntl
import io
import json
import os
import secrets
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

_HAS_NO_LOCKS = {errno.EBADF, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
PART_SUFFIX = r"\.\d+\.[0-9a-f]{8}\.part"
"""What the name of a file ends with while it is being written, as a regular expression."""
_CHUNK_BYTES = 1 << 20


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """A block whose errors name this file where they name none: those of writing and flushing do not."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


class NamedFile(io.FileIO):
    """A file to write whose errors name it: those of writing do not, of a file opened by its path or by its number."""

    def __init__(self, file: Path | int, mode: str, *, name: str, closefd: bool = True) -> None:
        super().__init__(file, mode, closefd=closefd)
        self._name = name

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except OSError as error:
            error.filename = self._name
            raise


@contextmanager
def replacing(destination: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `destination` when the block ends well, and vanishes when it does not.

    Its name is unique, so several processes may write the same destination: the last one done wins, whole. File and
    folder are flushed, so that what was renamed is there after a power cut.

    Raises:
        OSError: the file cannot be written, and is named; what was at `destination` is still there.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = _part(destination)
    try:
        with io.BufferedWriter(NamedFile(part, "xb", name=str(destination))) as file:
            yield file
            file.flush()
            with naming(destination):
                os.fsync(file.fileno())
        os.replace(part, destination)
        flush(destination.parent)
    except OSError as error:
        if error.filename == str(part):
            error.filename = str(destination)
        raise
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def new_folder(destination: Path) -> Iterator[Path]:
    """A folder to fill that becomes `destination` when the block ends well, and vanishes when it does not.

    Its files are to be flushed as they are written. A killed process leaves its part beside, under another name.

    Raises:
        OSError: the folder cannot be written, or `destination` is there and is not an empty folder.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = _part(destination)
    try:
        part.mkdir()
        yield part
        os.replace(part, destination)
        flush(destination.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _part(destination: Path) -> Path:
    """Where to write what becomes `destination`: a name that no other process takes."""
    return destination.with_name(f"{destination.name}.{os.getpid()}.{secrets.token_hex(4)}.part")


def lock(handle: int, *, wait: bool = False) -> bool:
    """Keep other processes from locking an open file or folder; the lock dies with its owner.

    Args:
        wait: until nobody else holds it.

    Returns:
        False where the file system has no locks (NFS, which several machines share, locks no folders).

    Raises:
        BlockingIOError: another process holds it.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _HAS_NO_LOCKS:
            raise
        return False
    return True


def flush(path: Path) -> None:
    """Ensure that what was written to a file, or renamed in a folder, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        with naming(path):
            os.fsync(handle)
    finally:
        os.close(handle)


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """The content of a file, which may come from anywhere.

    Raises:
        OSError: it cannot be read.
        ValueError: it is larger than any that s2s writes.
    """
    with naming(path), path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"it has more than {max_bytes:,} bytes")
    return content


def read_json(path: Path, max_bytes: int) -> Any:
    """The value in a JSON file, which may come from anywhere.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large, or is not JSON.
    """
    return parse_json(read_bounded(path, max_bytes))


def parse_json(content: bytes | str) -> Any:
    """The value of JSON text.

    Raises:
        ValueError: it is not JSON, not UTF-8, or nested too deeply.
    """
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def crc32_of(path: Path) -> int:
    """The CRC-32 of a file's bytes, which finds damage at three times the speed of a SHA-256, though no forgery."""
    checksum, buffer = 0, bytearray(_CHUNK_BYTES)
    with naming(path), path.open("rb", buffering=0) as file:
        while num_bytes := file.readinto(buffer):
            checksum = zlib.crc32(memoryview(buffer)[:num_bytes], checksum)
    return checksum


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes, whole or not at all."""
    with replacing(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_lines(path: Path, lines: Sequence[str]) -> None:
    """Write lines, each ended by "\\n"."""
    write_text(path, "".join(f"{line}\n" for line in lines))


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON with readable Hangul."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")
