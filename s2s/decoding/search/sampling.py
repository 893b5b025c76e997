"""Sampling: tokens drawn at random, with temperature, from the k likeliest or from the nucleus.

N rows, B sentences, K samples of a sentence, T positions, V tokens, C candidates, M = B * K.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from s2s.decoding.search.beams import Beams, Choice, allowed_tokens
from s2s.decoding.search.rules import Rules

_NUCLEUS_CANDIDATES = 256
"""Tokens among which the nucleus is looked for before it is looked for among all."""


@dataclass(frozen=True)
class Sampling:
    """The tokens that are drawn from, and how likely each is.

    Attributes:
        temperature: divides log probabilities before the rest; greater than 0.
        top_k: only this many of the likeliest tokens; 0: all.
        top_p: only the likeliest tokens that have this probability together, at least one (the nucleus, Holtzman et al.
            2020, section 3.1); 1: all.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def draw(self, log_probabilities_NV: Tensor, key_N: Tensor) -> Tensor:
        """A token a row, by the noise that belongs to its key: the likeliest after Gumbel noise is a sample.

        The noise of a token does not depend on the other tokens. So rounding, which differs from batch to batch,
        matters only where two tokens come out almost equal; in a cumulative sum over thousands of tokens it would
        matter much more often.
        """
        logits_NV = log_probabilities_NV / self.temperature
        num_tokens = logits_NV.shape[1]
        if self.top_k:
            logits_NC, token_NC = logits_NV.topk(min(self.top_k, num_tokens), dim=1)
            if self.top_p < 1:
                logits_NC, _ = self._nucleus(logits_NC, logits_NC)
            return _likeliest_after_noise(logits_NC, token_NC, key_N)
        if self.top_p == 1:
            token_NV = torch.arange(num_tokens, device=key_N.device).expand_as(logits_NV)
            return _likeliest_after_noise(logits_NV, token_NV, key_N)
        return self._draw_from_nucleus(logits_NV, key_N, min(_NUCLEUS_CANDIDATES, num_tokens))

    def _draw_from_nucleus(self, logits_NV: Tensor, key_N: Tensor, count: int) -> Tensor:
        """First from `count` tokens, which nearly always have `top_p` together: sorting all takes much longer."""
        logits_NC, token_NC = logits_NV.topk(count, dim=1)
        logits_NC, is_enough_N = self._nucleus(logits_NC, logits_NV)
        token_N = _likeliest_after_noise(logits_NC, token_NC, key_N)
        rest_M = (~is_enough_N).nonzero()[:, 0]
        if len(rest_M) and count < logits_NV.shape[1]:
            token_N[rest_M] = self._draw_from_nucleus(logits_NV[rest_M], key_N[rest_M], logits_NV.shape[1])
        return token_N

    def _nucleus(self, logits_NC: Tensor, logits_NV: Tensor) -> tuple[Tensor, Tensor]:
        """The first of sorted candidates that have `top_p` of all tokens together; and whether there are enough."""
        probability_NC = (logits_NC - logits_NV.logsumexp(dim=1, keepdim=True)).exp()
        cumulative_NC = probability_NC.cumsum(dim=1)
        is_out_NC = cumulative_NC - probability_NC >= self.top_p
        is_out_NC[:, 0] = False
        return logits_NC.masked_fill(is_out_NC, -math.inf), cumulative_NC[:, -1] >= self.top_p


def _likeliest_after_noise(logits_NC: Tensor, token_NC: Tensor, key_N: Tensor) -> Tensor:
    """A sample a row, by log probabilities up to a constant."""
    chosen_N = (logits_NC + gumbel_noise(key_N, token_NC)).argmax(dim=1)
    return token_NC.gather(1, chosen_N[:, None])[:, 0]


def gumbel_noise(key_N: Tensor, token_NC: Tensor) -> Tensor:
    """A number of the Gumbel distribution for each token: a function of the key (int32) and the token alone.

    The integers are those of a Weyl sequence, mixed by the finalizer of MurmurHash3.
    """
    bits_NC = key_N[:, None] + token_NC.int() * _signed(0x9E3779B9)
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

    Each is a function of the seed, the line number, the sample and the position alone, so what is drawn for a sentence
    does not depend on its batch.
    """
    generators = [[np.random.default_rng((seed, line, sample)) for sample in range(num_samples)] for line in lines]
    keys = [[each.integers(-(2**31), 2**31, length, dtype=np.int32) for each in row] for row in generators]
    return torch.from_numpy(np.array(keys, dtype=np.int32).reshape(len(lines), num_samples, length))


@dataclass(frozen=True)
class SampledExtensions:
    """An extension of each beam by a token that is drawn."""

    sampling: Sampling
    key_BKT: Tensor
    rules: Rules | None

    def __call__(self, scores_BKV: Tensor, beams: Beams) -> Choice:
        log_probabilities_BKV = allowed_tokens(scores_BKV, beams, self.rules)
        num_beams = log_probabilities_BKV.shape[1]
        key_BK = self.key_BKT[beams.device_sentences_B, :, beams.length]
        # Finished samples are left out: after the end all tokens are equally likely, and take the longest to draw.
        open_N = torch.from_numpy(beams.free_BG.ravel().nonzero()[0]).to(key_BK.device)
        token_M = torch.zeros(key_BK.numel(), dtype=torch.long, device=key_BK.device)
        token_M[open_N] = self.sampling.draw(log_probabilities_BKV.flatten(0, 1)[open_N], key_BK.flatten()[open_N])
        token_BK = token_M.unflatten(0, (-1, num_beams))
        log_probability_BK = log_probabilities_BKV.gather(2, token_BK[:, :, None])[:, :, 0]
        origin_BK = torch.arange(num_beams, device=token_BK.device).expand_as(token_BK)
        return Choice(origin_BK, token_BK, log_probability_BK, beams.total_BK + log_probability_BK)
