"""`data=files`: parallel text in files of the user's own."""

from s2s.config.data import DataConfig, Split
from s2s.data.text.corpus_reader import TextFiles
from s2s.data.text.parallel_text import paths_of


def build_reader(config: DataConfig, seed: int) -> TextFiles:
    """The files of data.train, data.dev and data.test."""
    names = {Split.train: config.train, Split.dev: config.dev, Split.test: config.test}
    return TextFiles({split: paths_of(some) for split, some in names.items() if some})
