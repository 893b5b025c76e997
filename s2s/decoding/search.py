"""Greedy and beam search over a step function; there are no weights and no text in here.

B sentences (those not yet done), K beams of a sentence, V words, C candidates of a sentence. A step function takes the
last word of every beam and a state, and gives scores of the next word (any real numbers whose softmax is their
probability) and the next state. A table of log probabilities is such a model too, so search is checked on paper.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from s2s.data.subwords import BOS, EOS


class SearchState(Protocol):
    """What a step needs besides the last words. Row b * K + k belongs to beam k of sentence b.

    Attributes:
        attention_BKS: where each beam looked in the step that made this state; None where nothing is known of that.
    """

    @property
    def attention_BKS(self) -> Tensor | None: ...  # noqa: N802

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
        token_log_probabilities: of each word, then of `</s>` unless it was cut off, in nats.
        attention_TS: where each of these positions looked (float32, on the CPU); None unless it was asked for.
    """

    ids: tuple[int, ...]
    log_probability: float
    score: float
    token_log_probabilities: tuple[float, ...]
    attention_TS: Tensor | None = field(default=None, compare=False)


def _hypothesis(
    words_T: Tensor, log_probabilities_T: Tensor, total: Tensor, attention_TS: Tensor | None, length_penalty: float
) -> Hypothesis:
    words, log_probability = words_T.tolist(), float(total)
    return Hypothesis(
        tuple(words[:-1] if words[-1] == EOS else words),
        log_probability,
        log_probability / len(words) ** length_penalty,
        tuple(log_probabilities_T.tolist()),
        None if attention_TS is None else attention_TS.float().cpu(),
    )


def greedy_search(
    step: Step[S], state: S, max_lengths_B: Tensor, *, length_penalty: float = 1.0, keep_attention: bool = False
) -> list[Hypothesis]:
    """Take the likeliest word at every step. Sentences that are done leave the batch.

    Args:
        step: gives the scores of the next word.
        state: before the first word, one row a sentence.
        max_lengths_B: longest translation of each sentence in words, `</s>` included; at least 1.
        length_penalty: only for `score`.
        keep_attention: give each hypothesis its attention, where the state has any.

    Returns:
        A hypothesis a sentence.
    """
    found = beam_search(
        step, state, max_lengths_B, beam_size=1, length_penalty=length_penalty, keep_attention=keep_attention
    )
    return [hypotheses[0] for hypotheses in found]


@dataclass(frozen=True)
class _Beams:
    """The open hypotheses of the sentences that are not done.

    Attributes:
        sentence_B: which sentence each row is.
        words_BKT: `<s>` and the words so far.
        log_probability_BKT: of the words so far.
        attention_BKTS: where they looked; None where it is not kept.
        total_BK: their log probability; -inf where the place is empty.
        num_places_B: places that no ended hypothesis has taken.
    """

    sentence_B: Tensor
    words_BKT: Tensor
    log_probability_BKT: Tensor
    attention_BKTS: Tensor | None
    total_BK: Tensor
    num_places_B: Tensor

    @classmethod
    def start(cls, num_sentences: int, beam_size: int, device: torch.device) -> "_Beams":
        return cls(
            torch.arange(num_sentences, device=device),
            torch.full((num_sentences, 1, 1), BOS, device=device),
            torch.zeros(num_sentences, 1, 0, device=device),
            None,
            torch.zeros(num_sentences, 1, device=device),
            torch.full((num_sentences,), beam_size, device=device),
        )

    def extend(self, scores_BKV: Tensor, attention_BKS: Tensor | None) -> tuple["_Beams", Tensor]:
        """The best one-word extensions, and the beam (B, K) that each comes from: the beam step.

        A beam's K best words are enough to find the K best of all; only their log probability is computed.
        """
        beam_size = int(self.num_places_B.max())
        scores_BKV = scores_BKV.float()
        top_BKC, word_BKC = likeliest_words(scores_BKV, min(beam_size, scores_BKV.shape[-1]))
        total_BC = (self.total_BK[:, :, None] + top_BKC).flatten(1)
        total_BK, candidate_BK = total_BC.topk(min(beam_size, total_BC.shape[1]), dim=1)
        origin_BK = candidate_BK // top_BKC.shape[-1]
        word_BK = word_BKC.flatten(1).gather(1, candidate_BK)
        log_probability_BK = top_BKC.flatten(1).gather(1, candidate_BK)
        rank_K = torch.arange(total_BK.shape[1], device=total_BK.device)
        total_BK = total_BK.masked_fill(rank_K >= self.num_places_B[:, None], -math.inf)
        attention_BKTS = None
        if attention_BKS is not None:
            before_BKTS = attention_BKS[:, :, None][:, :, :0] if self.attention_BKTS is None else self.attention_BKTS
            attention_BKTS = torch.cat([before_BKTS, attention_BKS[:, :, None]], dim=2)
            attention_BKTS = torch.stack([rows[origin] for rows, origin in zip(attention_BKTS, origin_BK, strict=True)])
        extended = _Beams(
            self.sentence_B,
            _appended(self.words_BKT, origin_BK, word_BK),
            _appended(self.log_probability_BKT, origin_BK, log_probability_BK),
            attention_BKTS,
            total_BK,
            self.num_places_B,
        )
        return extended, origin_BK

    def without(self, is_ended_BK: Tensor) -> "_Beams":
        """The same with ended hypotheses taken out of their places."""
        total_BK = self.total_BK.masked_fill(is_ended_BK, -math.inf)
        return dataclasses.replace(self, total_BK=total_BK, num_places_B=self.num_places_B - is_ended_BK.sum(1))

    def rows(self, rows_C: Tensor) -> "_Beams":
        """Some sentences only."""
        attention_BKTS = None if self.attention_BKTS is None else self.attention_BKTS[rows_C]
        return _Beams(
            self.sentence_B[rows_C],
            self.words_BKT[rows_C],
            self.log_probability_BKT[rows_C],
            attention_BKTS,
            self.total_BK[rows_C],
            self.num_places_B[rows_C],
        )


def _appended(before_BKT: Tensor, origin_BK: Tensor, last_BK: Tensor) -> Tensor:
    """What the beams that others come from had at each position, and what comes last."""
    from_BKT = before_BKT.gather(1, origin_BK[:, :, None].expand(-1, -1, before_BKT.shape[2]))
    return torch.cat([from_BKT, last_BK[:, :, None]], dim=2)


def likeliest_words(scores_NV: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` likeliest words of each row, the likeliest first: their log probabilities and the words themselves.

    Only theirs are computed: a top-k and a log-sum-exp do, without a log-softmax of all words.
    """
    top_NC, words_NC = scores_NV.topk(count, dim=-1)
    return top_NC - torch.logsumexp(scores_NV, dim=-1, keepdim=True), words_NC


def beam_search(
    step: Step[S],
    state: S,
    max_lengths_B: Tensor,
    *,
    beam_size: int,
    length_penalty: float = 1.0,
    num_best: int = 1,
    keep_attention: bool = False,
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
        keep_attention: give each hypothesis its attention, where the state has any.

    Returns:
        For each sentence up to `num_best` hypotheses, the best first.
    """
    ended: list[list[Hypothesis]] = [[] for _ in max_lengths_B]
    beams = _Beams.start(len(max_lengths_B), beam_size, max_lengths_B.device)
    while len(beams.sentence_B):
        num_beams = beams.total_BK.shape[1]
        scores_BKV, state = step(beams.words_BKT[:, :, -1], state)
        beams, origin_BK = beams.extend(scores_BKV, state.attention_BKS if keep_attention else None)
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
        at = row, beam
        attention_TS = None if beams.attention_BKTS is None else beams.attention_BKTS[at]
        words_T, log_probabilities_T, total = beams.words_BKT[at][1:], beams.log_probability_BKT[at], beams.total_BK[at]
        found = _hypothesis(words_T, log_probabilities_T, total, attention_TS, length_penalty)
        ended[int(beams.sentence_B[row])].append(found)
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
