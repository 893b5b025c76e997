"""Greedy and beam search over a step function; there are no weights and no text in here.

B sentences (those not yet done), K beams of a sentence, V words, C candidates of a sentence. A step function takes the
last word of every beam and a state, and gives scores of the next word (any real numbers whose softmax is their
probability) and the next state. A table of log probabilities is such a model too, so search is checked on paper.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from s2s.data.subwords import BOS, EOS


class SearchState(Protocol):
    """What a step needs besides the last words. Row b * K + k belongs to beam k of sentence b."""

    def select(self: "S", rows_M: Tensor, sentences_B: Tensor | None) -> "S":
        """The state of some rows, in that order; they belong to these sentences (None: to all, as before)."""


S = TypeVar("S", bound=SearchState)
Step = Callable[[Tensor, S], tuple[Tensor, S]]
"""From the last words (B, K) and a state to scores (B, K, V) and the next state."""


@dataclass(frozen=True)
class Hypothesis:
    """A translation that has ended.

    Attributes:
        ids: its words, without `</s>`.
        log_probability: of these words, and of `</s>` unless the longest length cut it off, in nats.
        score: what hypotheses are ranked by: log_probability / length ** length_penalty, `</s>` counted as a word.
    """

    ids: tuple[int, ...]
    log_probability: float
    score: float


def _hypothesis(words: list[int], log_probability: float, length_penalty: float) -> Hypothesis:
    ids = tuple(words[:-1] if words[-1] == EOS else words)
    return Hypothesis(ids, log_probability, log_probability / len(words) ** length_penalty)


def greedy_search(step: Step[S], state: S, max_lengths_B: Tensor, *, length_penalty: float = 1.0) -> list[Hypothesis]:
    """Take the likeliest word at every step. Sentences that are done leave the batch.

    Args:
        step: gives the scores of the next word.
        state: before the first word, one row a sentence.
        max_lengths_B: longest translation of each sentence in words, `</s>` included; at least 1.
        length_penalty: only for `score`.

    Returns:
        A hypothesis a sentence.
    """
    num_sentences, device = len(max_lengths_B), max_lengths_B.device
    results: dict[int, Hypothesis] = {}
    sentence_B = torch.arange(num_sentences, device=device)
    words_BT = torch.full((num_sentences, 1), BOS, device=device)
    total_B = torch.zeros(num_sentences, device=device)
    while len(sentence_B):
        scores_B1V, state = step(words_BT[:, -1:], state)
        scores_BV = scores_B1V[:, 0].float()
        # topk and not max: among equal scores they choose differently, and beam search takes topk.
        best_B, word_B = (result_B1[:, 0] for result_B1 in scores_BV.topk(1, dim=1))
        total_B = total_B + best_B - torch.logsumexp(scores_BV, dim=1)
        words_BT = torch.cat([words_BT, word_B[:, None]], dim=1)
        is_done_B = (word_B == EOS) | (words_BT.shape[1] - 1 >= max_lengths_B[sentence_B])
        for row in is_done_B.nonzero().flatten().tolist():
            words = words_BT[row, 1:].tolist()
            results[int(sentence_B[row])] = _hypothesis(words, float(total_B[row]), length_penalty)
        if is_done_B.any():
            rows_M = (~is_done_B).nonzero().flatten()
            sentence_B, words_BT, total_B = sentence_B[rows_M], words_BT[rows_M], total_B[rows_M]
            state = state.select(rows_M, rows_M)
    return [results[index] for index in range(num_sentences)]


@dataclass(frozen=True)
class _Beams:
    """The open hypotheses of the sentences that are not done.

    Attributes:
        sentence_B: which sentence each row is.
        words_BKT: `<s>` and the words so far.
        total_BK: their log probability; -inf where the place is empty.
        num_places_B: places that no ended hypothesis has taken.
    """

    sentence_B: Tensor
    words_BKT: Tensor
    total_BK: Tensor
    num_places_B: Tensor

    @classmethod
    def start(cls, num_sentences: int, beam_size: int, device: torch.device) -> "_Beams":
        return cls(
            torch.arange(num_sentences, device=device),
            torch.full((num_sentences, 1, 1), BOS, device=device),
            torch.zeros(num_sentences, 1, device=device),
            torch.full((num_sentences,), beam_size, device=device),
        )

    def extend(self, scores_BKV: Tensor) -> tuple["_Beams", Tensor]:
        """The best one-word extensions, and the beam (B, K) that each comes from: the beam step.

        A beam's K best words are enough to find the K best of all; only their log probability is computed.
        """
        beam_size = int(self.num_places_B.max())
        scores_BKV = scores_BKV.float()
        log_sum_BK1 = torch.logsumexp(scores_BKV, dim=-1, keepdim=True)
        top_BKC, word_BKC = scores_BKV.topk(min(beam_size, scores_BKV.shape[-1]), dim=-1)
        total_BKC = self.total_BK[:, :, None] + top_BKC - log_sum_BK1
        total_BC = total_BKC.flatten(1)
        total_BK, candidate_BK = total_BC.topk(min(beam_size, total_BC.shape[1]), dim=1)
        origin_BK = candidate_BK // top_BKC.shape[-1]
        word_BK = word_BKC.flatten(1).gather(1, candidate_BK)
        before_BKT = self.words_BKT.gather(1, origin_BK[:, :, None].expand(-1, -1, self.words_BKT.shape[2]))
        rank_K = torch.arange(total_BK.shape[1], device=total_BK.device)
        total_BK = total_BK.masked_fill(rank_K >= self.num_places_B[:, None], -math.inf)
        words_BKT = torch.cat([before_BKT, word_BK[:, :, None]], dim=2)
        return dataclasses.replace(self, words_BKT=words_BKT, total_BK=total_BK), origin_BK

    def without(self, is_ended_BK: Tensor) -> "_Beams":
        """The same with ended hypotheses taken out of their places."""
        total_BK = self.total_BK.masked_fill(is_ended_BK, -math.inf)
        return dataclasses.replace(self, total_BK=total_BK, num_places_B=self.num_places_B - is_ended_BK.sum(1))

    def rows(self, rows_C: Tensor) -> "_Beams":
        """Some sentences only."""
        return _Beams(*(getattr(self, item.name)[rows_C] for item in dataclasses.fields(self)))


def beam_search(
    step: Step[S],
    state: S,
    max_lengths_B: Tensor,
    *,
    beam_size: int,
    length_penalty: float = 1.0,
    num_best: int = 1,
) -> list[list[Hypothesis]]:
    """Keep the `beam_size` likeliest hypotheses of each sentence at every step.

    A hypothesis that ends (at `</s>`, or at the longest length) takes one of the sentence's places for good. A sentence
    is done when all places are taken, or when no open hypothesis can still be among the `num_best`; it then leaves the
    batch.

    Args:
        step: gives the scores of the next word.
        state: before the first word, one row a sentence.
        max_lengths_B: longest translation of each sentence in words, `</s>` included; at least 1.
        beam_size: places of a sentence.
        length_penalty: see `Hypothesis.score`; 0 ranks by log probability, 1 by its mean over words.
        num_best: how many of the best to return, at most `beam_size`.

    Returns:
        For each sentence up to `num_best` hypotheses, the best first.
    """
    ended: list[list[Hypothesis]] = [[] for _ in max_lengths_B]
    beams = _Beams.start(len(max_lengths_B), beam_size, max_lengths_B.device)
    while len(beams.sentence_B):
        num_beams = beams.total_BK.shape[1]
        scores_BKV, state = step(beams.words_BKT[:, :, -1], state)
        beams, origin_BK = beams.extend(scores_BKV)
        beams = _collect(beams, ended, max_lengths_B, length_penalty)
        is_open_B = _can_win(beams, ended, max_lengths_B, length_penalty, num_best)
        rows_BK = origin_BK + num_beams * torch.arange(len(origin_BK), device=origin_BK.device)[:, None]
        if bool(is_open_B.all()):
            state = state.select(rows_BK.flatten(), None)
        else:
            open_C = is_open_B.nonzero().flatten()
            beams, state = beams.rows(open_C), state.select(rows_BK[open_C].flatten(), open_C)
    return [sorted(found, key=lambda hypothesis: -hypothesis.score)[:num_best] for found in ended]


def _collect(beams: _Beams, ended: list[list[Hypothesis]], max_lengths_B: Tensor, length_penalty: float) -> _Beams:
    """Move the hypotheses that have just ended out of the beams."""
    length = beams.words_BKT.shape[2] - 1
    is_last_B1 = (max_lengths_B[beams.sentence_B] <= length)[:, None]
    is_ended_BK = ((beams.words_BKT[:, :, -1] == EOS) | is_last_B1) & (beams.total_BK > -math.inf)
    for row, beam in is_ended_BK.nonzero().tolist():
        words, total = beams.words_BKT[row, beam, 1:].tolist(), float(beams.total_BK[row, beam])
        ended[int(beams.sentence_B[row])].append(_hypothesis(words, total, length_penalty))
    return beams.without(is_ended_BK)


def _can_win(
    beams: _Beams, ended: list[list[Hypothesis]], max_lengths_B: Tensor, length_penalty: float, num_best: int
) -> Tensor:
    """Which sentences (B) have an open hypothesis that may still be among the best.

    Log probabilities only fall, so the best score that an open one can reach is that of its present log probability
    at the longest length.
    """
    best_open_B = beams.total_BK.max(dim=1).values
    attainable_B = best_open_B / max_lengths_B[beams.sentence_B] ** length_penalty
    to_beat = [
        sorted((hypothesis.score for hypothesis in ended[sentence]), reverse=True)[num_best - 1 : num_best]
        for sentence in beams.sentence_B.tolist()
    ]
    to_beat_B = attainable_B.new_tensor([scores[0] if scores else -math.inf for scores in to_beat])
    return (best_open_B > -math.inf) & (attainable_B > to_beat_B)
