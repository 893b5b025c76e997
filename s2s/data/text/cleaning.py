"""Cleaning of training pairs: rules for each pair alone, duplicates, and a count of what was dropped.

What has to be known of all pairs at once is 64-bit hashes in arrays: about 30 bytes a pair, so that a huge corpus
needs no huge memory.

N pairs of a chunk.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from s2s.config.data import Corpus, DataConfig
from s2s.data.text.parallel_text import Pair
from s2s.errors import DataError

Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
Reasons = npt.NDArray[np.uint8]
T = TypeVar("T")
_LEAST_NEW = 0.01  # share of a chunk; with less, going on would hardly come to an end


# ----------------------------------------------------------------------------------------------------------------------
# Each pair alone

KEPT = 0
"""In an array of reasons: a pair that is not dropped."""


class DropReason(IntEnum):
    """Why a pair was dropped, in the order in which the rules are applied."""

    EMPTY = 1
    TOO_LONG = 2
    LENGTH_RATIO = 3
    DUPLICATES = 4


@dataclass(frozen=True)
class CleaningRules:
    """What is dropped from a training corpus; None or False turns a rule off.

    The length ratio is that of UTF-8 bytes. A Korean or Chinese character stands for two to four Latin letters and has
    three bytes, so a ratio of bytes means the same in most scripts: over 83,000 pairs of German, English and Korean,
    translations reach 3.7 (6.0 counted in characters), and the two that are none ("@@") lie above 23.
    """

    drop_empty: bool = True
    max_words: int | None = 100
    """Words (split at white space) on either side."""
    max_characters: int | None = 600
    """Characters on either side, for languages written with few spaces; about 100 English words."""
    max_length_ratio: float | None = 6.0
    """Bytes of the longer side for each byte of the shorter, of which there are taken to be at least `min_bytes`."""
    min_bytes: int = 5
    """Spares short pairs, whose ratio says little: with 6.0, nothing is dropped for it up to 30 bytes a side."""

    @property
    def reasons(self) -> list[DropReason]:
        """Those for which a pair may be dropped; that it is a duplicate is always among them."""
        is_on = {
            DropReason.EMPTY: self.drop_empty,
            DropReason.TOO_LONG: self.max_words is not None or self.max_characters is not None,
            DropReason.LENGTH_RATIO: self.max_length_ratio is not None,
            DropReason.DUPLICATES: True,
        }
        return [reason for reason in DropReason if is_on[reason]]

    def reason_to_drop(self, pair: Pair) -> DropReason | None:
        """The first rule that a pair breaks by itself."""
        if self.drop_empty and not all(pair):
            return DropReason.EMPTY
        if self.max_words is not None and max(len(side.split()) for side in pair) > self.max_words:
            return DropReason.TOO_LONG
        if self.max_characters is not None and max(map(len, pair)) > self.max_characters:
            return DropReason.TOO_LONG
        shorter, longer = sorted(len(side.encode()) for side in pair)
        if self.max_length_ratio is not None and longer > self.max_length_ratio * max(shorter, self.min_bytes):
            return DropReason.LENGTH_RATIO
        return None


def build_cleaning_rules(config: DataConfig) -> CleaningRules | None:
    """The rules of the options; None where nothing is cleaned."""
    if not config.clean:
        return None
    if config.corpus is Corpus.labelled:  # a text may be of any length, and a label is no translation of it
        return CleaningRules(max_words=None, max_characters=None, max_length_ratio=None)
    return CleaningRules(
        max_words=config.max_words,
        max_characters=config.max_characters,
        max_length_ratio=config.max_length_ratio,
    )


def clean_pairs(pairs: Sequence[Pair], rules: CleaningRules) -> tuple[list[Pair], Reasons]:
    """Normalize white space, and apply the rules to each pair alone.

    Runs of white space (in the sense of Unicode: U+00A0, U+2028, U+3000 and the like too) become one space, and none is
    left at either end. Meant for training data: what a model is scored on is never filtered.

    Returns:
        All pairs, normalized, and KEPT or a `DropReason` for each (N).
    """
    normalized = [Pair(*map(normalize_spaces, pair)) for pair in pairs]
    reasons = [rules.reason_to_drop(pair) or KEPT for pair in normalized]
    return normalized, np.array(reasons, dtype=np.uint8)


def normalize_spaces(text: str) -> str:
    """Collapse white space."""
    return " ".join(text.split())


@dataclass
class CleaningReport:
    """How many pairs were kept, and how many dropped for each reason; `str()` says it in a line.

    Attributes:
        reasons: those for which a pair could be dropped.
        unit: what a pair is called.
    """

    reasons: Sequence[DropReason] = tuple(DropReason)
    num_kept: int = 0
    num_dropped: Counter[DropReason] = field(default_factory=Counter)
    unit: str = "pair"

    def add(self, reasons_N: Reasons) -> None:
        """Count the pairs of a chunk."""
        nums = np.bincount(reasons_N, minlength=len(DropReason) + 1)
        self.num_kept += int(nums[KEPT])
        self.num_dropped.update({reason: int(nums[reason]) for reason in DropReason})

    @property
    def num_total(self) -> int:
        return self.num_kept + self.num_dropped.total()

    def __str__(self) -> str:
        dropped = ", ".join(
            f"{self.num_dropped[reason]:,} {reason.name.lower().replace('_', ' ')}" for reason in self.reasons
        )
        return f"kept {self.num_kept:,} of {self.num_total:,} {self.unit}s (dropped: {dropped})"


# ----------------------------------------------------------------------------------------------------------------------
# All pairs together


def hash_pairs(pairs: Sequence[Pair]) -> Hashes:
    """64 bits for each pair, which stand for its text (N)."""
    return np.array([hash64("\n".join(pair)) for pair in pairs], dtype=np.uint64)  # neither side holds a "\n"


def hash64(text: str) -> int:
    """A hash of 64 bits."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


class HashSet:
    """The hashes seen so far, 8 bytes each (twice that for a moment), in sorted arrays that double in size."""

    def __init__(self) -> None:
        self._arrays: list[Hashes] = []

    def add(self, hashes_N: Hashes) -> Flags:
        """Add hashes; True for each that is new, also among those before it in this array (N)."""
        order_N = np.argsort(hashes_N, kind="stable")
        sorted_N = hashes_N[order_N]
        is_new_N = np.append(True, sorted_N[1:] != sorted_N[:-1])[: len(sorted_N)]
        for array in self._arrays:
            positions_N = np.searchsorted(array, sorted_N)
            is_new_N &= array[np.minimum(positions_N, len(array) - 1)] != sorted_N
        self._merge(sorted_N[is_new_N])
        result_N = np.empty(len(hashes_N), dtype=np.bool_)
        result_N[order_N] = is_new_N
        return result_N

    def _merge(self, array: Hashes) -> None:
        while self._arrays and len(self._arrays[-1]) <= 2 * len(array):
            array = np.concatenate([self._arrays.pop(), array])
            array.sort()
        if len(array):
            self._arrays.append(array)


def drop_duplicates(reasons_N: Reasons, hashes_N: Hashes, seen: HashSet) -> None:
    """Give kept pairs that stood earlier in this chunk, or in one before it, the reason DUPLICATES, in place.

    Several translations of one sentence stay. Hashes of 64 bits stand for the texts; among 10 million pairs, one is
    wrongly taken for a duplicate with a chance of 3 in a million.
    """
    kept = np.flatnonzero(reasons_N == KEPT)
    reasons_N[kept[~seen.add(hashes_N[kept])]] = DropReason.DUPLICATES


def first_distinct(chunks: Iterable[tuple[Hashes, T]], num_pairs: int) -> Iterator[tuple[Flags, T]]:
    """Choose the first `num_pairs` different pairs of chunks that hold some more than once.

    Args:
        chunks: hashes of the pairs, and anything else.

    Yields:
        For each chunk that is needed, True for each of its pairs that is chosen (N), and the other thing.

    Raises:
        DataError: hardly any pair is new any more.
    """
    num_left, seen = num_pairs, HashSet()
    for hashes_N, rest in chunks:
        is_new_N = seen.add(hashes_N)
        if is_new_N.mean() < _LEAST_NEW:
            num_found = num_pairs - num_left
            raise DataError(
                f"expected {num_pairs:,} different pairs, but there is hardly a new one after {num_found:,}; "
                "ask for fewer"
            )
        is_new_N &= np.cumsum(is_new_N) <= num_left
        num_left -= int(is_new_N.sum())
        yield is_new_N, rest
        if not num_left:
            return
