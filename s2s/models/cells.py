"""The three recurrent cells: written out gate by gate for reading, and torch's fused layers for speed.

B sentences, S positions, I input units, H hidden units. The weights of all gates stand in one matrix, one block of H
rows a gate, in torch's order, so that a fused layer's weights can be read by the cells here.

The plain RNN feeds its output back in. Each step multiplies the gradient by the recurrent weights and by the
derivative of tanh, so over many steps it vanishes or explodes. The LSTM adds a cell state that a step only scales (by
the forget gate) and adds to: the gradient passes along it. The GRU merges the gates and drops the cell state.
"""

import torch
from torch import Tensor, nn

from s2s.config.model import Cell

State = tuple[Tensor, ...]
"""(hidden,) for RNN and GRU, (hidden, cell) for the LSTM; the hidden state always comes first."""
NUM_GATES = {Cell.rnn: 1, Cell.lstm: 4, Cell.gru: 3}


def num_states(cell: Cell) -> int:
    """Tensors in a state: hidden, and for the LSTM the cell state too."""
    return 2 if cell is Cell.lstm else 1


class WrittenCell(nn.Module):
    """What the three written-out cells share: weights in torch's layout, and a loop over the positions."""

    kind: Cell

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        rows = NUM_GATES[self.kind] * hidden_size
        bound = hidden_size**-0.5
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(rows).uniform_(-bound, bound))
        self.bias_hh = nn.Parameter(torch.empty(rows).uniform_(-bound, bound))

    @classmethod
    def from_fused(cls, layer: nn.RNNBase) -> "WrittenCell":
        """The same cell with the weights of a one-layer fused layer."""
        weights = {name.removesuffix("_l0"): weight for name, weight in layer.named_parameters()}
        cell = cls(layer.input_size, layer.hidden_size).to(weights["weight_ih"])
        cell.load_state_dict(weights)
        return cell

    def step(self, input_BI: Tensor, state: State) -> State:
        """One position: the state before it gives the state after it."""
        raise NotImplementedError

    def forward(self, inputs_BSI: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """All positions, one after the other; returns what `run_fused` returns."""
        if state is None:
            zeros_BH = inputs_BSI.new_zeros(len(inputs_BSI), self.hidden_size)
            state = (zeros_BH,) * num_states(self.kind)
        hidden = []
        for input_BI in inputs_BSI.unbind(1):
            state = self.step(input_BI, state)
            hidden.append(state[0])
        return torch.stack(hidden, dim=1), state

    def _from_input(self, input_BI: Tensor) -> tuple[Tensor, ...]:
        """W x + b, a (B, H) tensor a gate."""
        return torch.split(nn.functional.linear(input_BI, self.weight_ih, self.bias_ih), self.hidden_size, dim=1)

    def _from_hidden(self, hidden_BH: Tensor) -> tuple[Tensor, ...]:
        """U h + b, a (B, H) tensor a gate."""
        return torch.split(nn.functional.linear(hidden_BH, self.weight_hh, self.bias_hh), self.hidden_size, dim=1)


class RNNCell(WrittenCell):
    """h' = tanh(W x + U h + b) (Elman 1990)."""

    kind = Cell.rnn

    def step(self, input_BI: Tensor, state: State) -> State:
        """Feed the hidden state back in."""
        (from_input,), (from_hidden,) = self._from_input(input_BI), self._from_hidden(state[0])
        return (torch.tanh(from_input + from_hidden),)


class LSTMCell(WrittenCell):
    """Three gates around a cell state (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000)."""

    kind = Cell.lstm

    def gates(self, input_BI: Tensor, hidden_BH: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The input gate, forget gate and output gate, each in (0, 1), and the candidate in (-1, 1)."""
        sums = [x + h for x, h in zip(self._from_input(input_BI), self._from_hidden(hidden_BH), strict=True)]
        return torch.sigmoid(sums[0]), torch.sigmoid(sums[1]), torch.sigmoid(sums[3]), torch.tanh(sums[2])

    def step(self, input_BI: Tensor, state: State) -> State:
        """Forget a part of the cell state, add a part of the candidate, show a part of the result."""
        hidden_BH, cell_BH = state
        input_gate, forget_gate, output_gate, candidate = self.gates(input_BI, hidden_BH)
        cell_BH = forget_gate * cell_BH + input_gate * candidate
        return output_gate * torch.tanh(cell_BH), cell_BH


def gru_gates(from_input: tuple[Tensor, ...], from_hidden: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """The reset gate and update gate, each in (0, 1), and the candidate in (-1, 1), all (B, H)."""
    reset_gate = torch.sigmoid(from_input[0] + from_hidden[0])
    update_gate = torch.sigmoid(from_input[1] + from_hidden[1])
    return reset_gate, update_gate, torch.tanh(from_input[2] + reset_gate * from_hidden[2])


class GRUCell(WrittenCell):
    """Two gates and no cell state (Cho et al. 2014), the reset applied after the product with U, as cuDNN does."""

    kind = Cell.gru

    def gates(self, input_BI: Tensor, hidden_BH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The reset gate and update gate, each in (0, 1), and the candidate in (-1, 1)."""
        return gru_gates(self._from_input(input_BI), self._from_hidden(hidden_BH))

    def step(self, input_BI: Tensor, state: State) -> State:
        """Keep a share of the old state (the update gate) and take the rest from the candidate."""
        (hidden_BH,) = state
        _, update_gate, candidate = self.gates(input_BI, hidden_BH)
        return (update_gate * hidden_BH + (1 - update_gate) * candidate,)


WRITTEN: dict[Cell, type[WrittenCell]] = {Cell.rnn: RNNCell, Cell.lstm: LSTMCell, Cell.gru: GRUCell}
