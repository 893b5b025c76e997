"""Where each file of a run folder lies. The folder holds all that its run needs, and no path that leads out of it."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from s2s.errors import RunError
from s2s.files import PART_SUFFIX, lock

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunFolder:
    """The files of a run, by name."""

    path: Path

    @classmethod
    def existing(cls, path: str | Path, option: str = "run") -> "RunFolder":
        """The folder of a run that was trained before; `option` is the one that named it, for messages.

        Raises:
            RunError: there is no such folder, or it is not a run.
        """
        run = cls(Path(path))
        if not run.config.is_file():
            if run.path.is_dir():
                hint = _runs_below(run.path)
                raise RunError(f"{option}={path} holds no config.yaml: expected the folder of a run; {hint}")
            raise RunError(f"{option}={path} does not exist: expected the folder of a run; train one with s2s train")
        return run

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, and keep other processes from training in it; the lock dies with its owner.

        What a killed owner left half written is removed.

        Raises:
            RunError: another process trains in it, or the path is a file.
        """
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"run={self.path} is a file: expected a new or empty folder; choose another run=DIR")
        self.path.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDONLY)
        try:
            _lock(handle, self.path)
            if self.config.is_file():
                self._remove_parts()
            yield
        finally:
            os.close(handle)

    def _remove_parts(self) -> None:
        """Remove what a killed process left half written, where training writes and nowhere else."""
        for folder in (self.path, self.best, self.last, self.path / "text"):
            for part in folder.glob("*.part"):
                if re.search(f"{PART_SUFFIX}$", part.name):
                    part.unlink()

    @property
    def config(self) -> Path:
        """The resolved options."""
        return self.path / "config.yaml"

    @property
    def has_begun(self) -> bool:
        """Whether something was trained: there are weights, whole or damaged. Until then its options are free."""
        return self.config.is_file() and any(
            path.name.endswith((".safetensors", ".damaged"))
            for folder in (self.best, self.last)
            if folder.is_dir()
            for path in folder.iterdir()
        )

    @property
    def is_model_only(self) -> bool:
        """Whether there are weights, but nothing of how they were trained: an exported model."""
        return self.has_begun and not self.corpus.is_file()

    @property
    def corpus(self) -> Path:
        """Counts and the fingerprint of the training text; there before anything is trained."""
        return self.path / "corpus.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        """Folder of the same metrics as events for TensorBoard, where they were asked for."""
        return self.path / "tensorboard"

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

    @property
    def text_subwords(self) -> Path:
        """Subword model of the texts of a run that classifies."""
        return self.path / "subwords.model"

    @property
    def labels(self) -> Path:
        """The classes of such a run, by name, one a line."""
        return self.path / "labels.txt"

    def subwords(self, is_shared: bool) -> tuple[Path, Path]:
        """Subword models of source and target; one file where they share it."""
        if is_shared:
            return self.path / "subwords.model", self.path / "subwords.model"
        return self.path / "subwords.source.model", self.path / "subwords.target.model"

    def text(self, split: str) -> tuple[Path, Path]:
        """Source and target lines of the dev or test set, kept so that the run can be scored anywhere."""
        return self.path / "text" / f"{split}.source", self.path / "text" / f"{split}.target"

    def kept_text(self, split: str, advice: str | None = None) -> tuple[Path, Path]:
        """The same, where it was kept.

        Args:
            split: dev or test.
            advice: what to do where it was not; left out: give files by `data.SPLIT`.

        Raises:
            RunError: it was not.
        """
        paths = self.text(split)
        if not all(path.is_file() for path in paths):
            raise RunError(
                f"run={self.path} holds no {split} set, as is usual for an exported model: "
                f"{advice or f'give data.{split}=[SOURCE_FILE,TARGET_FILE]'}"
            )
        return paths


def check_free(output: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        RunError: naming it.
    """
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise RunError(f"output={output} is in use: expected a new or empty folder; choose another output=DIR")


def _runs_below(folder: Path) -> str:
    """What a user may have meant."""
    found = sorted(str(path.parent) for path in folder.glob("*/config.yaml"))
    return f"there are {', '.join(found[:5])}" if found else "train one with s2s train, in a folder of its own"


def _lock(handle: int, folder: Path) -> None:
    """Lock a folder, or warn where its file system cannot.

    Raises:
        RunError: another process holds the lock.
    """
    try:
        is_locked = lock(handle)
    except BlockingIOError as error:
        raise RunError(f"run={folder} is being trained by another process: wait, or choose another run") from error
    if not is_locked:
        _logger.warning("warning: %s cannot be locked here; see that no other command trains in it", folder)
