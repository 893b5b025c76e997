"""Diverse beam search: groups of beams that are kept from being alike (Vijayakumar et al. 2018, algorithm 1).

B sentences, K beams of a sentence in G groups of k neighbours, V tokens.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from s2s.decoding.search.beams import Beams, Choice, allowed_tokens
from s2s.decoding.search.rules import Rules


@dataclass(frozen=True)
class DiverseExtensions:
    """The best extensions of each group of beams, one group after another.

    A token costs `strength` nats for each hypothesis of an earlier group that has it in the same step (Hamming
    diversity). That only decides what is chosen: hypotheses keep the log probability that the model gives them.
    """

    num_groups: int
    strength: float
    rules: Rules | None

    def __call__(self, scores_BKV: Tensor, beams: Beams) -> Choice:
        log_probabilities_BKV = allowed_tokens(scores_BKV, beams, self.rules)
        total_BKV = beams.total_BK[:, :, None] + log_probabilities_BKV
        free_BG = torch.from_numpy(beams.free_BG).to(total_BKV.device)
        counts_BV = torch.zeros_like(total_BKV[:, 0])
        chosen = []
        for group, total_BkV in enumerate(total_BKV.chunk(self.num_groups, dim=1)):
            penalized_BX = (total_BkV - self.strength * counts_BV[:, None]).flatten(1)
            chosen_Bk = penalized_BX.topk(min(beams.most_free, penalized_BX.shape[1]), dim=1).indices
            total_Bk, token_Bk = total_BkV.flatten(1).gather(1, chosen_Bk), chosen_Bk % total_BKV.shape[2]
            has_slot_Bk = torch.arange(total_Bk.shape[1], device=total_Bk.device) < free_BG[:, group, None]
            has_slot_Bk &= total_Bk > -math.inf
            counts_BV.scatter_add_(1, token_Bk, has_slot_Bk.to(counts_BV.dtype))
            chosen.append((chosen_Bk // total_BKV.shape[2] + group * total_BkV.shape[1], token_Bk, total_Bk))
        origin_BK, token_BK, total_BK = (torch.cat(each, dim=1) for each in zip(*chosen, strict=True))
        log_probability_BK = total_BK - beams.total_BK.gather(1, origin_BK)
        return Choice(origin_BK, token_BK, log_probability_BK, total_BK)
