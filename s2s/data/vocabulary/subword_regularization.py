"""Subword regularization: words segmented at random, by probability (unigram) or with merges left out (BPE-dropout).

sentencepiece can do both, but newer versions mix numbers of the process into the seed, so that a run that goes on in
another process would not read what the unbroken run reads. Python's own generator gives the same numbers everywhere.

Words are text without spaces, save "▁" at their start; where the known pieces cannot make up a word, it has none.
"""

import math
from bisect import bisect
from collections.abc import Mapping
from itertools import accumulate, pairwise
from random import Random

_MAX_WORDS = 100_000  # whose tables are kept: some 100 MB


class UnigramSegmenter:
    """Draws by the product of the pieces' probabilities, to the power of alpha (Kudo 2018, section 3.2).

    All segmentations there are can come out, not only the best N. What leads to each position in a word depends on the
    word alone and is kept, since most words come again.
    """

    def __init__(self, log_probabilities: Mapping[str, float], alpha: float) -> None:
        self.alpha = alpha
        self.log_probabilities = log_probabilities
        self.longest = max(map(len, log_probabilities))
        self._tables: dict[str, list[tuple[list[int], list[float]]]] = {}

    def segment(self, word: str, random: Random) -> list[str]:
        """Draw the last piece, then the last of what is left, to the start (forward-filtering, backward-sampling)."""
        table = self._tables.get(word)
        if table is None:
            if len(self._tables) >= _MAX_WORDS:
                self._tables.clear()
            table = self._tables[word] = self._table(word)
        pieces, end = [], len(word)
        while end:
            starts, bounds = table[end]
            if not starts:
                return []
            start = starts[bisect(bounds, random.random())]
            pieces.append(word[start:end])
            end = start
        return pieces[::-1]

    def _table(self, word: str) -> list[tuple[list[int], list[float]]]:
        """For each end of a piece: where it can start, and bounds between their shares of [0, 1)."""
        totals, table = [0.0], [(list[int](), list[float]())]  # log of the summed weights of all ways to get there
        for end in range(1, len(word) + 1):
            ways = [
                (start, totals[start] + self.alpha * self.log_probabilities[word[start:end]])
                for start in range(max(0, end - self.longest), end)
                if totals[start] > -math.inf and word[start:end] in self.log_probabilities
            ]
            total = _log_sum([log_weight for _, log_weight in ways])
            shares = accumulate(math.exp(log_weight - total) for _, log_weight in ways[:-1])
            totals.append(total)
            table.append(([start for start, _ in ways], list(shares)))
        return table


def _log_sum(log_weights: list[float]) -> float:
    """log of the sum of exp; -inf of none."""
    highest = max(log_weights, default=-math.inf)
    return highest + math.log(sum(math.exp(each - highest) for each in log_weights)) if log_weights else -math.inf


class BPESegmenter:
    """Merges as BPE does, but in every round each possible merge is left out with probability alpha (BPE-dropout).

    Provilkov et al. 2020, algorithm 1: a merge left out in one round can be made in the next; the word is done when a
    round has none left.
    """

    def __init__(self, priorities: Mapping[str, float], alpha: float) -> None:
        self.alpha = alpha
        self.priorities = priorities

    def segment(self, word: str, random: Random) -> list[str]:
        """Start from the characters; of the merges of a round the one of highest priority, leftmost first, is made."""
        pieces = list(word)
        while True:
            pairs = (first + second for first, second in pairwise(pieces))
            merges = [
                (self.priorities[pair], -position)
                for position, pair in enumerate(pairs)
                if pair in self.priorities and random.random() >= self.alpha
            ]
            if not merges:
                return pieces if all(piece in self.priorities for piece in pieces) else []
            position = -max(merges)[1]
            pieces[position : position + 2] = [pieces[position] + pieces[position + 1]]
