"""The open hypotheses of a batch, and how one step of search extends them.

B sentences (those not yet done), K beams of a sentence in G groups of K / G neighbours, T tokens so far, V tokens of
the vocabulary, S source positions, N hypotheses to return, O sentences to keep.
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
class Choice:
    """How a step continues: hypotheses that are one token longer, in any number.

    Attributes:
        origin_BK: the beam that each one extends.
        token_BK: its new token.
        log_probability_BK: of that token.
        total_BK: log probability of all its tokens; -inf where there is none. In each group, the first ones are the
            first to get a free slot.
    """

    origin_BK: Tensor
    token_BK: Tensor
    log_probability_BK: Tensor
    total_BK: Tensor


@dataclass(frozen=True)
class Beams:
    """The open hypotheses of the sentences that are not done, and the slots that are left for them.

    Attributes:
        sentences_B: which sentence each row is, in ascending order; on the host, like the next three.
        max_lengths_B: longest translation in tokens, `</s>` included.
        free_BG: slots of each group that no finished hypothesis has taken.
        best_BN: the best scores of finished hypotheses, in ascending order; -inf where there are fewer.
        length: tokens so far.
        token_BK: the last token.
        total_BK: log probability of all tokens; -inf where there is no hypothesis.
        tokens_BKT: all tokens so far, without `<s>`; None where no rule needs them.
        attention_BKS: attention weights, summed over the tokens so far; None where no score needs them.
    """

    sentences_B: Ints
    max_lengths_B: Ints
    free_BG: Ints
    best_BN: Floats
    length: int
    token_BK: Tensor
    total_BK: Tensor
    tokens_BKT: Tensor | None
    attention_BKS: Tensor | None = None

    @classmethod
    def start(
        cls, max_lengths_B: Tensor, *, num_groups: int, group_size: int, num_best: int, has_tokens: bool
    ) -> "Beams":
        """Before the first token: one beam a group, since all beams would be equal."""
        shape, device = (len(max_lengths_B), num_groups), max_lengths_B.device
        return cls(
            np.arange(shape[0]),
            max_lengths_B.cpu().numpy(),
            np.full(shape, group_size),
            np.full((shape[0], num_best), -math.inf),
            0,
            torch.full(shape, BOS, device=device),
            torch.zeros(shape, device=device),
            torch.empty(*shape, 0, dtype=torch.long, device=device) if has_tokens else None,
        )

    @property
    def most_free(self) -> int:
        """Free slots of the group that has the most."""
        return int(self.free_BG.max(initial=0))

    @property
    def device_sentences_B(self) -> Tensor:  # noqa: N802
        """`sentences_B` on the device."""
        return torch.from_numpy(self.sentences_B).to(self.total_BK.device)

    def extend(self, choice: Choice, attention_BKS: Tensor | None) -> "Beams":
        """The beams one token longer; `attention_BKS` is that of the step, or None where no score needs it."""
        tokens_BKT = self.tokens_BKT
        if tokens_BKT is not None:
            tokens_BKT = torch.cat([_origins(tokens_BKT, choice.origin_BK), choice.token_BK[:, :, None]], dim=2)
        if attention_BKS is not None:
            attention_BKS = attention_BKS if self.attention_BKS is None else self.attention_BKS + attention_BKS
            attention_BKS = _origins(attention_BKS, choice.origin_BK)
        return dataclasses.replace(
            self,
            length=self.length + 1,
            token_BK=choice.token_BK,
            total_BK=choice.total_BK,
            tokens_BKT=tokens_BKT,
            attention_BKS=attention_BKS,
        )

    def within_slots(self, total_BK: Floats) -> Floats:
        """Log probabilities; -inf for hypotheses that come after all free slots of their group are taken."""
        total_BGK = total_BK.reshape(*self.free_BG.shape, -1)
        has_slot_BGK = np.arange(total_BGK.shape[2]) < self.free_BG[:, :, None]
        return np.where(has_slot_BGK, total_BGK, -math.inf).reshape(total_BK.shape)

    def are_finished(self, token_BK: Ints, total_BK: Floats) -> npt.NDArray[np.bool_]:
        """Which hypotheses (B, K) end with their last token, at `</s>` or at the longest length."""
        is_last_B1 = (self.max_lengths_B <= self.length)[:, None]
        are_finished_BK: npt.NDArray[np.bool_] = ((token_BK == EOS) | is_last_B1) & (total_BK > -math.inf)
        return are_finished_BK

    def close(self, total_BK: Floats, score_BK: Floats) -> "Beams":
        """The same beams, with the slots of finished hypotheses taken.

        Args:
            total_BK: log probabilities of the open hypotheses; -inf for finished ones.
            score_BK: scores of the finished hypotheses; -inf for open ones.
        """
        num_finished_BG = (score_BK > -math.inf).reshape(*self.free_BG.shape, -1).sum(2)
        best_BN = np.sort(np.concatenate([score_BK, self.best_BN], axis=1), axis=1)[:, -self.best_BN.shape[1] :]
        total = torch.from_numpy(total_BK).to(self.total_BK.device)
        return dataclasses.replace(self, free_BG=self.free_BG - num_finished_BG, best_BN=best_BN, total_BK=total)

    def can_win(self, total_BK: Floats, scorer: HypothesisScore) -> npt.NDArray[np.bool_]:
        """Which sentences (B) have an open hypothesis that may still be among the best."""
        total_B = total_BK.max(axis=1, initial=-math.inf)
        bound_B = scorer.upper_bound(total_B, self.max_lengths_B)
        can_win_B: npt.NDArray[np.bool_] = (total_B > -math.inf) & (bound_B > self.best_BN[:, 0])
        return can_win_B

    def select(self, rows_O: Ints) -> "Beams":
        """The beams of some sentences only."""
        rows = torch.from_numpy(rows_O).to(self.total_BK.device)
        values: dict[str, Any] = dict(vars(self))
        for name, value in values.items():
            if isinstance(value, np.ndarray | Tensor):
                values[name] = value[rows_O if isinstance(value, np.ndarray) else rows]
        return Beams(**values)


def _origins(values_BKX: Tensor, origin_BK: Tensor) -> Tensor:
    """The values of the beams that others extend."""
    return values_BKX.gather(1, origin_BK[:, :, None].expand(-1, -1, values_BKX.shape[2]))


def allowed_tokens(scores_BKV: Tensor, beams: Beams, rules: Rules | None) -> Tensor:
    """Log probabilities of the next tokens; -inf for those that the rules forbid."""
    log_probabilities_BKV = torch.log_softmax(scores_BKV, dim=-1)
    if rules is not None:
        assert beams.tokens_BKT is not None, "rules need the tokens so far"
        rules.apply(log_probabilities_BKV, beams.tokens_BKT, beams.device_sentences_B)
    return log_probabilities_BKV
