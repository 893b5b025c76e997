"""`s2s phrasebook`: the built-in Korean-English corpus as files, as large as you like."""

import logging
from dataclasses import dataclass
from pathlib import Path

from s2s.cli.commands import Command
from s2s.config.data import Split
from s2s.config.options import LARGEST_SEED, Options, Takes, option

_logger = logging.getLogger(__name__)


@dataclass
class PhrasebookConfig(Options):
    """Options of `phrasebook`."""

    output: str = option("???", "folder for the files SPLIT.ko, SPLIT.en and SPLIT.align", takes=Takes.folder)
    pairs: int = option(150_000, "distinct pairs", low=1, high=1_000_000_000)
    split: Split = option(Split.train, "train, dev or test: they share no clause")
    seed: int = option(1, "of the pairs; those that data=phrasebook has with this seed", low=0, high=LARGEST_SEED)
    alignments: bool = option(True, "write word alignments too, as Pharaoh `i-j`, zero-based, over words")


def phrasebook(config: PhrasebookConfig) -> None:
    """Write the files, and name them."""
    from s2s.data.phrasebook.write_files import write_phrasebook

    paths = write_phrasebook(Path(config.output), config.split, config.pairs, config.seed, alignments=config.alignments)
    _logger.info("wrote %s pairs: %s", f"{config.pairs:,}", ", ".join(map(str, paths)))


COMMAND = Command(
    phrasebook,
    PhrasebookConfig,
    imports=(),
    examples=(
        "output=phrasebook",
        "output=phrasebook/test split=test pairs=1000",
    ),
)
