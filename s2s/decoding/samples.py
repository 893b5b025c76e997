"""Words drawn at random: temperature, the k likeliest, and the nucleus.

N rows, B sentences, K samples of a sentence, T positions, V words, C candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from s2s.decoding.beams import Beams, Choice, allowed_words
from s2s.decoding.rules import Rules


@dataclass(frozen=True)
class Sampling:
    """Which words are drawn from.

    Attributes:
        temperature: log probabilities are divided by it before the rest; greater than 0.
        top_k: only so many of the likeliest words; 0: all.
        top_p: only the likeliest words that have this probability together, at least one (the nucleus, Holtzman et al.
            2020, section 3.1); 1: all.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def draw(self, log_probabilities_NV: Tensor, uniform_N: Tensor) -> Tensor:
        """A word a row: where the distribution function of the words passes a number in [0, 1)."""
        candidate_NC, words_NC = self._candidates(log_probabilities_NV)
        # float64: over thousands of words float32 would lose the unlikely ones, and depend on the batch.
        probability_NC = torch.softmax(candidate_NC.double() / self.temperature, dim=1)
        up_to_NC = probability_NC.cumsum(dim=1)
        if self.top_p < 1:
            is_out_NC = up_to_NC - probability_NC >= self.top_p
            is_out_NC[:, 0] = False
            up_to_NC = probability_NC.masked_fill(is_out_NC, 0).cumsum(dim=1)
        choice_N1 = torch.searchsorted(up_to_NC, uniform_N[:, None] * up_to_NC[:, -1:], right=True)
        choice_N1 = choice_N1.clamp(max=candidate_NC.shape[1] - 1)
        return choice_N1[:, 0] if words_NC is None else words_NC.gather(1, choice_N1)[:, 0]

    def _candidates(self, log_probabilities_NV: Tensor) -> tuple[Tensor, Tensor | None]:
        """Log probabilities of the words to draw from, and the words, the likeliest first; None: all, by number."""
        num_words = log_probabilities_NV.shape[1]
        if self.top_k:
            return log_probabilities_NV.topk(min(self.top_k, num_words), dim=1)
        if self.top_p < 1:
            return log_probabilities_NV.sort(dim=1, descending=True)
        return log_probabilities_NV, None


def random_numbers(seed: int, lines: Sequence[int], num_samples: int, length: int) -> Tensor:
    """Numbers in [0, 1) for each sentence, sample and position: (B, K, T), float64.

    Each is a function of the seed, the number of the line, the sample and the position alone, so what is drawn for a
    sentence does not depend on what stands beside it.
    """
    numbers = [
        [np.random.default_rng((seed, line, sample)).random(length) for sample in range(num_samples)] for line in lines
    ]
    return torch.tensor(np.array(numbers)).reshape(len(lines), num_samples, length)


@dataclass(frozen=True)
class DrawnWords:
    """Each beam goes on by itself, by a word that is drawn."""

    sampling: Sampling
    uniform_BKT: Tensor
    rules: Rules | None

    def __call__(self, scores_BKV: Tensor, beams: Beams) -> Choice:
        log_probabilities_BKV = allowed_words(scores_BKV, beams, self.rules)
        num_beams = log_probabilities_BKV.shape[1]
        uniform_BK = self.uniform_BKT[beams.sentence_B, :, beams.length]
        word_N = self.sampling.draw(log_probabilities_BKV.flatten(0, 1), uniform_BK.flatten())
        word_BK = word_N.unflatten(0, (-1, num_beams))
        log_probability_BK = log_probabilities_BKV.gather(2, word_BK[:, :, None])[:, :, 0]
        origin_BK = torch.arange(num_beams, device=word_BK.device).expand_as(word_BK)
        return Choice(origin_BK, word_BK, log_probability_BK, beams.total_BK + log_probability_BK)
