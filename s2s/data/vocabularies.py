"""What turns the two sides of a corpus into ids, and where a run keeps it."""

from pathlib import Path

from s2s.config import Config, Task
from s2s.data.labels import Labels
from s2s.data.subwords import Subwords
from s2s.runs import RunFolder

Vocabularies = tuple[Subwords, Subwords | Labels]
"""Of source and target; of a labelled corpus the subwords of the texts, and the labels.

Both kinds have `model` (all of it as bytes, which the constructor takes and a run keeps in a file), `load`, a length,
and `all_pieces()`, the names of the ids. For all else one has to ask which kind it is.
"""


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
