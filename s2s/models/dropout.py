"""Dropout of units, with a fresh mask at every position or one for a whole sentence, and word dropout.

B sentences, T positions, E units.

Masks cost time on a CPU: torch draws a Bernoulli variable a unit, one after the other. Here a 64-bit random integer
gives the 16-bit numbers of four units, and a unit is dropped where its number is below a threshold. All numbers come
from torch's global generator, whose state is in the checkpoint, so that a resumed run drops what it would have dropped.
"""

import torch
from torch import Tensor, nn

from s2s.data.vocabulary.subwords import PAD, UNK

_LEVELS = 2**16


def dropout_mask(shape: torch.Size, rate: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Random factors: 0 for about a share `rate` of the units, and 1 / (share kept) for the others.

    On a CPU the share is `rate` rounded to a multiple of 2**-16.
    """
    if device.type != "cpu":
        return torch.empty(shape, dtype=dtype, device=device).bernoulli_(1 - rate).div_(1 - rate)
    num_dropped = round(rate * _LEVELS)
    number = torch.empty(-(-shape.numel() // 4), dtype=torch.int64).random_(-(2**63), None)  # None: up to 2**63 - 1
    level = number.view(torch.int16)[: shape.numel()].view(shape)
    # Written as 0.0 and 1.0 at once: a mask of bool would be converted in every product.
    mask = torch.ge(level, num_dropped - _LEVELS // 2, out=torch.empty(shape, dtype=dtype))
    return mask.mul_(_LEVELS / (_LEVELS - num_dropped))


class Dropout(nn.Module):
    """Sets a share of the units to 0 in training, and scales up the others to keep the mean (Srivastava et al. 2014).

    Locked, a sentence drops the same units at all of its positions (Gal and Ghahramani 2016, "variational").
    """

    def __init__(self, rate: float, *, is_locked: bool = False) -> None:
        super().__init__()
        self.rate = rate
        self.is_locked = is_locked

    def extra_repr(self) -> str:
        """What is in the brackets when a model is printed."""
        return f"{self.rate:g}, is_locked={self.is_locked}"

    def forward(self, states_BTE: Tensor, mask_B1E: Tensor | None = None) -> Tensor:
        """Drop units; evaluating, or with rate 0, nothing is dropped or drawn.

        Args:
            states_BTE: any states.
            mask_B1E: factors from `sentence_mask`, for a sentence whose positions come one after the other; left out,
                they are drawn here.
        """
        if mask_B1E is not None:
            return states_BTE * mask_B1E.to(states_BTE.dtype)
        if not self.training or self.rate == 0:
            return states_BTE
        if not self.is_locked and states_BTE.device.type != "cpu":
            return nn.functional.dropout(states_BTE, self.rate)
        num_sentences, num_positions, num_units = states_BTE.shape
        shape = torch.Size((num_sentences, 1 if self.is_locked else num_positions, num_units))
        return states_BTE * dropout_mask(shape, self.rate, states_BTE.dtype, states_BTE.device)

    def sentence_mask(self, num_sentences: int, num_units: int, device: torch.device) -> Tensor | None:
        """Factors (B, 1, E) for all positions of each sentence; None where every call draws its own."""
        if not self.is_locked or not self.training or self.rate == 0:
            return None
        return dropout_mask(torch.Size((num_sentences, 1, num_units)), self.rate, torch.float32, device)


def drop_tokens(ids_BT: Tensor, rate: float, *, spared: int) -> Tensor:
    """Word dropout: ids of which a share `rate` became UNK (Iyyer et al. 2015; in a decoder Bowman et al. 2016).

    Args:
        ids_BT: ids, padded with PAD, which stays.
        rate: from 0, which draws nothing, to below 1.
        spared: a special id that stays too.
    """
    if rate == 0:
        return ids_BT
    is_dropped_BT = torch.rand(ids_BT.shape, device=ids_BT.device) < rate
    return ids_BT.masked_fill(is_dropped_BT & (ids_BT != PAD) & (ids_BT != spared), UNK)
