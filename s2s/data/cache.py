"""Folders that are made once and kept: complete or absent, under names made of what they were made from.

An entry is built in a folder beside its own, flushed, and renamed into place, so that a half-built one is never read.
Builders of the same entry wait for one another on a file lock, which dies with its owner: the second one finds the
work done. Where a file system has no locks, both build, and the one who comes second uses what is there.

What a killed builder has left is removed by the next one on the same machine: another lock, on a file inside the
folder that is being built, shows whether its owner is alive. To other machines it may show nothing.
"""

import errno
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
from typing import Any, Concatenate, ParamSpec

from s2s.errors import DataError
from s2s.files import lock, write_json

P = ParamSpec("P")
_logger = logging.getLogger(__name__)
_MANIFEST = "manifest.json"
_OWNER = "owner"
"""A file in a folder that is being built, locked as long as its builder lives."""
_CANNOT_BE_WRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR}
FORMAT = 3
"""Goes up whenever the same key has to give other files; what other versions left is then no longer found."""


@dataclass(frozen=True)
class CacheEntry:
    """A complete folder of the cache.

    Attributes:
        path: its name is made of all that its content depends on, and so may be part of the key of what is made of it.
        facts: what its builder returned.
    """

    path: Path
    facts: dict[str, Any]


class Cache:
    """A folder of entries; everything in it may be removed at any time."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def entry(
        self,
        kind: str,
        key: Mapping[str, Any],
        build: Callable[Concatenate[Path, P], dict[str, Any]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> CacheEntry:
        """What `build` has written into the folder that it was given, now or at another time, and what it returned.

        A file of an entry that is missing or has another size than it had is noticed, and the entry built again.

        Args:
            kind: first part of the folder's name, for people.
            key: all that the content depends on; JSON.
            build: writes files into the folder that is its first argument, and returns facts, as JSON.
            args: its other arguments.

        Raises:
            DataError: the cache cannot be read or written.
        """
        content = json.dumps({"format": FORMAT, **key}, sort_keys=True)
        path = self.root / f"{kind}-{hashlib.sha256(content.encode()).hexdigest()[:32]}"
        with self.checked():
            if entry := _open(path):
                return entry
            self.root.mkdir(parents=True, exist_ok=True)
            with self._locked(path.name):
                if entry := _open(path):  # another process has built it while this one waited
                    return entry
                with self._part(path.name) as part:
                    facts = build(part, *args, **kwargs)
                    _write_manifest(part, key, facts)
                    _move(part, path)
            entry = _open(path)
            assert entry is not None
            return entry

    @contextmanager
    def checked(self) -> Iterator[None]:
        """Report what goes wrong with files of the cache in this block.

        Raises:
            DataError: one of them cannot be read or written, or has vanished.
        """
        try:
            yield
        except OSError as error:
            file, cause = error.filename or self.root, error.strerror or error
            if error.errno in _CANNOT_BE_WRITTEN:
                message = (
                    f"{self.root}: expected a folder for prepared text that can be written, got: {cause}"
                    "\nMake room, or choose another folder with data.cache=DIR or S2S_CACHE=DIR."
                )
            elif error.errno == errno.ENOENT:
                message = f"{file}: vanished from the cache while it was in use; give the same command again"
            else:
                message = f"{file}: expected a file of the cache {self.root} that can be read and written, got: {cause}"
            raise DataError(message) from error

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Wait until no other process builds the entry `name`, and keep others waiting."""
        with (self.root / f"{name}.lock").open("wb") as file:
            try:
                is_locked = lock(file.fileno())
            except BlockingIOError:
                _logger.info("waiting for another process, which prepares the same text")
                is_locked = lock(file.fileno(), wait=True)
            if is_locked:
                self._remove_abandoned()
            yield

    @contextmanager
    def _part(self, name: str) -> Iterator[Path]:
        """A folder to build the entry `name` in; it is removed afterwards, unless it was moved."""
        part = self.root / f"{name}.{_machine()}.{os.getpid()}.{secrets.token_hex(4)}.part"
        new = part.with_suffix(".new")
        try:
            new.mkdir()
            with (new / _OWNER).open("wb") as file:
                lock(file.fileno())
                new.rename(part)  # not before it is locked, since a *.part that nobody holds is removed
                yield part
        finally:
            for path in (new, part):
                shutil.rmtree(path, ignore_errors=True)

    def _remove_abandoned(self) -> None:
        """Remove what killed builders have left on this machine: folders half-built, which nobody holds any more."""
        for part in self.root.glob("*.part"):
            if part.name.split(".")[1] == _machine() and not _has_owner(part):
                shutil.rmtree(part, ignore_errors=True)


def _machine() -> str:
    return re.sub(r"[^\w-]", "-", platform.node())


def _has_owner(part: Path) -> bool:
    """Whether the builder of a folder is alive, as far as can be seen."""
    try:
        with (part / _OWNER).open("r+b") as file:
            return not lock(file.fileno())
    except FileNotFoundError:  # removing it was begun
        return False
    except (BlockingIOError, PermissionError):  # its owner holds the lock, or it is another user's
        return True


def _write_manifest(part: Path, key: Mapping[str, Any], facts: dict[str, Any]) -> None:
    """Write the manifest, flushed."""
    if not (part / _OWNER).exists():  # the folder was removed, and may hold only a part of what was written
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(part))
    files = (path for path in sorted(part.rglob("*")) if path.is_file() and path.name != _OWNER)
    sizes = {str(path.relative_to(part)): path.stat().st_size for path in files}
    write_json(part / _MANIFEST, {"key": key, "facts": facts, "sizes": sizes})


def _open(path: Path) -> CacheEntry | None:
    """The entry, if it is there and every file has the size that it had; other errors say nothing about it."""
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
    if path.exists() and _open(path) is None:
        damaged = part.with_name(f"{part.name.removesuffix('.part')}.damaged.part")
        os.replace(path, damaged)
        shutil.rmtree(damaged, ignore_errors=True)
    try:
        os.replace(part, path)
    except OSError:
        if _open(path) is None:
            raise
    (path / _OWNER).unlink(missing_ok=True)
