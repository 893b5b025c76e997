"""Folders that are made once and kept: complete or absent, under names made of what they were made from.

An entry is built in a folder beside its own, flushed, and renamed into place, so that a half-built one is never read.
Builders of the same entry wait for one another on a file lock, which dies with its owner: the second one finds the
work done. Where a file system has no locks, both build, and the one who comes second uses what is there.

What a killed builder has left is removed by the next one on the same machine: another lock, on a file inside the
folder that is being built, tells whether its owner is alive. To other machines it may tell nothing.
"""

import errno
import fcntl
import hashlib
import json
import logging
import os
import platform
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2s.errors import DataError

_logger = logging.getLogger(__name__)
_MANIFEST = "manifest.json"
_OWNER = "owner"
"""A file in a folder that is being built, locked as long as its builder lives."""
_HAS_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
_CANNOT_BE_WRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR}
FORMAT = 2
"""Goes up whenever the same key has to give other files; what other versions left is then no longer found."""


@dataclass(frozen=True)
class CacheEntry:
    """A complete folder of the cache.

    Attributes:
        name: tells its content apart from all other content, so it may be part of the key of what is made from it.
        facts: what its builder had to say.
    """

    path: Path
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        return self.path.name


class Cache:
    """A folder of entries; everything in it may be removed at any time."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def entry(self, kind: str, key: Mapping[str, Any], build: Callable[[Path], dict[str, Any]]) -> CacheEntry:
        """What `build` has written into the folder that it was given, now or at another time, and what it returned.

        A file of an entry that is missing or has another size than it had is noticed, and the entry built again.

        Args:
            kind: first part of the folder's name, for people.
            key: all that the content depends on; JSON.
            build: writes files and returns facts, as JSON.

        Raises:
            DataError: the cache cannot be read or written.
        """
        content = json.dumps({"format": FORMAT, **key}, sort_keys=True)
        path = self.root / f"{kind}-{hashlib.sha256(content.encode()).hexdigest()[:32]}"
        with self.checked():
            return _opened(path) or self._built(path, key, build)

    @contextmanager
    def checked(self) -> Iterator[None]:
        """Tell of what goes wrong with files of the cache in this block.

        Raises:
            DataError: one of them cannot be read or written, or has vanished.
        """
        try:
            yield
        except OSError as error:
            raise DataError(self._cause(error)) from error

    def _cause(self, error: OSError) -> str:
        file, cause = error.filename or self.root, error.strerror or error
        if error.errno in _CANNOT_BE_WRITTEN:
            return (
                f"{self.root}: expected a folder for prepared text that can be written, got: {cause}"
                "\nMake room, or choose another folder with data.cache=DIR or S2S_CACHE=DIR."
            )
        if error.errno == errno.ENOENT:
            return f"{file}: vanished from the cache while it was in use; give the same command again"
        return f"{file}: expected a file of the cache {self.root} that can be read and written, got: {cause}"

    def _built(self, path: Path, key: Mapping[str, Any], build: Callable[[Path], dict[str, Any]]) -> CacheEntry:
        self.root.mkdir(parents=True, exist_ok=True)
        with self._alone(path.name):
            if entry := _opened(path):  # another process has built it while this one waited
                return entry
            with self._part(path.name) as part:
                facts = build(part)
                sizes = {str(file.relative_to(part)): file.stat().st_size for file in sorted(_files(part))}
                _write_manifest(part, {"key": key, "facts": facts, "sizes": sizes})
                _move(part, path)
        entry = _opened(path)
        assert entry is not None
        return entry

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Wait until no other process builds the entry `name`, and keep others waiting."""
        with (self.root / f"{name}.lock").open("wb") as file:
            with _if_there_are_locks():
                if not _lock(file.fileno()):
                    _logger.info("waiting for another process, which prepares the same text")
                    fcntl.flock(file, fcntl.LOCK_EX)
                self._sweep()
            yield

    @contextmanager
    def _part(self, name: str) -> Iterator[Path]:
        """A folder to build the entry `name` in; it is removed afterwards, unless it was moved."""
        part = self.root / f"{name}.{_machine()}.{os.getpid()}.{secrets.token_hex(4)}.part"
        new = part.with_suffix(".new")
        try:
            new.mkdir()
            with (new / _OWNER).open("wb") as file:
                with _if_there_are_locks():
                    _lock(file.fileno())
                new.rename(part)  # not before it is locked, since a *.part that nobody holds is swept
                yield part
        finally:
            for path in (new, part):
                shutil.rmtree(path, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what killed builders have left on this machine: folders half-built, which nobody holds any more."""
        for part in self.root.glob("*.part"):
            if part.name.split(".")[1] == _machine() and not _has_owner(part):
                shutil.rmtree(part, ignore_errors=True)


def _machine() -> str:
    """Name of this machine, as part of a file's name."""
    return re.sub(r"[^\w-]", "-", platform.node())


@contextmanager
def _if_there_are_locks() -> Iterator[None]:
    """Leave the block where the file system has no locks."""
    try:
        yield
    except OSError as error:
        if error.errno not in _HAS_NO_LOCKS:
            raise


def _lock(handle: int) -> bool:
    """Take the lock if nobody holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _has_owner(part: Path) -> bool:
    """Whether the builder of a folder is alive."""
    try:
        with (part / _OWNER).open("r+b") as file:
            return not _lock(file.fileno())
    except FileNotFoundError:  # removing it was begun
        return False
    except PermissionError:  # it is another user's
        return True


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and path.name not in (_MANIFEST, _OWNER))


def _write_manifest(part: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest, flushed.

    Raises:
        OSError: it cannot be written, or the folder was removed; what is there may be but a part of what was written.
    """
    if not (part / _OWNER).exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(part))
    with (part / _MANIFEST).open("w", encoding="utf-8") as file:
        file.write(json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _opened(path: Path) -> CacheEntry | None:
    """The entry, if it is there and every file has the size that it had.

    Raises:
        OSError: it cannot be looked at; it may well be whole.
    """
    try:
        manifest = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
        if any((path / name).stat().st_size != size for name, size in manifest["sizes"].items()):
            return None
        return CacheEntry(path, manifest["facts"])
    except (FileNotFoundError, NotADirectoryError):  # absent
        return None
    except (ValueError, KeyError, TypeError, AttributeError):  # damaged: it is built again
        return None


def _move(part: Path, path: Path) -> None:
    """Put a finished folder in its place, unless a whole one is there already."""
    if path.exists() and _opened(path) is None:
        damaged = part.with_name(f"{part.name.removesuffix('.part')}.damaged.part")
        os.replace(path, damaged)
        shutil.rmtree(damaged, ignore_errors=True)
    try:
        os.replace(part, path)
    except OSError:
        if _opened(path) is None:
            raise
    (path / _OWNER).unlink(missing_ok=True)
