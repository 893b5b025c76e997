"""Words drawn at random: temperature, the k likeliest, and the nucleus.

N rows, B sentences, K samples of a sentence, T positions, V words, C candidates, M = B * K.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from s2s.decoding.search.beams import Beams, Choice, allowed_words
from s2s.decoding.search.rules import Rules

_MANY = 256
"""Candidates of a nucleus that are tried before all words."""


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

    def draw(self, log_probabilities_NV: Tensor, key_N: Tensor) -> Tensor:
        """A word a row, by the noise that belongs to a key: the likeliest after Gumbel noise is a sample.

        A word's noise does not depend on the other words. So rounding, which differs from batch to batch, matters only
        where two words come out almost equal; in a sum over thousands of words it would matter much more often.
        """
        worth_NV = log_probabilities_NV / self.temperature
        num_words = worth_NV.shape[1]
        if self.top_k:
            worth_NC, words_NC = worth_NV.topk(min(self.top_k, num_words), dim=1)
            if self.top_p < 1:
                worth_NC, _ = self._nucleus(worth_NC, worth_NC)
            return _likeliest_after_noise(worth_NC, words_NC, key_N)
        if self.top_p == 1:
            words_NV = torch.arange(num_words, device=key_N.device).expand_as(worth_NV)
            return _likeliest_after_noise(worth_NV, words_NV, key_N)
        return self._draw_from_nucleus(worth_NV, key_N, min(_MANY, num_words))

    def _draw_from_nucleus(self, worth_NV: Tensor, key_N: Tensor, count: int) -> Tensor:
        """Of `count` words first, which nearly always have `top_p` together: to sort all takes many times as long."""
        worth_NC, words_NC = worth_NV.topk(count, dim=1)
        worth_NC, is_enough_N = self._nucleus(worth_NC, worth_NV)
        word_N = _likeliest_after_noise(worth_NC, words_NC, key_N)
        rest_M = (~is_enough_N).nonzero()[:, 0]
        if len(rest_M) and count < worth_NV.shape[1]:
            word_N[rest_M] = self._draw_from_nucleus(worth_NV[rest_M], key_N[rest_M], worth_NV.shape[1])
        return word_N

    def _nucleus(self, worth_NC: Tensor, worth_NV: Tensor) -> tuple[Tensor, Tensor]:
        """Only the first of sorted candidates that have `top_p` of all words together; and whether there are enough."""
        probability_NC = (worth_NC - worth_NV.logsumexp(dim=1, keepdim=True)).exp()
        up_to_NC = probability_NC.cumsum(dim=1)
        is_out_NC = up_to_NC - probability_NC >= self.top_p
        is_out_NC[:, 0] = False
        return worth_NC.masked_fill(is_out_NC, -math.inf), up_to_NC[:, -1] >= self.top_p


def _likeliest_after_noise(worth_NC: Tensor, words_NC: Tensor, key_N: Tensor) -> Tensor:
    """A word a row: a sample by log probabilities that may lack a constant."""
    chosen_N = (worth_NC + gumbel_noise(key_N, words_NC)).argmax(dim=1)
    return words_NC.gather(1, chosen_N[:, None])[:, 0]


def gumbel_noise(key_N: Tensor, words_NC: Tensor) -> Tensor:
    """A number of Gumbel's distribution for each word: a function of the key (int32) and the word alone.

    The integers are those of a Weyl sequence, mixed by the finalizer of MurmurHash3.
    """
    bits_NC = key_N[:, None] + words_NC.int() * _signed(0x9E3779B9)
    bits_NC ^= (bits_NC >> 16) & 0xFFFF
    bits_NC *= _signed(0x85EBCA6B)
    bits_NC ^= (bits_NC >> 13) & 0x7FFFF
    bits_NC *= _signed(0xC2B2AE35)
    bits_NC ^= (bits_NC >> 16) & 0xFFFF
    # 31 bits, so that float32 is exact where it matters: near 0, where the noise is large.
    uniform_NC = ((bits_NC & 0x7FFFFFFF).float() + 0.5) * 2**-31
    return -torch.log(-torch.log1p(-uniform_NC))


def _signed(bits: int) -> int:
    """An unsigned number of 32 bits as the int32 of the same bits."""
    return bits - 2**32 if bits >= 2**31 else bits


def random_keys(seed: int, lines: Sequence[int], num_samples: int, length: int) -> Tensor:
    """A key of each sentence, sample and position: (B, K, T), int32.

    Each is a function of the seed, the number of the line, the sample and the position alone, so what is drawn for a
    sentence does not depend on what stands beside it.
    """
    generators = [[np.random.default_rng((seed, line, sample)) for sample in range(num_samples)] for line in lines]
    keys = [[each.integers(-(2**31), 2**31, length, dtype=np.int32) for each in row] for row in generators]
    return torch.from_numpy(np.array(keys, dtype=np.int32).reshape(len(lines), num_samples, length))


@dataclass(frozen=True)
class SampledExtensions:
    """Each beam goes on by itself, by a word that is drawn."""

    sampling: Sampling
    key_BKT: Tensor
    rules: Rules | None

    def __call__(self, scores_BKV: Tensor, beams: Beams) -> Choice:
        log_probabilities_BKV = allowed_words(scores_BKV, beams, self.rules)
        num_beams = log_probabilities_BKV.shape[1]
        key_BK = self.key_BKT[beams.sentence_B, :, beams.length]
        # Samples that have ended are left out: after the end anything is as likely, and takes the longest to draw.
        open_N = torch.from_numpy(beams.places.free_BG.ravel().nonzero()[0]).to(key_BK.device)
        word_M = torch.zeros(key_BK.numel(), dtype=torch.long, device=key_BK.device)
        word_M[open_N] = self.sampling.draw(log_probabilities_BKV.flatten(0, 1)[open_N], key_BK.flatten()[open_N])
        word_BK = word_M.unflatten(0, (-1, num_beams))
        log_probability_BK = log_probabilities_BKV.gather(2, word_BK[:, :, None])[:, :, 0]
        origin_BK = torch.arange(num_beams, device=word_BK.device).expand_as(word_BK)
        return Choice(origin_BK, word_BK, log_probability_BK, beams.total_BK + log_probability_BK)
