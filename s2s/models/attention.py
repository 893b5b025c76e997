"""The six steps of attention: how a decoder state looks at every encoder state.

B sentences, T target positions (all of a sentence at once, one step, or the K beams of one step), S source positions,
H units of a decoder or encoder state, A units of a key, I inputs of step 6 (2 H, or H without
attention), O units of an attentional state, N selected rows.

A new score function is a member of `AttentionScore` (s2s/config/model.py) and, here, a subclass of `Attention` and its
line in `ATTENTIONS`.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from s2s.config.model import AttentionScore


@dataclass(frozen=True)
class Memory:
    """The encoder states of each sentence, ready to be looked at.

    Attributes:
        states_BSH: encoder states.
        keys_BSA: what decoder states are compared with; computed from `states_BSH` once a sentence.
        is_token_BS: True at real source tokens, False at padding; every row holds at least one True.
    """

    states_BSH: Tensor
    keys_BSA: Tensor
    is_token_BS: Tensor

    def select(self, rows_N: Tensor) -> "Memory":
        """The memory of some of the sentences."""
        states_BSH = self.states_BSH[rows_N]
        keys_BSA = states_BSH if self.keys_BSA is self.states_BSH else self.keys_BSA[rows_N]
        return Memory(states_BSH, keys_BSA, self.is_token_BS[rows_N])


class Attention(nn.Module):
    """The six steps; each subclass brings its own score function, which may be scaled by 1 / sqrt(H)."""

    formula: ClassVar[str]
    """The score in words: q is the decoder state, h an encoder state."""
    num_combined: ClassVar[int] = 2
    """States that step 6 combines: the context vector and the decoder state."""

    def __init__(self, hidden_size: int, attentional_size: int, *, is_scaled: bool = False) -> None:
        super().__init__()
        self.scale = 1 / math.sqrt(hidden_size) if is_scaled else 1.0
        self.key: nn.Linear | None = None
        self.add_score_layers(hidden_size)
        self.combine = nn.Linear(self.num_combined * hidden_size, attentional_size, bias=False)

    def add_score_layers(self, hidden_size: int) -> None:
        """Add the layers of the score function: `key` for encoder states, `query` for decoder states, or any other."""

    def compare(self, query_BTH: Tensor, keys_BSA: Tensor) -> Tensor:
        """The score (B, T, S) of each key for each decoder state, before scaling."""
        raise NotImplementedError

    def build_memory(self, states_BSH: Tensor, is_token_BS: Tensor) -> Memory:
        """Prepare encoder states to be looked at any number of times."""
        return Memory(states_BSH, states_BSH if self.key is None else self.key(states_BSH), is_token_BS)

    def forward(self, query_BTH: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Take the six steps, for one target position or for all at once.

        Args:
            query_BTH: decoder states.
            memory: encoder states of the same sentences.

        Returns:
            The attentional states (B, T, O), each in (-1, 1), and the weights (B, T, S), which sum to 1 over S and are
            exactly 0 at padding; without attention all weights are 0.
        """
        combined_BTI, weights_BTS = self.attend(query_BTH, memory)
        # 6. The context vector and the decoder state together decide the output word (Luong et al. 2015, eq. 5).
        return torch.tanh(self.combine(combined_BTI)), weights_BTS

    def attend(self, query_BTH: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Take the first five steps.

        Returns:
            The context vectors with the decoder states (B, T, 2 H), and the weights (B, T, S).
        """
        # 1. Take the decoder's hidden state (query_BTH) and the encoder's S hidden states (memory.states_BSH).
        # 2. Score each encoder state by its dot product with the decoder state, or by another function of the two.
        scores_BTS = self.scores(query_BTH, memory)
        # 3. Turn the scores into weights by a softmax over the source; padding gets exactly 0.
        scores_BTS = scores_BTS.masked_fill(~memory.is_token_BS[:, None, :], -math.inf)
        weights_BTS = torch.softmax(scores_BTS, dim=-1)
        # 4. Multiply each encoder state by its weight, and
        # 5. add them up: the context vector (both steps are one matrix product).
        context_BTH = torch.bmm(weights_BTS, memory.states_BSH)
        return torch.cat([context_BTH, query_BTH], dim=-1), weights_BTS

    def scores(self, query_BTH: Tensor, memory: Memory) -> Tensor:
        """Take the second step alone: the scores (B, T, S), those of padding not yet left out."""
        return self.compare(query_BTH, memory.keys_BSA) * self.scale


class DotAttention(Attention):
    """q . h (Luong et al. 2015, eq. 8, "dot"); scaled by 1 / sqrt(H) it is eq. 1 of Vaswani et al. 2017."""

    formula = "its dot product with q"

    def compare(self, query_BTH: Tensor, keys_BSA: Tensor) -> Tensor:
        """The dot product of decoder state and key."""
        return torch.bmm(query_BTH, keys_BSA.transpose(1, 2))


class GeneralAttention(DotAttention):
    """q . W h (Luong et al. 2015, eq. 8, "general")."""

    formula = "the dot product of W h with q (W: learnt)"

    def add_score_layers(self, hidden_size: int) -> None:
        """Add W."""
        self.key = nn.Linear(hidden_size, hidden_size, bias=False)


class AdditiveAttention(Attention):
    """v . tanh(W q + b + U h) (Bahdanau et al. 2015, appendix A.1.2)."""

    formula = "v . tanh(W q + b + U h) (W, b, U and v: learnt)"

    def add_score_layers(self, hidden_size: int) -> None:
        """Add U, W with b, and v."""
        self.key = nn.Linear(hidden_size, hidden_size, bias=False)
        self.query = nn.Linear(hidden_size, hidden_size)
        self.energy = nn.Linear(hidden_size, 1, bias=False)

    def compare(self, query_BTH: Tensor, keys_BSA: Tensor) -> Tensor:
        """A layer of A = H units over decoder state and key."""
        query_BT1A = self.query(query_BTH)[:, :, None, :]
        energy_BTS1: Tensor = self.energy(torch.tanh(query_BT1A + keys_BSA[:, None, :, :]))
        return energy_BTS1.squeeze(-1)


class NoAttention(Attention):
    """The plain encoder-decoder, for comparison: the decoder state decides alone."""

    num_combined = 1

    def attend(self, query_BTH: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Look at nothing: the decoder states as they are (B, T, H), and weights of 0 (B, T, S)."""
        return query_BTH, query_BTH.new_zeros(*query_BTH.shape[:2], memory.is_token_BS.shape[1])


ATTENTIONS: dict[AttentionScore, type[Attention]] = {
    AttentionScore.dot: DotAttention,
    AttentionScore.general: GeneralAttention,
    AttentionScore.additive: AdditiveAttention,
    AttentionScore.none: NoAttention,
}
