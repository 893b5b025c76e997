"""What a run is trained to do: the interface behind which translating and classifying differ.

The names of their scores, and the model options that only one of them has, stand in `s2s/config/training.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from s2s.config.training import Config
from s2s.data.text.parallel_text import Pair
from s2s.data.vocabulary.labels import Labels
from s2s.data.vocabulary.learn import Vocabularies
from s2s.data.vocabulary.subwords import Subwords
from s2s.files import write_lines
from s2s.models.model import Model
from s2s.runs.folder import RunFolder
from s2s.runs.summary import Summary, write_summary
from s2s.training.progress import Validation
from s2s.training.updates import ToBatch


class TrainingTask(ABC):
    """The task of one run.

    Attributes:
        unit: what a pair is called.
        target_vocabulary: the class of the target vocabulary.
        target_pieces: what its ids stand for, for messages.
        has_fixed_targets: whether a run can start only from the weights of one with the same target vocabulary.
        to_batch: makes a batch of ids.
        using_command: the command that a trained run is for.
        scoring_command: the command that scores a trained run.
    """

    unit: str
    target_vocabulary: type[Subwords] | type[Labels]
    target_pieces: str
    has_fixed_targets: bool
    to_batch: ToBatch
    using_command: str
    scoring_command: str

    def __init__(self, run: RunFolder, config: Config) -> None:
        self.run, self.config = run, config

    @abstractmethod
    def vocabulary_files(self) -> tuple[Path, Path]:
        """The files of the source and target vocabularies; the same file if they are shared."""

    def load_vocabularies(self) -> Vocabularies:
        """The vocabularies of the run.

        Raises:
            RunError: a file is missing or damaged.
        """
        source, target = self.run.checked(*self.vocabulary_files())
        return Subwords.load(source), self.target_vocabulary.load(target)

    @abstractmethod
    def build_model(
        self, vocabularies: Vocabularies, dev: list[Pair], device: torch.device, precision: torch.dtype
    ) -> tuple[Model, Callable[[], Validation]]:
        """A model with new random weights, and a function that scores the dev set with its present weights."""

    @abstractmethod
    def summarize(self, test: list[Pair]) -> None:
        """Score the test set with the best weights; write and show the scores, some examples and pictures."""

    def write_summary(self, scores: dict[str, Any], samples: list[dict[str, str]]) -> None:
        """Write the scores of the test set, and some of its sentences with what the model makes of them."""
        lines = [f"{name}: {text}" for sample in samples for name, text in sample.items()]
        write_lines(self.run.path / "samples.txt", lines)
        write_summary(self.run, Summary(scores, samples))
