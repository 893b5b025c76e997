"""Files of gold links between words, and the alignment error rate: how well links were found.

Letters: I source words, J target words.
"""

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from s2s.data.text.parallel_text import read_lines
from s2s.data.word_alignment import Link
from s2s.errors import DataError


class GoldLinks(NamedTuple):
    """The links that people gave to a sentence pair: those they were sure of, and those that are possible too."""

    sure: set[Link]
    possible: set[Link]


_LINK = re.compile(r"([0-9]{1,9})([-p?])([0-9]{1,9})")  # nine digits: no sentence is longer, and int() stays cheap


def diagonal_links(num_sources: int, num_targets: int) -> list[Link]:
    """The baseline that knows nothing but the numbers of words: I source words, J target words.

    Target word j, whose middle lies at (j + 1/2) / J of its sentence, is linked to the source word that lies there in
    the other one: i = floor((j + 1/2) I / J).
    """
    if not num_sources:
        return []
    return [((2 * target + 1) * num_sources // (2 * num_targets), target) for target in range(num_targets)]


def parse_pharaoh(line: str) -> GoldLinks:
    """Read the links of one sentence pair, such as "0-0 1-2 2p1": i-j is sure, ipj (or i?j) is possible.

    Source word i stands first, target word j second; both count from 0.

    Raises:
        DataError: a link is written in another way.
    """
    gold = GoldLinks(set(), set())
    for text in line.split():
        match = _LINK.fullmatch(text)
        if match is None:
            raise DataError(f"expected links such as 0-1 (sure) or 0p1 (possible), got {text[:40]!r} in {line[:80]!r}")
        source, kind, target = match.groups()
        (gold.sure if kind == "-" else gold.possible).add((int(source), int(target)))
    return gold


def read_gold(path: Path) -> list[GoldLinks]:
    """Read a file of links, plain or .gz, a sentence pair a line; see `parse_pharaoh`.

    Raises:
        DataError: the file is missing, or a line is written in another way.
    """
    golds: list[GoldLinks] = []
    for number, line in enumerate(read_lines(path), start=1):
        try:
            golds.append(parse_pharaoh(line))
        except DataError as error:
            raise DataError(f"{path}, line {number}: {error}") from error
    return golds


def check_gold(gold: GoldLinks, num_sources: int, num_targets: int, place: str) -> None:
    """Ensure that gold links lie inside the sentences that they are said to be about.

    Args:
        num_sources, num_targets: words of the sentences.
        place: of the links, for the message.

    Raises:
        DataError: one lies outside.
    """
    for source, target in sorted(gold.sure | gold.possible):
        if source >= num_sources or target >= num_targets:
            raise DataError(
                f"{place}: the link {source}-{target}, counted from 0, lies outside sentences of {num_sources} and "
                f"{num_targets} words: does the file count from 1, name target words first, or belong to other text?"
            )


@dataclass(frozen=True)
class AlignmentScores:
    """Counts of links, added up over a corpus, and what follows from them (Och and Ney 2003, section 5).

    A are the links found, S the sure ones, and P the possible ones, which the sure ones belong to.

    Attributes:
        num_pairs: sentence pairs.
        num_found: |A|.
        num_sure: |S|.
        num_possible: |P|.
        num_found_sure: |A ∩ S|.
        num_found_possible: |A ∩ P|.
    """

    num_pairs: int
    num_found: int
    num_sure: int
    num_possible: int
    num_found_sure: int
    num_found_possible: int

    @property
    def precision(self) -> float:
        """|A ∩ P| / |A|, 0 where nothing was found."""
        return self.num_found_possible / self.num_found if self.num_found else 0.0

    @property
    def recall(self) -> float:
        """|A ∩ S| / |S|, 0 where nothing is sure."""
        return self.num_found_sure / self.num_sure if self.num_sure else 0.0

    @property
    def error_rate(self) -> float:
        """AER = 1 - (|A ∩ S| + |A ∩ P|) / (|A| + |S|): 0 is best.

        It is 0 if every sure link is found and no link lies outside P, and 1 if nothing fits.
        """
        return 1 - (self.num_found_sure + self.num_found_possible) / (self.num_found + self.num_sure)

    def as_json(self) -> dict[str, int | float]:
        """For a program to read, shares rounded."""
        return {
            "pairs": self.num_pairs,
            "links": self.num_found,
            "sure": self.num_sure,
            "possible": self.num_possible,
            "sure_found": self.num_found_sure,
            "possible_found": self.num_found_possible,
            "precision": round(self.precision, 6),
            "recall": round(self.recall, 6),
            "aer": round(self.error_rate, 6),
        }


def alignment_scores(predicted: Iterable[AbstractSet[Link]], golds: Iterable[GoldLinks]) -> AlignmentScores:
    """Score the links of sentence pairs against gold links, in the same order; `possible` need not repeat `sure`.

    Raises:
        DataError: the numbers of sentence pairs differ, or there is no link to score.
    """
    answers, solutions = list(predicted), list(golds)
    if len(answers) != len(solutions):
        raise DataError(
            f"expected gold links for as many sentence pairs as were aligned, got {len(solutions)} for {len(answers)}"
        )
    pairs = [(found, gold.sure, gold.sure | gold.possible) for found, gold in zip(answers, solutions, strict=True)]
    scores = AlignmentScores(
        num_pairs=len(pairs),
        num_found=sum(len(found) for found, _, _ in pairs),
        num_sure=sum(len(sure) for _, sure, _ in pairs),
        num_possible=sum(len(possible) for _, _, possible in pairs),
        num_found_sure=sum(len(found & sure) for found, sure, _ in pairs),
        num_found_possible=sum(len(found & possible) for found, _, possible in pairs),
    )
    if not scores.num_found + scores.num_sure:
        raise DataError(f"expected links to score, got none in {len(pairs)} sentence pairs")
    return scores
