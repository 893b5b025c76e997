"""The score by which hypotheses are ranked, and a bound on what an open one can still reach.

B sentences, K beams of a sentence, S source positions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from s2s.config.search import LengthNormalization

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_MIN_ATTENTION = 1e-6
"""The least summed attention that counts for a source position, so that its logarithm is finite."""


@dataclass(frozen=True)
class HypothesisScore:
    """The score of a hypothesis: log probability / norm(length) + word_reward * length + coverage_penalty * coverage.

    The norm is length ** length_penalty (average), ((5 + length) / 6) ** length_penalty (gnmt; Wu et al. 2016, eq. 14),
    or 1 (none). Lengths are in tokens, `</s>` included. The coverage is at most 0, see `coverage`.
    """

    normalization: LengthNormalization = LengthNormalization.average
    length_penalty: float = 1.0
    word_reward: float = 0.0
    coverage_penalty: float = 0.0

    def __post_init__(self) -> None:
        # With negative ones `upper_bound` would be none.
        assert min(self.length_penalty, self.word_reward, self.coverage_penalty) >= 0, self

    def score(self, total_BK: Floats, length: int, coverage_BK: Floats | None = None) -> Floats:
        """Scores (B, K) of hypotheses of one length (at least 1) from their log probabilities.

        `coverage_BK` is needed for a coverage penalty only.
        """
        score_BK: Floats = total_BK / self._norm(length) + self.word_reward * length
        return score_BK if coverage_BK is None else score_BK + self.coverage_penalty * coverage_BK

    def upper_bound(self, total_B: Floats, max_lengths_B: Ints) -> Floats:
        """The score that no continuation of a hypothesis exceeds.

        Its log probability only falls, and its coverage is 0 at best. Norm and reward only grow with the length, so the
        longest continuation is the best.
        """
        bound_B: Floats = total_B / self._norm(max_lengths_B) + self.word_reward * max_lengths_B
        return bound_B

    def _norm(self, length: Any) -> Any:
        """Of one length or an array of them."""
        match self.normalization:
            case LengthNormalization.none:
                return 1.0
            case LengthNormalization.average:
                return length**self.length_penalty
            case LengthNormalization.gnmt:
                return ((5 + length) / 6) ** self.length_penalty


def coverage(attention_BKS: Tensor, source_lengths_B: Tensor) -> Tensor:
    """How much of the source was attended to (B, K): 0 for all of it, else less (Wu et al. 2016, eq. 14, cp / beta).

    Args:
        attention_BKS: attention weights, summed over the tokens so far.
        source_lengths_B: source positions without padding.
    """
    is_source_BS = torch.arange(attention_BKS.shape[2], device=source_lengths_B.device) < source_lengths_B[:, None]
    return attention_BKS.clamp(_MIN_ATTENTION, 1).log().masked_fill(~is_source_BS[:, None], 0).sum(-1)
