"""The open hypotheses of a batch, and how one step of search changes them.

B sentences (those not yet done), K beams of a sentence in G groups of K / G neighbours, T words said so far, V words, S
source positions.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from s2s.data.subwords import BOS
from s2s.decoding.places import Places
from s2s.decoding.ranking import Ints
from s2s.decoding.rules import Rules


@dataclass(frozen=True)
class Choice:
    """How a step goes on: the hypotheses that are one word longer, in any number.

    Attributes:
        origin_BK: the beam that each one goes on from.
        word_BK: what it says.
        log_probability_BK: of that word.
        total_BK: log probability of all its words; -inf where there is none. In each group, those that come first are
            the first to get a place.
    """

    origin_BK: Tensor
    word_BK: Tensor
    log_probability_BK: Tensor
    total_BK: Tensor


@dataclass(frozen=True)
class Beams:
    """The open hypotheses of the sentences that are not done.

    Attributes:
        places: of the same sentences.
        length: words said so far.
        sentence_B: which sentence each row is.
        word_BK: the last word.
        total_BK: their log probability; -inf where the place is empty.
        words_BKT: all words so far, without `<s>`; None where no rule asks for them.
        looked_BKS: attention weights, summed over the words so far; None where they do not matter.
    """

    places: Places
    length: int
    sentence_B: Tensor
    word_BK: Tensor
    total_BK: Tensor
    words_BKT: Tensor | None
    looked_BKS: Tensor | None

    @classmethod
    def start(cls, places: Places, device: torch.device, *, has_words: bool) -> "Beams":
        """Before the first word: one beam a group, since all beams would say the same."""
        shape = places.free_BG.shape
        return cls(
            places,
            0,
            torch.arange(shape[0], device=device),
            torch.full(shape, BOS, device=device),
            torch.zeros(shape, device=device),
            torch.empty(*shape, 0, dtype=torch.long, device=device) if has_words else None,
            None,
        )

    def extend(self, choice: Choice, looked_BKS: Tensor | None) -> "Beams":
        """One word longer.

        Args:
            choice: the words.
            looked_BKS: where the beams looked to say them; None where it does not matter.
        """
        words_BKT = self.words_BKT
        if words_BKT is not None:
            words_BKT = torch.cat([_origins(words_BKT, choice.origin_BK), choice.word_BK[:, :, None]], dim=2)
        if looked_BKS is not None:
            looked_BKS = looked_BKS if self.looked_BKS is None else self.looked_BKS + looked_BKS
            looked_BKS = _origins(looked_BKS, choice.origin_BK)
        return Beams(
            self.places, self.length + 1, self.sentence_B, choice.word_BK, choice.total_BK, words_BKT, looked_BKS
        )

    def rows(self, rows_C: Ints) -> "Beams":
        """Some sentences only."""
        rows = torch.from_numpy(rows_C).to(self.total_BK.device)
        tensors: dict[str, Any] = {name: value[rows] for name, value in vars(self).items() if isinstance(value, Tensor)}
        return dataclasses.replace(self, places=self.places.rows(rows_C), **tensors)


def _origins(values_BKX: Tensor, origin_BK: Tensor) -> Tensor:
    """What the beams had that others go on from."""
    return values_BKX.gather(1, origin_BK[:, :, None].expand(-1, -1, values_BKX.shape[2]))


def allowed_words(scores_BKV: Tensor, beams: Beams, rules: Rules | None) -> Tensor:
    """Log probabilities of the next words; -inf for those that the rules forbid."""
    log_probabilities_BKV = scores_BKV - scores_BKV.logsumexp(-1, keepdim=True)
    if rules is not None:
        assert beams.words_BKT is not None, "rules need the words so far"
        rules.apply(log_probabilities_BKV, beams.words_BKT, beams.sentence_B)
    return log_probabilities_BKV
