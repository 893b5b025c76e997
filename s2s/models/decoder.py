"""The decoder: says the target word by word, looking at the encoder's memory.

B sentences, T target positions, K beams of a sentence, E embedding units, H units of a state, O units of an
attentional state (what the output layer turns into words), L layers.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from s2s.config import Cell
from s2s.models.attention import Attention, Memory
from s2s.models.cells import State, fused_layer, num_states, run_fused


@dataclass(frozen=True)
class DecoderState:
    """All that a decoder knows between two words, for N rows (a row is a sentence, or a beam of one).

    Attributes:
        layers: the recurrent state of each layer, every tensor (N, H).
        attentional_NO: the last attentional state, which input feeding feeds back; None without input feeding.
    """

    layers: tuple[State, ...]
    attentional_NO: Tensor | None

    def select(self, rows_M: Tensor) -> "DecoderState":
        """The state of some rows, in any order, with repetitions."""
        layers = tuple(tuple(tensor.index_select(0, rows_M) for tensor in state) for state in self.layers)
        fed = self.attentional_NO
        return DecoderState(layers, None if fed is None else fed.index_select(0, rows_M))


class Decoder(nn.Module):
    """Embeddings, recurrent layers and attention.

    Without input feeding the states of a whole target sentence come from one fused call a layer, and attention looks
    at the source from all positions at once. With it (Luong et al. 2015, section 3.3) each step needs the last one.
    """

    def __init__(
        self,
        embedding: nn.Embedding,
        cell: Cell,
        hidden_size: int,
        attention: Attention,
        *,
        layers: int = 1,
        is_residual: bool = False,
        is_input_feeding: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.attention = attention
        self.is_residual = is_residual
        self.is_input_feeding = is_input_feeding
        first_size = embedding.embedding_dim + (attention.combine.out_features if is_input_feeding else 0)
        sizes = [first_size] + [hidden_size] * (layers - 1)
        self.layers = nn.ModuleList(fused_layer(cell, size, hidden_size) for size in sizes)
        self.num_states = num_states(cell)
        self.bridges = nn.ModuleList(nn.Linear(hidden_size, self.num_states * hidden_size) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)

    def start(self, last: list[Tensor]) -> DecoderState:
        """The state before the first word: a tanh layer over each encoder layer's last state (B, H)."""
        layers = tuple(
            tuple(torch.tanh(bridge(last_BH)).chunk(self.num_states, dim=-1))
            for bridge, last_BH in zip(self.bridges, last, strict=True)
        )
        fed = last[0].new_zeros(len(last[0]), self.attention.combine.out_features) if self.is_input_feeding else None
        return DecoderState(layers, fed)

    def forward(self, target_BT: Tensor, state: DecoderState, memory: Memory) -> tuple[Tensor, Tensor]:
        """All positions of known target sentences.

        Args:
            target_BT: ids that begin with `<s>`.
            state: from `start`.
            memory: of the same sentences.

        Returns:
            The attentional states (B, T, O) and the attention weights (B, T, S).
        """
        if self.is_input_feeding:
            return self._forward_step_by_step(target_BT, state, memory)
        embedded_BTE = self.dropout(self.embedding(target_BT))
        states_BTH, _ = self._recur(embedded_BTE, state.layers)
        attentional_BTO, weights_BTS = self.attention(states_BTH, memory)
        return self.dropout(attentional_BTO), weights_BTS

    def step(self, token_BK: Tensor, state: DecoderState, memory: Memory) -> tuple[Tensor, Tensor, DecoderState]:
        """One word further in each of K beams of B sentences; rows of `state` are sentence-major (row b * K + k).

        The beams of a sentence look at its one memory as if they were K target positions: nothing is copied.

        Returns:
            The attentional states (B, K, O), the attention weights (B, K, S), and the state after this word.
        """
        inputs_N1E = self.dropout(self.embedding(token_BK.reshape(-1, 1)))
        if state.attentional_NO is not None:
            inputs_N1E = torch.cat([inputs_N1E, state.attentional_NO[:, None].to(inputs_N1E.dtype)], dim=-1)
        states_N1H, layers = self._recur(inputs_N1E, state.layers)
        attentional_BKO, weights_BKS = self.attention(states_N1H.reshape(*token_BK.shape, -1), memory)
        attentional_BKO = self.dropout(attentional_BKO)
        fed = attentional_BKO.flatten(0, 1) if self.is_input_feeding else None
        return attentional_BKO, weights_BKS, DecoderState(layers, fed)

    def _forward_step_by_step(self, target_BT: Tensor, state: DecoderState, memory: Memory) -> tuple[Tensor, Tensor]:
        attentional, weights = [], []
        for token_B1 in target_BT.split(1, dim=1):
            attentional_B1O, weights_B1S, state = self.step(token_B1, state, memory)
            attentional.append(attentional_B1O)
            weights.append(weights_B1S)
        return torch.cat(attentional, dim=1), torch.cat(weights, dim=1)

    def _recur(self, inputs_NTE: Tensor, before: tuple[State, ...]) -> tuple[Tensor, tuple[State, ...]]:
        """Through all recurrent layers: the states of the last one (N, T, H), and every layer's end state."""
        states, after = inputs_NTE, []
        for index, (layer, start) in enumerate(zip(self.layers, before, strict=True)):
            assert isinstance(layer, nn.RNNBase)
            outputs_NTH, end = run_fused(layer, states, start)
            if index + 1 < len(self.layers):
                outputs_NTH = self.dropout(outputs_NTH)
            states = states + outputs_NTH if self.is_residual and index > 0 else outputs_NTH
            after.append(end)
        return states, tuple(after)
