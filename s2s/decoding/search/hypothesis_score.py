"""What hypotheses are ranked by, and how good an open one can still become.

B sentences, K beams of a sentence, S source positions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from s2s.config.search import LengthNormalization

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_LEAST_LOOK = 1e-6
"""A source position that was never looked at counts as looked at so much: its logarithm must be a number."""


@dataclass(frozen=True)
class HypothesisScore:
    """The score of a hypothesis: log probability / norm(length) + word_reward * length + coverage_penalty * coverage.

    The norm is length ** length_penalty (average), ((5 + length) / 6) ** length_penalty (gnmt; Wu et al. 2016, eq. 14),
    or 1 (none). `</s>` counts as a word. The coverage is at most 0, see `coverage`.
    """

    normalization: LengthNormalization = LengthNormalization.average
    length_penalty: float = 1.0
    word_reward: float = 0.0
    coverage_penalty: float = 0.0

    def __post_init__(self) -> None:
        # With negative ones `attainable` would promise too little.
        assert min(self.length_penalty, self.word_reward, self.coverage_penalty) >= 0, self

    def score(self, total_BK: Floats, length: int, coverage_BK: Floats | None = None) -> Floats:
        """Scores (B, K) of hypotheses of one length.

        Args:
            total_BK: their log probabilities.
            length: in words, `</s>` counted; at least 1.
            coverage_BK: see `coverage`; only for a coverage penalty.
        """
        score_BK: Floats = total_BK / self._norm(length) + self.word_reward * length
        return score_BK if coverage_BK is None else score_BK + self.coverage_penalty * coverage_BK

    def attainable(self, total_B: Floats, max_lengths_B: Ints) -> Floats:
        """What no continuation of a hypothesis can score more than.

        Its log probability only falls, and the penalty for its coverage ends at 0 at best. Norm and reward only grow
        with the length, so the longest one is the best.
        """
        attainable_B: Floats = total_B / self._norm(max_lengths_B) + self.word_reward * max_lengths_B
        return attainable_B

    def _norm(self, length: Any) -> Any:
        """Of a length or of many."""
        match self.normalization:
            case LengthNormalization.none:
                return 1.0
            case LengthNormalization.average:
                return length**self.length_penalty
            case LengthNormalization.gnmt:
                return ((5 + length) / 6) ** self.length_penalty


def coverage(looked_BKS: Tensor, is_source_BS: Tensor) -> Tensor:
    """How much of the source was looked at (B, K): 0 for all of it, else negative (Wu et al. 2016, eq. 14, cp / beta).

    Args:
        looked_BKS: attention weights, summed over the words so far.
        is_source_BS: True at source tokens, False at padding.
    """
    log_BKS = looked_BKS.clamp(_LEAST_LOOK, 1).log()
    return log_BKS.masked_fill(~is_source_BS[:, None], 0).sum(-1)
