"""The files of a run folder, which holds everything that its run needs, and no path that leads out of it."""

import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from s2s.errors import RunError
from s2s.files import PART_SUFFIX, lock
from s2s.runs.checksums import check_files

_logger = logging.getLogger(__name__)


class RunFolder:
    """The path of each file of a run.

    Attributes:
        path: of the folder.
        config: the resolved options.
        corpus: counts and the SHA-256 of the training text; written before training begins.
        metrics: one JSON object per line, see `metrics.py`.
        tensorboard: folder of the same metrics as TensorBoard events, if training.tensorboard was set.
        summary: the test scores; written when the run ends.
        best: folder of the weights that scored best on the dev set.
        last: folder of the newest checkpoints, from which training resumes.
        text_subwords: subword model of a classifier's texts.
        labels: the names of a classifier's labels, one per line.
        unseen_pieces: ids of those source pieces that do not occur in the training text, as JSON.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.corpus = path / "corpus.json"
        self.metrics = path / "metrics.jsonl"
        self.tensorboard = path / "tensorboard"
        self.summary = path / "summary.json"
        self.best = path / "best"
        self.last = path / "last"
        self.text_subwords = path / "subwords.model"
        self.labels = path / "labels.txt"
        self.unseen_pieces = path / "unseen_pieces.json"

    @classmethod
    def existing(cls, path: str | Path, option: str = "run") -> "RunFolder":
        """The folder of a run that has been trained; `option` is the option that named it, for messages.

        Raises:
            RunError: there is no such folder, or it is not a run.
        """
        run = cls(Path(path))
        if run.config.is_file():
            return run
        if run.path.is_file():
            raise RunError(f"{option}={path} is a file: expected the folder of a run")
        if not run.path.is_dir():
            raise RunError(f"{option}={path} does not exist: expected the folder of a run; train one with s2s train")
        below = sorted(str(config.parent) for config in run.path.glob("*/config.yaml"))
        hint = f"there are {', '.join(below[:5])}" if below else "train one with s2s train, in a folder of its own"
        raise RunError(f"{option}={path} holds no config.yaml: expected the folder of a run; {hint}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, and keep other processes from training in it; the lock ends with its process.

        Files that a killed process left half written are removed. So is what this block wrote into a new or empty
        folder, and a new folder itself, if the block ends with an error before any weights or metrics were saved.

        Raises:
            RunError: another process is training in it, or the path is a file.
        """
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"run={self.path} is a file: expected a new or empty folder; choose another run=DIR")
        is_new = not self.path.exists()
        self.path.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDONLY)
        try:
            _lock(handle, self.path)
            self._remove_parts()
            was_empty = not any(self.path.iterdir())
            try:
                yield
            except BaseException:
                if was_empty and not self.has_begun and not self.metrics.exists():
                    self._remove_content()
                    if is_new:
                        self.path.rmdir()
                raise
        finally:
            os.close(handle)

    def _remove_parts(self) -> None:
        """Remove what killed processes have left half written.

        A folder without options may be anything, and hold other programs' unfinished files: there only unfinished
        options are removed, which are the first that a new run writes.
        """
        is_run = self.config.is_file()
        for folder in (self.path, self.best, self.last, self.path / "text") if is_run else (self.path,):
            name = ".+" if is_run else re.escape(self.config.name)
            for part in folder.glob("*.part"):
                if re.fullmatch(f"{name}{PART_SUFFIX}", part.name):
                    part.unlink()

    def _remove_content(self) -> None:
        for path in self.path.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    @property
    def has_begun(self) -> bool:
        """Whether training has saved weights, whole or damaged. Until then the options may change freely."""
        return self.config.is_file() and any(
            path.name.endswith((".safetensors", ".damaged"))
            for folder in (self.best, self.last)
            if folder.is_dir()
            for path in folder.iterdir()
        )

    @property
    def is_unfinished(self) -> bool:
        """Whether training has begun, or was to begin, and has not come to its end.

        An averaged or an exported run has weights, but neither metrics nor checkpoints: no training goes on in it.
        """
        is_from_training = self.metrics.is_file() or any(self.last.glob("*.safetensors"))
        return not self.summary.is_file() and (is_from_training or not self.has_begun)

    @property
    def is_model_only(self) -> bool:
        """Whether there are weights without the state of their training: an exported model."""
        return self.has_begun and not self.corpus.is_file()

    def subwords(self, is_shared: bool) -> tuple[Path, Path]:
        """Subword models of source and target; the same file if they share it."""
        if is_shared:
            return self.path / "subwords.model", self.path / "subwords.model"
        return self.path / "subwords.source.model", self.path / "subwords.target.model"

    def checked(self, *paths: Path) -> tuple[Path, ...]:
        """Files of this folder, to be read: vocabularies, kept text, or `corpus`.

        Raises:
            RunError: one is not what it was when the run was made.
        """
        check_files(self.path, paths)
        return paths

    def text(self, split: str) -> tuple[Path, Path]:
        """Source and target lines of the dev or test set, kept so that the run can be scored on any machine."""
        return self.path / "text" / f"{split}.source", self.path / "text" / f"{split}.target"

    def kept_text(self, split: str, advice: str | None = None) -> tuple[Path, Path]:
        """Like `text`, for a set that must be there.

        Args:
            split: dev or test.
            advice: what to do if it is missing, for the message; by default to give files with `data.SPLIT`.

        Raises:
            RunError: it is missing, or is not what it was when the run was made.
        """
        paths = self.text(split)
        if not all(path.is_file() for path in paths):
            raise RunError(
                f"run={self.path} holds no {split} set, as is usual for an exported model: "
                f"{advice or f'give data.{split}=SOURCE_FILE,TARGET_FILE'}"
            )
        check_files(self.path, paths)
        return paths


def check_free(output: Path) -> None:
    """Ensure that a folder to write is new or empty.

    Raises:
        RunError: it is neither.
    """
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise RunError(f"output={output} is in use: expected a new or empty folder; choose another output=DIR")


def _lock(handle: int, folder: Path) -> None:
    try:
        is_locked = lock(handle)
    except BlockingIOError as error:
        raise RunError(f"run={folder} is being trained by another process: wait, or choose another run") from error
    if not is_locked:
        _logger.warning("warning: %s cannot be locked here; make sure that no other command trains in it", folder)
