"""Folders that are made once and kept: complete or absent, under names made of what they were made from.

An entry is built in a folder beside its own, flushed, and renamed into place, so that a half-built one is never read.
Builders of the same entry wait for one another on a file lock, which dies with its owner: the second one finds the
work done. Where a file system has no locks, both build, and the one who comes second uses what is there.
"""

import errno
import fcntl
import hashlib
import json
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2s.errors import DataError
from s2s.files import write_json

_logger = logging.getLogger(__name__)
_MANIFEST = "manifest.json"
_HAS_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}

FORMAT = 1
"""Goes up whenever the same key has to give other files; what other versions left is then no longer found."""


@dataclass(frozen=True)
class Entry:
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

    def entry(self, kind: str, key: Mapping[str, Any], build: Callable[[Path], dict[str, Any]]) -> Entry:
        """What `build` has written into the folder that it was given, now or at another time, and what it returned.

        A file of an entry that is missing or has another size than it had is noticed, and the entry built again.

        Args:
            kind: first part of the folder's name, for people.
            key: all that the content depends on; JSON.
            build: writes files and returns facts, as JSON.

        Raises:
            DataError: the cache cannot be written.
        """
        content = json.dumps({"format": FORMAT, **key}, sort_keys=True)
        path = self.root / f"{kind}-{hashlib.sha256(content.encode()).hexdigest()[:32]}"
        try:
            return _opened(path) or self._built(path, key, build)
        except OSError as error:
            raise DataError(
                f"{self.root}: expected a folder for prepared text that can be written, got: {error.strerror or error}"
                "\nMake room, or choose another folder with data.cache=DIR or S2S_CACHE=DIR."
            ) from error

    def _built(self, path: Path, key: Mapping[str, Any], build: Callable[[Path], dict[str, Any]]) -> Entry:
        self.root.mkdir(parents=True, exist_ok=True)
        with self._alone(path.name):
            if entry := _opened(path):  # another process has built it while this one waited
                return entry
            part = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
            part.mkdir()
            try:
                facts = build(part)
                sizes = {str(file.relative_to(part)): file.stat().st_size for file in sorted(_files(part))}
                write_json(part / _MANIFEST, {"key": key, "facts": facts, "sizes": sizes})
                _move(part, path)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        entry = _opened(path)
        assert entry is not None
        return entry

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Wait until no other process builds the entry `name`, and keep others waiting."""
        with (self.root / f"{name}.lock").open("wb") as file:
            try:
                if not _lock(file.fileno()):
                    _logger.info("waiting for another process, which prepares the same text")
                    fcntl.flock(file, fcntl.LOCK_EX)
                self._sweep(name)
            except OSError as error:
                if error.errno not in _HAS_NO_LOCKS:
                    raise
            yield

    def _sweep(self, locked: str) -> None:
        """Remove what killed builders have left: folders half-built, whose lock nobody else holds."""
        for part in self.root.glob("*.part"):
            name = part.name.split(".")[0]
            with (self.root / f"{name}.lock").open("ab") as file:
                if name == locked or _lock(file.fileno()):
                    shutil.rmtree(part, ignore_errors=True)


def _lock(handle: int) -> bool:
    """Take the lock if nobody holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and path.name != _MANIFEST)


def _opened(path: Path) -> Entry | None:
    """The entry, if it is there and every file has the size that it had."""
    try:
        manifest = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
        if any((path / name).stat().st_size != size for name, size in manifest["sizes"].items()):
            return None
        return Entry(path, manifest["facts"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # absent or damaged: it is built again
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
