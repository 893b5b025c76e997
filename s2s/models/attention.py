"""The six steps of attention: how a decoder state looks at every encoder state.

B sentences, T target positions (all of a sentence at once, one step, or the K beams of one step), S source positions,
H units of a decoder or encoder state, A units of a comparison, O units of an attentional state.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from s2s.config.model import AttentionScore


@dataclass(frozen=True)
class Memory:
    """What the encoder remembers of each sentence.

    Attributes:
        states_BSH: encoder states.
        keys_BSA: what decoder states are compared with; computed from `states_BSH` once a sentence.
        is_token_BS: True at real source tokens, False at padding; every row holds at least one True.
    """

    states_BSH: Tensor
    keys_BSA: Tensor
    is_token_BS: Tensor

    def select(self, rows_N: Tensor) -> "Memory":
        """The memory of some sentences."""
        states_BSH = self.states_BSH[rows_N]
        keys_BSA = states_BSH if self.keys_BSA is self.states_BSH else self.keys_BSA[rows_N]
        return Memory(states_BSH, keys_BSA, self.is_token_BS[rows_N])


class Attention(nn.Module):
    """Mix what the decoder asks for with what the encoder remembers.

    Scores are "dot", "general" (Luong et al. 2015, eq. 8) or "additive" (Bahdanau et al. 2015, appendix A.1.2); dot
    products may be scaled by 1 / sqrt(H) (Vaswani et al. 2017, eq. 1). With `AttentionScore.none` there is no memory to
    look at and the decoder state decides alone: the plain encoder-decoder, for comparison.
    """

    def __init__(
        self, hidden_size: int, attentional_size: int, score: AttentionScore, *, is_scaled: bool = False
    ) -> None:
        super().__init__()
        assert not is_scaled or score is AttentionScore.dot, f"only dot products are scaled, not {score}"
        self.score = score
        self.scale = 1 / math.sqrt(hidden_size) if is_scaled else 1.0
        if score is AttentionScore.general:
            self.key = nn.Linear(hidden_size, hidden_size, bias=False)
        if score is AttentionScore.additive:
            self.key = nn.Linear(hidden_size, hidden_size, bias=False)
            self.query = nn.Linear(hidden_size, hidden_size)
            self.energy = nn.Linear(hidden_size, 1, bias=False)
        num_inputs = hidden_size if score is AttentionScore.none else 2 * hidden_size
        self.combine = nn.Linear(num_inputs, attentional_size, bias=False)

    def remember(self, states_BSH: Tensor, is_token_BS: Tensor) -> Memory:
        """Prepare encoder states to be looked at any number of times."""
        keys_BSA = (
            self.key(states_BSH) if self.score in (AttentionScore.general, AttentionScore.additive) else states_BSH
        )
        return Memory(states_BSH, keys_BSA, is_token_BS)

    def forward(self, query_BTH: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Take the six steps, for one target position or for all at once.

        Args:
            query_BTH: decoder states.
            memory: encoder states of the same sentences.

        Returns:
            The attentional states (B, T, O), each in (-1, 1), and the weights (B, T, S), which sum to 1 over S and are
            exactly 0 at padding; without attention all weights are 0.
        """
        mixed_BTI, weights_BTS = self.mix(query_BTH, memory)
        # 6. The context vector and the decoder state together decide the output word (Luong et al. 2015, eq. 5).
        return torch.tanh(self.combine(mixed_BTI)), weights_BTS

    def mix(self, query_BTH: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Take the first five steps.

        Returns:
            The context vectors with the decoder states (B, T, 2 H), and the weights (B, T, S); without attention the
            decoder states alone (B, T, H), and weights of 0.
        """
        if self.score is AttentionScore.none:
            return query_BTH, query_BTH.new_zeros(*query_BTH.shape[:2], memory.is_token_BS.shape[1])
        # 1. Take the decoder's hidden state (query_BTH) and the encoder's S hidden states (memory.states_BSH).
        # 2. Score each encoder state by its dot product with the decoder state.
        scores_BTS = self.scores(query_BTH, memory)
        # 3. Turn the scores into weights by a softmax over the source; padding gets exactly 0.
        scores_BTS = scores_BTS.masked_fill(~memory.is_token_BS[:, None, :], -math.inf)
        weights_BTS = torch.softmax(scores_BTS, dim=-1)
        # 4. Multiply each encoder state by its weight, and
        # 5. add them up: the context vector (both steps are one matrix product).
        context_BTH = torch.bmm(weights_BTS.to(memory.states_BSH.dtype), memory.states_BSH)
        return torch.cat([context_BTH, query_BTH], dim=-1), weights_BTS

    def scores(self, query_BTH: Tensor, memory: Memory) -> Tensor:
        """Take the second step alone: the scores (B, T, S), those of padding not yet left out."""
        if self.score is AttentionScore.additive:
            query_BT1A = self.query(query_BTH)[:, :, None, :]
            return self.energy(torch.tanh(query_BT1A + memory.keys_BSA[:, None, :, :])).squeeze(-1)  # type: ignore[no-any-return]
        return torch.bmm(query_BTH, memory.keys_BSA.transpose(1, 2)) * self.scale
