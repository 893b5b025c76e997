"""Recurrent layers as models are made of: torch's fused ones, which compute a whole sequence in one call.

A cell of which torch has no fused layer is stepped through instead, position by position: right, but slow to train.

B sentences, S positions, I input units, H hidden units.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from s2s.config.model import Cell
from s2s.models.cells import CELLS, RecurrentCell, State

FUSED: dict[Cell, Callable[..., nn.RNNBase]] = {Cell.rnn: nn.RNN, Cell.lstm: nn.LSTM, Cell.gru: nn.GRU}
Layer = nn.RNNBase | RecurrentCell


def uniform_layer(cell: Cell, input_size: int, hidden_size: int) -> Layer:
    """One recurrent layer, with all weights uniform between -1 / sqrt(H) and 1 / sqrt(H), as torch does it."""
    if cell in FUSED:
        return FUSED[cell](input_size, hidden_size, batch_first=True)
    return CELLS[cell](input_size, hidden_size)


def recurrent_layer(cell: Cell, input_size: int, hidden_size: int) -> Layer:
    """One recurrent layer.

    Recurrent matrices start orthogonal and the LSTM's forget bias at 1, so that gradients pass at first (Jozefowicz et
    al. 2015, section 2.2); the two biases of a gate only ever act as their sum, so one of them starts at 0.
    """
    layer = uniform_layer(cell, input_size, hidden_size)
    weights = weights_of(layer)
    nn.init.xavier_uniform_(weights["weight_ih"])
    for block in weights["weight_hh"].data.split(hidden_size):
        nn.init.orthogonal_(block)
    nn.init.zeros_(weights["bias_ih"])
    nn.init.zeros_(weights["bias_hh"])
    if cell is Cell.lstm:
        weights["bias_ih"].data[hidden_size : 2 * hidden_size] = 1
    return layer


def weights_of(layer: Layer) -> dict[str, nn.Parameter]:
    """The parameters of a layer by the names that they have in a `RecurrentCell`."""
    return {name.removesuffix("_l0"): weight for name, weight in layer.named_parameters()}


def unfused(cell: Cell, layer: Layer) -> RecurrentCell:
    """The cell of a layer, gate by gate, with a copy of its weights."""
    weights = weights_of(layer)
    copy = CELLS[cell](layer.input_size, layer.hidden_size).to(weights["weight_ih"])
    copy.load_state_dict(weights)
    return copy


def run_layer(layer: Layer, inputs_BSI: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """Run a layer over all positions from a state (each tensor (B, H)), or from zeros.

    Returns:
        The hidden states of all positions (B, S, H), and the state after the last one.
    """
    if isinstance(layer, RecurrentCell):
        return layer(inputs_BSI, state)  # type: ignore[no-any-return]
    if inputs_BSI.device.type == "cuda" and torch.is_autocast_enabled("cuda"):
        # Under autocast cuDNN computes in fp16, whatever the type of the block: small gradients would become 0. In fp32
        # its products run on tensor cores too (TF32).
        with torch.autocast("cuda", enabled=False):
            return run_layer(layer, inputs_BSI.float(), None if state is None else tuple(map(Tensor.float, state)))
    start = None if state is None else tuple(tensor[None] for tensor in state)
    if isinstance(layer, nn.LSTM):
        outputs_BSH, end = layer(inputs_BSI, start)
        return outputs_BSH, tuple(tensor[0] for tensor in end)
    outputs_BSH, hidden_1BH = layer(inputs_BSI, None if start is None else start[0])
    return outputs_BSH, (hidden_1BH[0],)
