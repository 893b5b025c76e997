"""Who is still in the race: the places that each sentence has for hypotheses, and the scores that are to be beaten.

B sentences (those not yet done), K beams of a sentence in G groups of K / G neighbours, Q hypotheses asked for. All of
this is numpy on the host: arrays are tiny, and for those a kernel's launch takes longer than the work.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from s2s.data.subwords import EOS
from s2s.decoding.ranking import Floats, Ints, Ranking


@dataclass(frozen=True)
class Places:
    """The places of the sentences that are not done.

    Attributes:
        sentences_B: which sentence each row is, in ascending order.
        max_lengths_B: longest translation in words, `</s>` included.
        free_BG: places of each group that no ended hypothesis has taken.
        best_BQ: the best scores of hypotheses that have ended, in ascending order; -inf for want of more.
    """

    sentences_B: Ints
    max_lengths_B: Ints
    free_BG: Ints
    best_BQ: Floats

    @classmethod
    def start(cls, max_lengths: list[int], groups: int, group_size: int, num_best: int) -> "Places":
        num_sentences = len(max_lengths)
        return cls(
            np.arange(num_sentences),
            np.array(max_lengths, dtype=np.int64),
            np.full((num_sentences, groups), group_size),
            np.full((num_sentences, num_best), -math.inf),
        )

    @property
    def most_free(self) -> int:
        """Free places of the group that has the most."""
        return int(self.free_BG.max(initial=0))

    def seat(self, total_BK: Floats) -> Floats:
        """Log probabilities of hypotheses; -inf for those that come after all places of their group are taken."""
        total_BGK = total_BK.reshape(*self.free_BG.shape, -1)
        has_place_BGK = np.arange(total_BGK.shape[2]) < self.free_BG[:, :, None]
        return np.where(has_place_BGK, total_BGK, -math.inf).reshape(total_BK.shape)

    def are_ended(self, word_BK: Ints, total_BK: Floats, length: int) -> npt.NDArray[np.bool_]:
        """Which hypotheses (B, K) end with these words, at `</s>` or at the longest length."""
        is_last_B1 = (self.max_lengths_B <= length)[:, None]
        are_ended: npt.NDArray[np.bool_] = ((word_BK == EOS) | is_last_B1) & (total_BK > -math.inf)
        return are_ended

    def close(self, score_BK: Floats) -> "Places":
        """The same when hypotheses have ended.

        Args:
            score_BK: theirs; -inf for those that go on.
        """
        are_ended_BK = score_BK > -math.inf
        if not are_ended_BK.any():
            return self
        num_ended_BG = are_ended_BK.reshape(*self.free_BG.shape, -1).sum(2)
        best_BQ = np.sort(np.concatenate([score_BK, self.best_BQ], axis=1), axis=1)[:, -self.best_BQ.shape[1] :]
        return Places(self.sentences_B, self.max_lengths_B, self.free_BG - num_ended_BG, best_BQ)

    def can_win(self, total_BK: Floats, ranking: Ranking) -> npt.NDArray[np.bool_]:
        """Which sentences (B) have an open hypothesis that may still be among the best."""
        total_B = total_BK.max(axis=1, initial=-math.inf)
        attainable_B = ranking.attainable(total_B, self.max_lengths_B)
        can_win_B: npt.NDArray[np.bool_] = (total_B > -math.inf) & (attainable_B > self.best_BQ[:, 0])
        return can_win_B

    def rows(self, rows_C: Ints) -> "Places":
        """Some sentences only."""
        return Places(*(values[rows_C] for values in vars(self).values()))
