"""Minimum Bayes risk decoding: of many translations of a line, the one that is most similar to all of them.

The likeliest translation may be unlike most others that the model finds likely (Eikema and Aziz 2020, "Is MAP Decoding
All You Need?"). Let the utility u(h, r) be how good the translation h would be if r were the reference. The choice is

    argmax over h of  sum over r of  p(r) u(h, r),

where both h and r run through the candidates: samples of the model, each with the same p, or an n-best list, each with
its own. Utilities are sentence scores with sacrebleu's settings, computed here for all pairs of candidates at once.

N different texts, O orders of n-grams, G different n-grams of one order.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
Utilities = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Utility = Callable[[Sequence[str]], Utilities]
"""From texts to how good each (row) would be if each (column) were the reference, 0 to 100 (N, N)."""


def expected_utilities(
    candidates: Sequence[str], utility: Utility, weights: Sequence[float] | None = None
) -> list[float]:
    """The mean utility of each candidate over all candidates as references, itself included.

    Args:
        candidates: at least one; those that are equal are compared only once.
        utility: `chrf_utility` or `bleu_utility`.
        weights: how probable each candidate is, up to a common factor: at least 0, not all 0. None: all alike, which is
            right for samples, where the probable ones occur more than once.

    Returns:
        A number for each candidate, 0 to 100.
    """
    given = [1.0] * len(candidates) if weights is None else weights
    assert candidates
    assert len(given) == len(candidates)
    assert min(given) >= 0 < sum(given)
    weight_of: dict[str, float] = {}
    for text, weight in zip(candidates, given, strict=True):
        weight_of[text] = weight_of.get(text, 0.0) + weight
    texts, total = list(weight_of), math.fsum(weight_of.values())
    weights_N = np.array(list(weight_of.values()))
    # fsum, so that the order of the candidates cannot decide between equals.
    means = {text: math.fsum(row_N * weights_N) / total for text, row_N in zip(texts, utility(texts), strict=True)}
    return [means[text] for text in candidates]


def chrf_utility(texts: Sequence[str]) -> Utilities:
    """Sentence chrF (Popović 2015): what sacrebleu's `CHRF().sentence_score` gives; that of an empty text is 0."""
    from sacrebleu import extract_char_ngrams  # a tenth of a second that other searches have no use for
    from sacrebleu.metrics.chrf import CHRF

    metric = CHRF()
    matches_ONN, totals_ON = _count_all(texts, extract_char_ngrams, metric.char_order)
    # An order counts where both texts are long enough for it; no n-grams mean no matches either, so 1 divides as well.
    is_long_ON = totals_ON > 0
    orders_NN = (is_long_ON[:, :, None] & is_long_ON[:, None, :]).sum(0).clip(min=1)
    divisors_ON = totals_ON.clip(min=1)
    precision_NN = (matches_ONN / divisors_ON[:, :, None]).sum(0) / orders_NN
    recall_NN = (matches_ONN / divisors_ON[:, None, :]).sum(0) / orders_NN
    weighted_NN = metric.beta**2 * precision_NN + recall_NN
    product_NN = 100 * (1 + metric.beta**2) * precision_NN * recall_NN
    chrf_NN: Utilities = np.divide(product_NN, weighted_NN, out=np.zeros_like(product_NN), where=weighted_NN > 0)
    return chrf_NN


def bleu_utility(texts: Sequence[str]) -> Utilities:
    """Sentence BLEU: what sacrebleu's `BLEU(effective_order=True).sentence_score` gives; that of an empty text is 0."""
    from sacrebleu import extract_word_ngrams
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(effective_order=True)
    words = [metric.tokenizer(text.rstrip()).split() for text in texts]
    matches_ONN, totals_ON = _count_all(words, extract_word_ngrams, metric.max_ngram_order)

    def score(row: int, column: int) -> float:
        return BLEU.compute_bleu(
            matches_ONN[:, row, column].tolist(),
            totals_ON[:, row].tolist(),
            len(words[row]),
            len(words[column]),
            smooth_method=metric.smooth_method,
            effective_order=metric.effective_order,
        ).score

    return np.array([[score(row, column) for column in range(len(texts))] for row in range(len(texts))])


def _count_all(
    texts: Sequence[T], extract: Callable[[T, int], "Counter[str]"], max_order: int
) -> tuple[Counts, Counts]:
    """Count the n-grams of orders 1 to `max_order`: those that two texts share (O, N, N), and those of each (O, N)."""
    matches, totals = [], []
    for order in range(1, max_order + 1):
        counters = [extract(text, order) for text in texts]
        columns = {ngram: index for index, ngram in enumerate(dict.fromkeys(chain.from_iterable(counters)))}
        counts_NG = np.zeros((len(texts), len(columns)), dtype=np.int64)
        rows = [np.array([columns[ngram] for ngram in counter], dtype=np.intp) for counter in counters]
        for row, (own, counter) in enumerate(zip(rows, counters, strict=True)):
            counts_NG[row, own] = list(counter.values())
        # Of each text only its own n-grams are compared.
        matches.append([np.minimum(counts_NG[:, own], counts_NG[row, own]).sum(1) for row, own in enumerate(rows)])
        totals.append(counts_NG.sum(1))
    return np.array(matches), np.array(totals)
