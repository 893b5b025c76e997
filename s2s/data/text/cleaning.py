"""TODO: say what s2s.data.text.cleaning is."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from s2s.data.text.parallel_text import Pair
from s2s.errors import DataError

Digests = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint8]


# ----------------------------------------------------------------------------------------------------------------------
# From pairs to clean pairs


class DropReason(Enum):
    """Why a pair was left out, in the order in which the rules are applied; the values are for people."""

    EMPTY = "empty"
    TOO_LONG = "too long"
    LENGTH_RATIO = "length ratio"
    DUPLICATE = "duplicates"


@dataclass(frozen=True)
class CleaningRules:
    """What is left out of a training corpus; None or False turns a rule off.

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
    def reasons(self) -> tuple[DropReason, ...]:
        """Those for which a pair may be left out; that it is a duplicate is always among them."""
        is_on = {
            DropReason.EMPTY: self.drop_empty,
            DropReason.TOO_LONG: self.max_words is not None or self.max_characters is not None,
            DropReason.LENGTH_RATIO: self.max_length_ratio is not None,
            DropReason.DUPLICATE: True,
        }
        return tuple(reason for reason in DropReason if is_on[reason])


@dataclass
class CleaningReport:
    """What became of each pair; `str()` tells it in a line.

    Attributes:
        reasons: those that there were for leaving a pair out.
    """

    reasons: tuple[DropReason, ...] = tuple(DropReason)
    num_kept: int = 0
    num_dropped: Counter[DropReason] = field(default_factory=Counter)

    @property
    def num_total(self) -> int:
        return self.num_kept + self.num_dropped.total()

    def __str__(self) -> str:
        dropped = ", ".join(f"{self.num_dropped[reason]:,} {reason.value}" for reason in self.reasons)
        return f"kept {self.num_kept:,} of {self.num_total:,} pairs (dropped: {dropped})"


GOOD, ABSENT = 0, 255
"""Codes of pairs with which nothing is wrong, and of those that are no part of the corpus and not counted either."""
TRAIN, DEV, TEST = GOOD, 253, 254
"""Codes of good pairs, once dev and test have been cut out."""
_LEAST_NEW = 0.01  # share of a chunk; with less, whoever goes on generating will hardly come to an end
CODES = {reason: code for code, reason in enumerate(DropReason, start=1)}


class Sifted(NamedTuple):
    """What one look at the pairs of a chunk has found; row i of each array is pair i.

    Attributes:
        codes_N: GOOD, ABSENT, or one of CODES.
        digests_N: of whole pairs, to find those that come again.
        ranks_N: of sources, by which dev and test are chosen (see `hold_out`); none where they are not.
    """

    codes_N: Codes
    digests_N: Digests
    ranks_N: Digests


def sift(pairs: "list[Pair]", rules: CleaningRules | None, seed: int | None) -> "tuple[list[Pair], Sifted]":
    """Look at each pair alone; any chunk of a corpus may be sifted by any process.

    With rules, runs of white space (in the sense of Unicode: U+00A0, U+2028, U+3000 and the like too) become one space,
    and none is left at either end. Meant for training data: what a model is scored on is never filtered.

    Args:
        rules: None leaves the pairs as they are.
        seed: by which dev and test are cut out; None where they are not.

    Returns:
        The pairs, tidied, the bad ones too; and what was found.
    """
    tidied = pairs if rules is None else [Pair(*map(collapse_spaces, pair)) for pair in pairs]
    faults = [None if rules is None else fault(pair, rules) for pair in tidied]
    return tidied, Sifted(
        np.array([GOOD if reason is None else CODES[reason] for reason in faults], dtype=np.uint8),
        # "\n" stands in neither side.
        np.array([digest64("\n".join(pair)) for pair in tidied], dtype=np.uint64),
        np.array([] if seed is None else [rank(pair.source, seed) for pair in tidied], dtype=np.uint64),
    )


def mark_repeated(sifted: Sifted, seen: "DigestSet") -> Sifted:
    """Give the code of duplicates to good pairs that stood earlier in this chunk or in one marked before it.

    Several translations of one sentence stay. Digests of 64 bits stand for the texts; among 10 million pairs, one is
    wrongly taken for a duplicate with a chance of 3 in a million.
    """
    good = np.flatnonzero(sifted.codes_N == GOOD)
    codes_N = sifted.codes_N.copy()
    codes_N[good[~seen.add(sifted.digests_N[good])]] = CODES[DropReason.DUPLICATE]
    return sifted._replace(codes_N=codes_N)


class Distinct:
    """Lets so many pairs through that differ from all before.

    Attributes:
        num_left: pairs still to come.
    """

    def __init__(self, num_pairs: int) -> None:
        self.num_pairs = self.num_left = num_pairs
        self._seen = DigestSet()

    def take(self, digests_N: Digests) -> Flags:
        """True for each pair of a chunk that comes through (N).

        Raises:
            DataError: hardly any pair is new any more.
        """
        is_new_N = self._seen.add(digests_N)
        if is_new_N.mean() < _LEAST_NEW:
            raise DataError(
                f"expected {self.num_pairs:,} different pairs, but there is hardly a new one after "
                f"{self.num_pairs - self.num_left:,}; ask for fewer"
            )
        is_new_N &= np.cumsum(is_new_N) <= self.num_left
        self.num_left -= int(is_new_N.sum())
        return is_new_N


def take_distinct(chunks: Iterable[Sifted], num_pairs: int) -> Iterator[Sifted]:
    """Chunks up to the one with the `num_pairs`th pair that differs from all before; all other pairs become ABSENT.

    Raises:
        DataError: hardly any pair is new any more.
    """
    distinct = Distinct(num_pairs)
    for sifted in chunks:
        is_new_N = distinct.take(sifted.digests_N)
        yield sifted._replace(codes_N=np.where(is_new_N, sifted.codes_N, np.uint8(ABSENT)))
        if not distinct.num_left:
            return


def count_codes(codes_N: Codes, report: CleaningReport) -> None:
    """Add a chunk's pairs to the report."""
    num_of = np.bincount(codes_N, minlength=ABSENT + 1)
    report.num_kept += int(num_of[GOOD])
    for reason, code in CODES.items():
        report.num_dropped[reason] += int(num_of[code])


class DigestSet:
    """The digests seen so far, 8 bytes each (twice that for a moment), in sorted arrays that double in size."""

    def __init__(self) -> None:
        self._runs: list[Digests] = []

    def add(self, digests_N: Digests) -> Flags:
        """Add digests; True for each that is new, also among those before it in this array (N)."""
        order_N = np.argsort(digests_N, kind="stable")
        sorted_N = digests_N[order_N]
        is_new_N = np.append(True, sorted_N[1:] != sorted_N[:-1])[: len(sorted_N)]
        for run in self._runs:
            positions_N = np.searchsorted(run, sorted_N)
            is_new_N &= run[np.minimum(positions_N, len(run) - 1)] != sorted_N
        self._merge(sorted_N[is_new_N])
        result_N = np.empty(len(digests_N), dtype=np.bool_)
        result_N[order_N] = is_new_N
        return result_N

    def _merge(self, run: Digests) -> None:
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.concatenate([self._runs.pop(), run])
            run.sort()
        if len(run):
            self._runs.append(run)


def fault(pair: Pair, rules: CleaningRules) -> DropReason | None:
    """What is wrong with this pair, seen alone."""
    if rules.drop_empty and not all(pair):
        return DropReason.EMPTY
    if rules.max_words is not None and max(len(side.split()) for side in pair) > rules.max_words:
        return DropReason.TOO_LONG
    if rules.max_characters is not None and max(map(len, pair)) > rules.max_characters:
        return DropReason.TOO_LONG
    shorter, longer = sorted(len(side.encode()) for side in pair)
    if rules.max_length_ratio is not None and longer > rules.max_length_ratio * max(shorter, rules.min_bytes):
        return DropReason.LENGTH_RATIO
    return None


def collapse_spaces(text: str) -> str:
    return " ".join(text.split())


def digest64(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


# ----------------------------------------------------------------------------------------------------------------------
# From one corpus to three


def rank(source: str, seed: int) -> int:
    """Where a source stands in the queue for dev and test; equal ones (but for white space) stand together."""
    return digest64(f"{seed}\n{collapse_spaces(source)}")
