"""How well links between words were found: precision, recall and the alignment error rate."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from s2s.data.links import Gold, Link
from s2s.errors import DataError


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


def alignment_scores(predicted: Iterable[AbstractSet[Link]], golds: Iterable[Gold]) -> AlignmentScores:
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
