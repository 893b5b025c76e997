"""The decoder: produces the target token by token, attending to the encoder states.

B sentences, T target positions, K beams of a sentence, E embedding units, H units of a state, O units of an
attentional state (from which the output layer predicts tokens), L layers, S source positions, N rows of a state
(sentences, or beams), M selected rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from s2s.config.model import Cell
from s2s.models.attention import Attention, Memory
from s2s.models.cells import CELLS, State
from s2s.models.dropout import Dropout
from s2s.models.fused import Layer, recurrent_layer, run_layer
from s2s.models.step_by_step import StepByStep


@dataclass(frozen=True)
class DecoderState:
    """All that a decoder knows between two tokens, for N rows (a row is a sentence, or a beam of one).

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
    """Embeddings, recurrent layers and attention, with dropout of embeddings, between layers, and after attention.

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
        embedding_dropout: float = 0.0,
        layer_dropout: float = 0.0,
        output_dropout: float = 0.0,
        is_locked: bool = False,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.attention = attention
        self.hidden_size = hidden_size
        self.is_residual = is_residual
        self.is_input_feeding = is_input_feeding
        first_size = embedding.embedding_dim + (attention.combine.out_features if is_input_feeding else 0)
        sizes = [first_size] + [hidden_size] * (layers - 1)
        self.layers = nn.ModuleList(recurrent_layer(cell, size, hidden_size) for size in sizes)
        self.cell = cell
        self.num_states = CELLS[cell].num_states
        self.bridges = nn.ModuleList(nn.Linear(hidden_size, self.num_states * hidden_size) for _ in range(layers))
        self.embedding_dropout = Dropout(embedding_dropout, is_locked=is_locked)
        self.layer_dropout = Dropout(layer_dropout, is_locked=is_locked)
        self.output_dropout = Dropout(output_dropout, is_locked=is_locked)

    def start(self, last: list[Tensor]) -> DecoderState:
        """The state before the first token: a tanh layer over each encoder layer's last state (B, H)."""
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
        embedded_BTE = self.embedding_dropout(self.embedding(target_BT))
        states_BTH, _ = self._recur(embedded_BTE, state.layers)
        attentional_BTO, weights_BTS = self.attention(states_BTH, memory)
        return self.output_dropout(attentional_BTO), weights_BTS

    def step(self, token_BK: Tensor, state: DecoderState, memory: Memory) -> tuple[Tensor, Tensor, DecoderState]:
        """One token further in each of K beams of B sentences; rows of `state` are sentence-major (row b * K + k).

        The beams of a sentence attend to its one memory as if they were K target positions: nothing is copied.

        Returns:
            The attentional states (B, K, O), the attention weights (B, K, S), and the state after this token.
        """
        inputs_N1E = self.embedding_dropout(self.embedding(token_BK.reshape(-1, 1)))
        if state.attentional_NO is not None:
            inputs_N1E = torch.cat([inputs_N1E, state.attentional_NO[:, None].to(inputs_N1E.dtype)], dim=-1)
        states_N1H, layers = self._recur(inputs_N1E, state.layers)
        attentional_BKO, weights_BKS = self.attention(states_N1H.reshape(*token_BK.shape, -1), memory)
        attentional_BKO = self.output_dropout(attentional_BKO)
        fed = attentional_BKO.flatten(0, 1) if self.is_input_feeding else None
        return attentional_BKO, weights_BKS, DecoderState(layers, fed)

    def _forward_step_by_step(self, target_BT: Tensor, state: DecoderState, memory: Memory) -> tuple[Tensor, Tensor]:
        """The first layer's input ends with the last attentional state, so each position needs the one before."""
        first = StepByStep(self.cell, self._layer(0), self.embedding_dropout(self.embedding(target_BT)))
        num, device = len(target_BT), target_BT.device  # locked dropout draws one mask for all positions of a sentence
        masks = [self.layer_dropout.sentence_mask(num, self.hidden_size, device) for _ in self.layers[:-1]]
        output_mask = self.output_dropout.sentence_mask(num, self.attention.combine.out_features, device)
        layers, fed_BO = state.layers, state.attentional_NO
        assert fed_BO is not None
        attentional, weights = [], []
        for position in range(target_BT.shape[1]):
            bottom = first.step(position, fed_BO, layers[0])
            bottom_B1H = self._between_layers(bottom[0][:, None], 0, masks)
            states_B1H, upper = self._recur(bottom_B1H, layers[1:], masks, first=1)
            layers = (bottom, *upper)
            attentional_B1O, weights_B1S = self.attention(states_B1H, memory)
            attentional.append(self.output_dropout(attentional_B1O, output_mask))
            weights.append(weights_B1S)
            fed_BO = attentional[-1][:, 0]
        return torch.cat(attentional, dim=1), torch.cat(weights, dim=1)

    def _recur(
        self, inputs_NTE: Tensor, before: tuple[State, ...], masks: Sequence[Tensor | None] = (), *, first: int = 0
    ) -> tuple[Tensor, tuple[State, ...]]:
        """Run the recurrent layers from number `first` on.

        Returns:
            The states of the last one (N, T, H), and the end state of each of them.
        """
        states, after = inputs_NTE, []
        for index, start in enumerate(before, start=first):
            outputs_NTH, end = run_layer(self._layer(index), states, start)
            outputs_NTH = self._between_layers(outputs_NTH, index, masks)
            states = states + outputs_NTH if self.is_residual and index > 0 else outputs_NTH
            after.append(end)
        return states, tuple(after)

    def _between_layers(self, states_NTH: Tensor, index: int, masks: Sequence[Tensor | None]) -> Tensor:
        """What layer `index` hands on to the next one, with dropout; the last layer's states stay."""
        is_last = index + 1 == len(self.layers)
        return states_NTH if is_last else self.layer_dropout(states_NTH, masks[index] if masks else None)

    def _layer(self, index: int) -> Layer:
        layer = self.layers[index]
        assert isinstance(layer, Layer)
        return layer
