"""How a corpus is read: what every reader offers, and the reader of text files."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from s2s.config.data import Split
from s2s.data.text.parallel_text import (
    CHUNK_PAIRS,
    Files,
    Pair,
    RawChunk,
    decode_chunk,
    read_chunks,
    sha256_of,
)


class CorpusReader(Protocol):
    """Reads the pairs of a corpus.

    The training pairs come in chunks: the command's own process goes through `chunks`, and any process reads one, so a
    reader and its chunks can be pickled. There is one kind of reader in each file of `s2s/data/corpora`.
    """

    @property
    def key(self) -> Mapping[str, Any]:
        """All that its pairs depend on, as JSON: equal keys mean equal pairs."""

    @property
    def given_splits(self) -> Collection[Split]:
        """Which of dev and test it can read; others have to be cut out of train."""

    @property
    def num_distinct(self) -> int | None:
        """Of the training pairs only the first so many different ones are taken; None: all of them."""

    def chunks(self) -> Iterable[Any]:
        """Names, or raw text, of the chunks of train in their order; without an end if `num_distinct` limits them."""

    def read_chunk(self, chunk: Any) -> list[Pair]:
        """The training pairs of one chunk."""

    def read_split(self, split: Split) -> list[Pair]:
        """The pairs of dev or test."""


@dataclass(frozen=True)
class TextFiles:
    """Reads a corpus from text files, each of which is known by the sha256 of its bytes, whatever its name.

    Attributes:
        files: of train, and of dev and test where there are any.
    """

    files: Mapping[Split, Files]
    num_distinct: None = None

    @cached_property
    def key(self) -> dict[str, list[str]]:
        return {split.name: [sha256_of(path) for path in paths if path] for split, paths in self.files.items()}

    @property
    def given_splits(self) -> Collection[Split]:
        return [split for split in self.files if split is not Split.train]

    def chunks(self) -> Iterable[RawChunk]:
        """Lines of the training files.

        Raises:
            DataError: as in `read_chunks`; also where a file is not any more what it was when its key was made.
        """
        return read_chunks(*self.files[Split.train], CHUNK_PAIRS, self.key[Split.train.name])

    def read_chunk(self, chunk: RawChunk) -> list[Pair]:
        return decode_chunk(chunk, *self.files[Split.train])

    def read_split(self, split: Split) -> list[Pair]:
        chunks = read_chunks(*self.files[split], CHUNK_PAIRS, self.key[split.name])
        return [pair for chunk in chunks for pair in decode_chunk(chunk, *self.files[split])]
