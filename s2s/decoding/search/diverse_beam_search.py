"""Diverse beam search: groups of beams that are kept from saying the same (Vijayakumar et al. 2018, algorithm 1).

B sentences, K beams of a sentence in G groups of k neighbours, V words.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from s2s.decoding.search.beams import Beams, Choice, allowed_words
from s2s.decoding.search.rules import Rules


@dataclass(frozen=True)
class DiverseExtensions:
    """The best extensions of each group of beams in turn.

    A word is worth `strength` nats less for each hypothesis of an earlier group that says it in the same step (Hamming
    diversity). That only decides what is taken: hypotheses keep the log probability that the model gives them.
    """

    groups: int
    strength: float
    rules: Rules | None

    def __call__(self, scores_BKV: Tensor, beams: Beams) -> Choice:
        log_probabilities_BKV = allowed_words(scores_BKV, beams, self.rules)
        total_BKV = beams.total_BK[:, :, None] + log_probabilities_BKV
        num_places_BG = torch.from_numpy(beams.places.free_BG).to(total_BKV.device)
        times_said_BV = torch.zeros_like(total_BKV[:, 0])
        parts = []
        for group, total_BkV in enumerate(total_BKV.chunk(self.groups, dim=1)):
            worth_BX = (total_BkV - self.strength * times_said_BV[:, None]).flatten(1)
            chosen_Bk = worth_BX.topk(min(beams.places.most_free, worth_BX.shape[1]), dim=1).indices
            total_Bk, word_Bk = total_BkV.flatten(1).gather(1, chosen_Bk), chosen_Bk % total_BKV.shape[2]
            is_taken_Bk = torch.arange(total_Bk.shape[1], device=total_Bk.device) < num_places_BG[:, group, None]
            is_taken_Bk &= total_Bk > -math.inf
            times_said_BV.scatter_add_(1, word_Bk, is_taken_Bk.to(times_said_BV.dtype))
            parts.append((chosen_Bk // total_BKV.shape[2] + group * total_BkV.shape[1], word_Bk, total_Bk))
        origin_BK, word_BK, total_BK = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
        log_probability_BK = total_BK - beams.total_BK.gather(1, origin_BK)
        return Choice(origin_BK, word_BK, log_probability_BK, total_BK)
