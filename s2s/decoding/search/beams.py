"""The open hypotheses of a batch, and how one step of search changes them.

B sentences (those not yet done), K beams of a sentence in G groups of K / G neighbours, T words said so far, V words, S
source positions.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from s2s.data.vocabulary.subwords import BOS, EOS
from s2s.decoding.search.hypothesis_score import Floats, HypothesisScore, Ints
from s2s.decoding.search.rules import Rules


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

    def can_win(self, total_BK: Floats, ranking: HypothesisScore) -> npt.NDArray[np.bool_]:
        """Which sentences (B) have an open hypothesis that may still be among the best."""
        total_B = total_BK.max(axis=1, initial=-math.inf)
        attainable_B = ranking.attainable(total_B, self.max_lengths_B)
        can_win_B: npt.NDArray[np.bool_] = (total_B > -math.inf) & (attainable_B > self.best_BQ[:, 0])
        return can_win_B

    def rows(self, rows_C: Ints) -> "Places":
        """Some sentences only."""
        return Places(*(values[rows_C] for values in vars(self).values()))


@dataclass(frozen=True)
class Choice:
    """How a step goes on: the hypotheses that are one word longer, in any number.

    Attributes:
        origin_BK: the beam that each one goes on from.
        word_BK: what it says.
        log_probability_BK: of that word.
        total_BK: log probability of all its words; -inf where there is none. In each group, those that come first are
            the first to get a place.
    """

    origin_BK: Tensor
    word_BK: Tensor
    log_probability_BK: Tensor
    total_BK: Tensor


@dataclass(frozen=True)
class Beams:
    """The open hypotheses of the sentences that are not done.

    Attributes:
        places: of the same sentences.
        length: words said so far.
        sentence_B: which sentence each row is.
        word_BK: the last word.
        total_BK: their log probability; -inf where the place is empty.
        words_BKT: all words so far, without `<s>`; None where no rule asks for them.
        looked_BKS: attention weights, summed over the words so far; None where they do not matter.
    """

    places: Places
    length: int
    sentence_B: Tensor
    word_BK: Tensor
    total_BK: Tensor
    words_BKT: Tensor | None
    looked_BKS: Tensor | None

    @classmethod
    def start(cls, places: Places, device: torch.device, *, has_words: bool) -> "Beams":
        """Before the first word: one beam a group, since all beams would say the same."""
        shape = places.free_BG.shape
        return cls(
            places,
            0,
            torch.arange(shape[0], device=device),
            torch.full(shape, BOS, device=device),
            torch.zeros(shape, device=device),
            torch.empty(*shape, 0, dtype=torch.long, device=device) if has_words else None,
            None,
        )

    def extend(self, choice: Choice, looked_BKS: Tensor | None) -> "Beams":
        """One word longer.

        Args:
            choice: the words.
            looked_BKS: where the beams looked to say them; None where it does not matter.
        """
        words_BKT = self.words_BKT
        if words_BKT is not None:
            words_BKT = torch.cat([_origins(words_BKT, choice.origin_BK), choice.word_BK[:, :, None]], dim=2)
        if looked_BKS is not None:
            looked_BKS = looked_BKS if self.looked_BKS is None else self.looked_BKS + looked_BKS
            looked_BKS = _origins(looked_BKS, choice.origin_BK)
        return Beams(
            self.places, self.length + 1, self.sentence_B, choice.word_BK, choice.total_BK, words_BKT, looked_BKS
        )

    def rows(self, rows_C: Ints) -> "Beams":
        """Some sentences only."""
        rows = torch.from_numpy(rows_C).to(self.total_BK.device)
        tensors: dict[str, Any] = {name: value[rows] for name, value in vars(self).items() if isinstance(value, Tensor)}
        return dataclasses.replace(self, places=self.places.rows(rows_C), **tensors)


def _origins(values_BKX: Tensor, origin_BK: Tensor) -> Tensor:
    """What the beams had that others go on from."""
    return values_BKX.gather(1, origin_BK[:, :, None].expand(-1, -1, values_BKX.shape[2]))


def allowed_words(scores_BKV: Tensor, beams: Beams, rules: Rules | None) -> Tensor:
    """Log probabilities of the next words; -inf for those that the rules forbid."""
    log_probabilities_BKV = torch.log_softmax(scores_BKV, dim=-1)
    if rules is not None:
        assert beams.words_BKT is not None, "rules need the words so far"
        rules.apply(log_probabilities_BKV, beams.words_BKT, beams.sentence_B)
    return log_probabilities_BKV
