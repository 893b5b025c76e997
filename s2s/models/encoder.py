"""The encoder: reads a sentence into a state for each position.

B sentences, S source positions, E embedding units, H units of an encoder state (both directions together).
"""

import torch
from torch import Tensor, nn

from s2s.config.model import Cell, ModelConfig
from s2s.models.dropout import Dropout
from s2s.models.fused import recurrent_layer, run_layer


def reversal(lengths_B: Tensor, num_positions: int) -> Tensor:
    """Positions (B, S) that read each sentence backwards and leave its padding at the end; its own inverse."""
    position_S = torch.arange(num_positions, device=lengths_B.device)
    backwards_BS = lengths_B[:, None] - 1 - position_S
    return torch.where(backwards_BS >= 0, backwards_BS, position_S)


def reorder(states_BSH: Tensor, position_BS: Tensor) -> Tensor:
    """States taken from other positions of the same sentence."""
    return states_BSH.gather(1, position_BS[:, :, None].expand_as(states_BSH))


def last_states(states_BSH: Tensor, lengths_B: Tensor, *, is_bidirectional: bool) -> Tensor:
    """The state (B, H) at each sentence's last token; of both directions, the backward half of it at the first."""
    sentence_B = torch.arange(len(lengths_B), device=lengths_B.device)
    last_BH = states_BSH[sentence_B, lengths_B - 1]
    if not is_bidirectional:
        return last_BH
    size = states_BSH.shape[2] // 2
    return torch.cat([last_BH[:, :size], states_BSH[:, 0, size:]], dim=-1)


class EncoderLayer(nn.Module):
    """One recurrent layer, in one direction or both.

    Padding comes last in what either direction reads (the backward one reads the sentence reversed within its own
    length), so no real state ever sees it: exact without packed sequences, whose step loop is slower.
    """

    def __init__(self, cell: Cell, input_size: int, hidden_size: int, *, is_bidirectional: bool) -> None:
        super().__init__()
        assert not (is_bidirectional and hidden_size % 2), f"{hidden_size} units cannot be shared by two directions"
        size = hidden_size // 2 if is_bidirectional else hidden_size
        self.forwards = recurrent_layer(cell, input_size, size)
        self.backwards = recurrent_layer(cell, input_size, size) if is_bidirectional else None

    def forward(self, inputs_BSE: Tensor, lengths_B: Tensor) -> Tensor:
        """The states (B, S, H) of sentences padded at the end."""
        states_BSH, _ = run_layer(self.forwards, inputs_BSE)
        if self.backwards is None:
            return states_BSH
        position_BS = reversal(lengths_B, inputs_BSE.shape[1])
        reversed_BSH, _ = run_layer(self.backwards, reorder(inputs_BSE, position_BS))
        return torch.cat([states_BSH, reorder(reversed_BSH, position_BS)], dim=-1)


class Encoder(nn.Module):
    """Embeddings and recurrent layers, with dropout of embeddings and of every layer's outputs.

    What initialises the decoder is the hidden state alone: a fused call over padded sentences does not return the cell
    state of an LSTM at the last token.
    """

    def __init__(
        self,
        embedding: nn.Embedding,
        cell: Cell,
        hidden_size: int,
        *,
        layers: int = 1,
        is_bidirectional: bool = True,
        is_residual: bool = False,
        embedding_dropout: float = 0.0,
        layer_dropout: float = 0.0,
        is_locked: bool = False,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.is_bidirectional, self.is_residual = is_bidirectional, is_residual
        sizes = [embedding.embedding_dim] + [hidden_size] * (layers - 1)
        self.layers = nn.ModuleList(
            EncoderLayer(cell, size, hidden_size, is_bidirectional=is_bidirectional) for size in sizes
        )
        self.embedding_dropout = Dropout(embedding_dropout, is_locked=is_locked)
        self.layer_dropout = Dropout(layer_dropout, is_locked=is_locked)

    def forward(self, source_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Encode sentences padded at the end.

        Args:
            source_BS: ids.
            lengths_B: real positions of each sentence, at least 1.

        Returns:
            The states of the last layer (B, S, H), meaningless at padding, and each layer's last state (B, H), as the
            layer gave it: without dropout and without what a residual connection adds.
        """
        states = self.embedding_dropout(self.embedding(source_BS))
        last = []
        for index, layer in enumerate(self.layers):
            outputs_BSH = layer(states, lengths_B)
            last.append(last_states(outputs_BSH, lengths_B, is_bidirectional=self.is_bidirectional))
            outputs_BSH = self.layer_dropout(outputs_BSH)
            states = states + outputs_BSH if self.is_residual and index > 0 else outputs_BSH
        return states, last


def build_encoder(config: ModelConfig, embedding: nn.Embedding) -> Encoder:
    """An encoder with new random weights, drawn from torch's global generator."""
    embedding_dropout, layer_dropout, _ = config.dropout_rates
    return Encoder(
        embedding,
        config.cell,
        config.hidden_size,
        layers=config.layers,
        is_bidirectional=config.bidirectional,
        is_residual=config.residual,
        embedding_dropout=embedding_dropout,
        layer_dropout=layer_dropout,
        is_locked=config.locked_dropout,
    )
