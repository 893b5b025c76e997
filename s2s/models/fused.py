"""TODO: say what s2s.models.fused is."""

from collections.abc import Callable

from torch import Tensor, nn

from s2s.config.model import Cell
from s2s.models.cells import State

FUSED: dict[Cell, Callable[..., nn.RNNBase]] = {Cell.rnn: nn.RNN, Cell.lstm: nn.LSTM, Cell.gru: nn.GRU}


def fused_layer(cell: Cell, input_size: int, hidden_size: int) -> nn.RNNBase:
    """One recurrent layer over whole sequences, batch first, computed by torch (and cuDNN or oneDNN) in one call.

    Recurrent matrices start orthogonal and the LSTM's forget bias at 1, so that gradients pass at first (Jozefowicz et
    al. 2015, section 2.2); the two biases of a gate only ever act as their sum, so one of them starts at 0.
    """
    layer = FUSED[cell](input_size, hidden_size, batch_first=True)
    weights = dict(layer.named_parameters())
    nn.init.xavier_uniform_(weights["weight_ih_l0"])
    for block in weights["weight_hh_l0"].data.split(hidden_size):
        nn.init.orthogonal_(block)
    nn.init.zeros_(weights["bias_ih_l0"])
    nn.init.zeros_(weights["bias_hh_l0"])
    if cell is Cell.lstm:
        weights["bias_ih_l0"].data[hidden_size : 2 * hidden_size] = 1
    return layer


def run_fused(layer: nn.RNNBase, inputs_BSI: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """Call a fused layer with a state of our form (each tensor (B, H)), or from zeros.

    Returns:
        The hidden states of all positions (B, S, H), and the state after the last one.
    """
    start = None if state is None else tuple(tensor[None] for tensor in state)
    if isinstance(layer, nn.LSTM):
        outputs_BSH, end = layer(inputs_BSI, start)
        return outputs_BSH, tuple(tensor[0] for tensor in end)
    outputs_BSH, hidden_1BH = layer(inputs_BSI, None if start is None else start[0])
    return outputs_BSH, (hidden_1BH[0],)
