"""The three recurrent cells, gate by gate.

B sentences, S positions, I input units, H hidden units, G = H units times the number of gates.

The plain RNN feeds its output back in. Each step multiplies the gradient by the recurrent weights and by the
derivative of tanh, so over many steps it vanishes or explodes. The LSTM adds a cell state that a step only scales (by
the forget gate) and adds to: the gradient passes along it. The GRU merges the gates and drops the cell state.

The weights of all gates are one matrix, a block of H rows a gate, in torch's order, so that the cells here can take the
weights of torch's fast layers (fused.py), with which models are trained.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from s2s.config.model import Cell

State = tuple[Tensor, ...]
"""(hidden,) for RNN and GRU, (hidden, cell) for the LSTM; the hidden state always comes first."""


class RecurrentCell(nn.Module):
    """What the three cells share: W and U with their biases, and a loop over the positions."""

    num_gates: ClassVar[int]
    """Blocks of the weights, a candidate among them."""
    num_states: ClassVar[int] = 1

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        rows = self.num_gates * hidden_size
        bound = hidden_size**-0.5
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(rows).uniform_(-bound, bound))
        self.bias_hh = nn.Parameter(torch.empty(rows).uniform_(-bound, bound))

    def products(self, input_BI: Tensor, hidden_BH: Tensor) -> tuple[Tensor, Tensor]:
        """W x + b and U h + b, each (B, G)."""
        return (
            nn.functional.linear(input_BI, self.weight_ih, self.bias_ih),
            nn.functional.linear(hidden_BH, self.weight_hh, self.bias_hh),
        )

    @staticmethod
    def next_state(from_input_BG: Tensor, from_hidden_BG: Tensor, state: State) -> State:
        """The state after a step, from its `products` and the state before it."""
        raise NotImplementedError

    def step(self, input_BI: Tensor, state: State) -> State:
        """One position: the state before it gives the state after it."""
        return self.next_state(*self.products(input_BI, state[0]), state)

    def states(self, inputs_BSI: Tensor, state: State | None = None) -> list[State]:
        """The state after each position, starting from `state`, or from zeros."""
        state = state or (inputs_BSI.new_zeros(len(inputs_BSI), self.hidden_size),) * self.num_states
        states = []
        for input_BI in inputs_BSI.unbind(1):
            state = self.step(input_BI, state)
            states.append(state)
        return states

    def forward(self, inputs_BSI: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """The hidden states of all positions (B, S, H), and the state after the last one."""
        states = self.states(inputs_BSI, state)
        return torch.stack([hidden_BH for hidden_BH, *_ in states], dim=1), states[-1]


class RNNCell(RecurrentCell):
    """h' = tanh(W x + U h + b) (Elman 1990)."""

    num_gates = 1

    @staticmethod
    def next_state(from_input_BG: Tensor, from_hidden_BG: Tensor, state: State) -> State:
        """Feed the hidden state back in."""
        return (torch.tanh(from_input_BG + from_hidden_BG),)


class LSTMCell(RecurrentCell):
    """Three gates around a cell state (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000)."""

    num_gates, num_states = 4, 2

    @staticmethod
    def gates(from_input_BG: Tensor, from_hidden_BG: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The input gate, forget gate and output gate, each in (0, 1), and the candidate in (-1, 1)."""
        sums = (from_input_BG + from_hidden_BG).chunk(4, dim=1)  # in torch's order
        input_BH, forget_BH, candidate_BH, output_BH = sums
        return torch.sigmoid(input_BH), torch.sigmoid(forget_BH), torch.sigmoid(output_BH), torch.tanh(candidate_BH)

    @staticmethod
    def next_state(from_input_BG: Tensor, from_hidden_BG: Tensor, state: State) -> State:
        """Forget a part of the cell state, add a part of the candidate, show a part of the result."""
        _, cell_BH = state
        input_gate, forget_gate, output_gate, candidate = LSTMCell.gates(from_input_BG, from_hidden_BG)
        cell_BH = forget_gate * cell_BH + input_gate * candidate
        return output_gate * torch.tanh(cell_BH), cell_BH


class GRUCell(RecurrentCell):
    """Two gates and no cell state (Cho et al. 2014), the reset applied after the product with U, as cuDNN does."""

    num_gates = 3

    @staticmethod
    def gates(from_input_BG: Tensor, from_hidden_BG: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The reset gate and update gate, each in (0, 1), and the candidate in (-1, 1)."""
        from_input, from_hidden = from_input_BG.chunk(3, dim=1), from_hidden_BG.chunk(3, dim=1)
        reset_gate = torch.sigmoid(from_input[0] + from_hidden[0])
        update_gate = torch.sigmoid(from_input[1] + from_hidden[1])
        return reset_gate, update_gate, torch.tanh(from_input[2] + reset_gate * from_hidden[2])

    @staticmethod
    def next_state(from_input_BG: Tensor, from_hidden_BG: Tensor, state: State) -> State:
        """Keep a share of the old state (the update gate) and take the rest from the candidate."""
        (hidden_BH,) = state
        _, update_gate, candidate = GRUCell.gates(from_input_BG, from_hidden_BG)
        # update_gate * hidden + (1 - update_gate) * candidate
        return (torch.lerp(candidate, hidden_BH, update_gate),)


CELLS: dict[Cell, type[RecurrentCell]] = {Cell.rnn: RNNCell, Cell.lstm: LSTMCell, Cell.gru: GRUCell}
