"""TODO: say what s2s.runs.vocabularies is."""

from pathlib import Path

from s2s.config.training import Config, Task
from s2s.data.vocabulary.labels import Labels
from s2s.data.vocabulary.learn import Vocabularies
from s2s.data.vocabulary.subwords import Subwords
from s2s.runs.folder import RunFolder


def vocabulary_files(run: RunFolder, config: Config) -> tuple[Path, Path]:
    """The files of a run's vocabularies; one and the same where both sides share it."""
    match config.task:
        case Task.translate:
            return run.subwords(config.subwords.shared)
        case Task.classify:
            return run.text_subwords, run.labels


def load_vocabularies(run: RunFolder, config: Config) -> Vocabularies:
    """The vocabularies that a run keeps.

    Raises:
        RunError: a file is missing or damaged.
    """
    source, target = vocabulary_files(run, config)
    match config.task:
        case Task.translate:
            return Subwords.load(source), Subwords.load(target)
        case Task.classify:
            return Subwords.load(source), Labels.load(target)
