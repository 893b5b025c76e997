"""Where each file of a run folder lies. The folder holds all that its run needs, and no path that leads out of it."""

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from s2s.errors import RunError


@dataclass(frozen=True)
class RunFolder:
    """The files of a run, by name."""

    path: Path

    @classmethod
    def existing(cls, path: str | Path) -> "RunFolder":
        """The folder of a run that was trained before.

        Raises:
            RunError: there is no such folder, or it is not a run.
        """
        run = cls(Path(path))
        if not run.config.is_file():
            what = "holds no config.yaml" if run.path.is_dir() else "does not exist"
            raise RunError(f"run={path} {what}: expected the folder of a run; train one with s2s-train run={path}")
        return run

    @property
    def config(self) -> Path:
        """The resolved options."""
        return self.path / "config.yaml"

    @property
    def corpus(self) -> Path:
        """Counts and the fingerprint of the training text."""
        return self.path / "corpus.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def summary(self) -> Path:
        """The scores at the end; it is there once the run has ended."""
        return self.path / "summary.json"

    @property
    def best(self) -> Path:
        """Folder of the weights that did best on the dev set."""
        return self.path / "best"

    @property
    def last(self) -> Path:
        """Folder of the newest checkpoints, from which training goes on."""
        return self.path / "last"

    def subwords(self, is_shared: bool) -> tuple[Path, Path]:
        """Subword models of source and target; one file where they share it."""
        if is_shared:
            return self.path / "subwords.model", self.path / "subwords.model"
        return self.path / "subwords.source.model", self.path / "subwords.target.model"

    def text(self, split: str) -> tuple[Path, Path]:
        """Source and target lines of the dev or test set, kept so that the run can be scored anywhere."""
        return self.path / "text" / f"{split}.source", self.path / "text" / f"{split}.target"


def write_atomically(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write a file so that it is complete or absent: beside it, flushed to the disk, then renamed.

    Raises:
        RunError: the file cannot be written (a full disk, no permission); what was there before is still there.
    """
    scratch = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)
        _flush_folder(path.parent)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}; make room or choose another run") from error
    finally:
        if scratch is not None:
            Path(scratch).unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Make a rename last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, complete or not at all."""
    write_atomically(path, lambda file: file.write(text.encode("utf-8")))


def write_lines(path: Path, lines: Sequence[str]) -> None:
    """Write a line each, ended by "\\n"."""
    write_text(path, "".join(f"{line}\n" for line in lines))


def write_json(path: Path, value: Any) -> None:
    """Write an indented JSON file with readable Hangul."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")
