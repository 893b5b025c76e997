"""`s2s phrasebook`: the built-in Korean-English corpus as files, as large as you like."""

import logging
from pathlib import Path

from s2s.cli.commands import Command
from s2s.config.commands import PhrasebookConfig
from s2s.data.phrasebook.write_files import write_phrasebook

_logger = logging.getLogger(__name__)


def phrasebook(config: PhrasebookConfig) -> None:
    """Write the files, and name them."""
    paths = write_phrasebook(Path(config.output), config.split, config.pairs, config.seed, alignments=config.alignments)
    _logger.info("wrote %s pairs: %s", f"{config.pairs:,}", ", ".join(map(str, paths)))


COMMAND = Command(phrasebook, PhrasebookConfig)
