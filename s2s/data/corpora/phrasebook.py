"""`data=phrasebook`: the built-in Korean-English corpus, generated as it is read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from s2s.config.data import DataConfig, Split
from s2s.data.phrasebook.generate import GRAMMAR_VERSION, chunk_numbers, distinct_pairs, generate_chunk
from s2s.data.phrasebook.sentences import AlignedPair
from s2s.data.text.parallel_text import Pair
from s2s.errors import DataError


@dataclass(frozen=True)
class Phrasebook:
    """Generates the pairs of the phrasebook.

    Attributes:
        sizes: pairs of each split.
        is_reversed: from English to Korean.
    """

    sizes: Mapping[Split, int]
    seed: int
    is_reversed: bool

    given_splits = (Split.dev, Split.test)

    @property
    def key(self) -> dict[str, int]:
        sizes = {split.name: num for split, num in self.sizes.items()}
        return {"grammar": GRAMMAR_VERSION, "seed": self.seed, "is_reversed": self.is_reversed, **sizes}

    @property
    def num_distinct(self) -> int:
        return self.sizes[Split.train]

    def chunks(self) -> Iterable[int]:
        return chunk_numbers(self.num_distinct)

    def read_chunk(self, chunk: int) -> list[Pair]:
        return self._oriented(generate_chunk(Split.train, chunk, self.num_distinct, self.seed))

    def read_split(self, split: Split) -> list[Pair]:
        return self._oriented(distinct_pairs(split, self.sizes[split], self.seed))

    def _oriented(self, pairs: Iterable[AlignedPair]) -> list[Pair]:
        """The pairs in the direction of translation."""
        if self.is_reversed:
            return [Pair(pair.target, pair.source) for pair in pairs]
        return [Pair(pair.source, pair.target) for pair in pairs]


def build_reader(config: DataConfig, seed: int) -> Phrasebook:
    """The phrasebook in one direction.

    Raises:
        DataError: the languages are others than Korean and English.
    """
    languages = config.source_language, config.target_language
    if languages not in (("ko", "en"), ("en", "ko")):
        raise DataError(f"data=phrasebook is Korean and English (ko, en), not {'-'.join(languages)}")
    assert config.dev_pairs is not None  # null is for files, as the check of the options ensures
    assert config.test_pairs is not None
    sizes = {Split.train: config.train_pairs, Split.dev: config.dev_pairs, Split.test: config.test_pairs}
    return Phrasebook(sizes, seed, is_reversed=config.source_language == "en")
