"""Folders that are made once and kept: complete or absent, under names made of what they were made from.

An entry is built in a folder beside its own, flushed, and renamed into place, so that a half-built one is never read.
Builders of the same entry wait for one another on a file lock, which dies with its owner: the second one finds the
work done. Where a file system has no locks, both build, and the one who comes second uses what is there.

The manifest of an entry, written last, holds a checksum of every file and of itself. An entry that is opened is read
and compared, so that what a disk, a copy or a person has changed is never trained on.

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
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

from s2s.errors import DataError
from s2s.files import crc32_of, lock, write_json
from s2s.workers import num_cores

P = ParamSpec("P")
_logger = logging.getLogger(__name__)
_MANIFEST = "manifest.json"
_OWNER = "owner"
"""A file in a folder that is being built, locked as long as its builder lives."""
_CANNOT_BE_WRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR}
FORMAT = 4
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


class _DamagedEntry(Exception):
    """An entry is there and is not what was written; says in what."""


class Cache:
    """A folder of entries; everything in it may be removed at any time.

    Args:
        root: the folder.
        is_checked: whether the checksums of files are compared when an entry is opened; False where another process of
            this machine has just done it.
    """

    def __init__(self, root: Path, *, is_checked: bool = True) -> None:
        self.root, self._is_checked = root, is_checked

    def entry(
        self,
        kind: str,
        key: Mapping[str, Any],
        build: Callable[Concatenate[Path, P], dict[str, Any]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> CacheEntry:
        """What `build` has written into the folder that it was given, now or at another time, and what it returned.

        An entry that is not what was written is built again, with a warning.

        Args:
            kind: first part of the folder's name, for people.
            key: all that the content depends on; JSON.
            build: writes files into the folder that is its first argument, and returns facts, as JSON.
            args: its other arguments.

        Raises:
            DataError: the cache cannot be read or written.
        """
        content = json.dumps({"format": FORMAT, **key}, sort_keys=True)
        name = f"{kind}-{hashlib.sha256(content.encode()).hexdigest()[:32]}"
        path = self.root / name
        with self.checked():
            with suppress(_DamagedEntry):  # looked at again once it is locked
                if entry := _open(path, key, is_checked=self._is_checked):
                    return entry
            self.root.mkdir(parents=True, exist_ok=True)
            with self._locked(name):
                try:
                    if entry := _open(path, key, is_checked=True):  # another process has built it while this one waited
                        return entry
                except _DamagedEntry as damage:
                    _logger.warning("warning: %s: damaged in the cache (%s), so it is made anew", path, damage)
                with self._part(name) as part:
                    facts = build(part, *args, **kwargs)
                    _write_manifest(part, key, facts)
                    _move(part, path, key)
            entry = _open(path, key, is_checked=False)
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
    files = _files_of(part)
    sizes = {name: path.stat().st_size for name, path in files.items()}
    content = {"key": key, "facts": facts, "sizes": sizes, "crc32": _checksums(files)}
    write_json(part / _MANIFEST, {**content, "own_crc32": _checksum_of(content)})


def _open(path: Path, key: Mapping[str, Any], *, is_checked: bool) -> CacheEntry | None:
    """The entry, if it is there; errors of the file system say nothing about it.

    Args:
        path: of its folder.
        key: which another entry has not, whatever its folder is called.
        is_checked: whether to compare the content of the files too, and not only their names and sizes.

    Raises:
        _DamagedEntry: it is not what was written.
    """
    if not path.exists():
        return None
    try:
        manifest = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
        checksum = manifest.pop("own_crc32")
        if checksum != _checksum_of(manifest):
            raise _DamagedEntry(f"{_MANIFEST} has another checksum")
        if _checksum_of(manifest["key"]) != _checksum_of(key):
            raise _DamagedEntry("it is another one")
        files = _files_of(path)
        found = {"sizes": {name: file.stat().st_size for name, file in files.items()}}
        if is_checked:
            found["crc32"] = _checksums(files)
        for what, values in found.items():
            for name, value in manifest[what].items():
                if values.get(name) != value:
                    raise _DamagedEntry(f"{name} {'was changed' if name in values else 'is missing'}")
            if foreign := values.keys() - manifest[what].keys():
                raise _DamagedEntry(f"{min(foreign)} does not belong there")
        return CacheEntry(path, manifest["facts"])
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise _DamagedEntry(f"{Path(error.filename).name} is not a file") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _DamagedEntry(f"{_MANIFEST} cannot be read") from error


def _files_of(folder: Path) -> dict[str, Path]:
    """The files of an entry by their names in its folder, but for the manifest and the mark of its builder."""
    found = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path for name, path in found.items() if name not in (_MANIFEST, _OWNER)}


def _checksums(files: Mapping[str, Path]) -> dict[str, int]:
    """Of each file, by all cores."""
    with ThreadPoolExecutor(num_cores()) as threads:
        return dict(zip(files, threads.map(crc32_of, files.values()), strict=True))


def _checksum_of(value: Any) -> int:
    """The same for equal values."""
    return zlib.crc32(json.dumps(value, sort_keys=True).encode())


def _move(part: Path, path: Path, key: Mapping[str, Any]) -> None:
    """Put a finished folder in its place, unless a whole one is there already."""
    if path.exists() and not _is_whole(path, key):
        damaged = part.with_name(f"{part.name.removesuffix('.part')}.damaged.part")
        os.replace(path, damaged)
        shutil.rmtree(damaged, ignore_errors=True)
        with suppress(OSError):
            damaged.unlink()  # a file that had its name
    try:
        os.replace(part, path)
    except OSError:
        if not _is_whole(path, key):
            raise
    (path / _OWNER).unlink(missing_ok=True)


def _is_whole(path: Path, key: Mapping[str, Any]) -> bool:
    try:
        return _open(path, key, is_checked=True) is not None
    except _DamagedEntry:
        return False
