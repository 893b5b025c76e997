"""The alignment error rate: how well links between words were found."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from s2s.data.links import Link
from s2s.errors import DataError


def alignment_error_rate(
    predicted: Iterable[AbstractSet[Link]], sure: Iterable[AbstractSet[Link]], possible: Iterable[AbstractSet[Link]]
) -> float:
    """Score predicted links A against sure links S and possible links P (Och and Ney 2003, section 5).

    AER = 1 - (|A ∩ S| + |A ∩ (S ∪ P)|) / (|A| + |S|), where each count is added up over the whole corpus first. It is
    0 if every sure link is found and no link lies outside S and P, and 1 if nothing fits. P need not repeat S.

    Args:
        predicted, sure, possible: one set for each sentence pair, in the same order.

    Raises:
        DataError: the numbers of sentence pairs differ, or there is no link to score.
    """
    corpora = [list(predicted), list(sure), list(possible)]
    if len({len(corpus) for corpus in corpora}) != 1:
        counts = ", ".join(str(len(corpus)) for corpus in corpora)
        raise DataError(f"expected as many predicted as sure and possible sets of links, got {counts}")
    hits = total = 0
    for found, certain, allowed in zip(*corpora, strict=True):
        hits += len(found & certain) + len(found & (certain | allowed))
        total += len(found) + len(certain)
    if not total:
        raise DataError(f"expected links to score, got none in {len(corpora[0])} sentence pairs")
    return 1 - hits / total
