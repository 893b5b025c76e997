"""The three recurrent cells: written out gate by gate for reading, and torch's fused layers for speed.

B sentences, S positions, I input units, H hidden units. The weights of all gates stand in one matrix, one block of H
rows a gate, in torch's order, so that a fused layer's weights can be read by the cells here.

The plain RNN feeds its output back in. Each step multiplies the gradient by the recurrent weights and by the
derivative of tanh, so over many steps it vanishes or explodes. The LSTM adds a cell state that a step only scales (by
the forget gate) and adds to: the gradient passes along it. The GRU merges the gates and drops the cell state.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from s2s.config import Cell

State = tuple[Tensor, ...]
"""(hidden,) for RNN and GRU, (hidden, cell) for the LSTM; the hidden state always comes first."""

FUSED: dict[Cell, Callable[..., nn.RNNBase]] = {Cell.rnn: nn.RNN, Cell.lstm: nn.LSTM, Cell.gru: nn.GRU}
NUM_GATES = {Cell.rnn: 1, Cell.lstm: 4, Cell.gru: 3}


def num_states(cell: Cell) -> int:
    """Tensors in a state: hidden, and for the LSTM the cell state too."""
    return 2 if cell is Cell.lstm else 1


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


class _OneProduct(torch.autograd.Function):
    """Sums to which y_t = sums_t + x_t W' is added step by step, with the gradient of W as one product over all steps.

    A loop that uses W at every step would compute and add up a gradient of W's size at every step. Here the loop uses
    W without gradient, and this function, which passes `sums` through, sees the gradients of all y_t at the end.
    """

    @staticmethod
    def forward(ctx: Any, sums_TBG: Tensor, weight_GI: Tensor, inputs: list[Tensor]) -> Tensor:
        ctx.inputs, ctx.kind = inputs, weight_GI.dtype
        return sums_TBG.view_as(sums_TBG)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient_TBG = gradients[0].contiguous()
        inputs_TBI = torch.stack(ctx.inputs).to(gradient_TBG.dtype)
        weight_GI = gradient_TBG.flatten(0, 1).T @ inputs_TBI.flatten(0, 1)
        return gradient_TBG, weight_GI.to(ctx.kind), None


def _wide(sums: Tensor) -> Tensor:
    """Sums in fp32 where autocast made them narrower: states are carried over many steps."""
    return sums.float() if sums.dtype is torch.bfloat16 else sums


class _LSTMPointwise(torch.autograd.Function):
    """All that a step of the LSTM does after its matrix products, forward and backward in few passes.

    With i, f, g, o the gates and candidate in torch's order: c' = f c + i g and h = o tanh(c').
    """

    @staticmethod
    def forward(ctx: Any, sums_B4H: Tensor, cell_BH: Tensor) -> tuple[Tensor, Tensor]:
        gates_B4H = torch.sigmoid(_wide(sums_B4H))
        input_BH, forget_BH, candidate_BH, output_BH = gates_B4H.chunk(4, dim=1)
        torch.tanh(_wide(sums_B4H.chunk(4, dim=1)[2]), out=candidate_BH)
        next_BH = torch.addcmul(forget_BH * cell_BH, input_BH, candidate_BH)
        shown_BH = torch.tanh(next_BH)
        ctx.save_for_backward(gates_B4H, cell_BH, shown_BH)
        ctx.kind = sums_B4H.dtype
        return output_BH * shown_BH, next_BH

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        hidden_gradient_BH, next_gradient_BH = gradients
        gates_B4H, cell_BH, shown_BH = ctx.saved_tensors
        input_BH, forget_BH, candidate_BH, output_BH = gates_B4H.chunk(4, dim=1)
        through_BH = hidden_gradient_BH * output_BH
        through_BH = next_gradient_BH + torch.addcmul(through_BH, through_BH * shown_BH, shown_BH, value=-1)
        slopes_B4H = torch.addcmul(gates_B4H, gates_B4H, gates_B4H, value=-1)  # s (1 - s), right for the three gates
        slopes = slopes_B4H.chunk(4, dim=1)
        torch.addcmul(torch.ones_like(candidate_BH[:1, :1]), candidate_BH, candidate_BH, value=-1, out=slopes[2])
        slopes[0].mul_(candidate_BH).mul_(through_BH)
        slopes[1].mul_(cell_BH).mul_(through_BH)
        slopes[2].mul_(input_BH).mul_(through_BH)
        slopes[3].mul_(shown_BH).mul_(hidden_gradient_BH)
        return slopes_B4H.to(ctx.kind), through_BH * forget_BH


_one_product: Callable[[Tensor, Tensor, list[Tensor]], Tensor] = _OneProduct.apply
_lstm_pointwise: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = _LSTMPointwise.apply


class StepByStep:
    """A fused layer taken step by step in training, where a part of each input comes from the step before.

    What is known of all inputs is projected in one product before the loop, and the gradients of all weights are one
    product each after it. A step is one product (the GRU's are two) and the gates.
    """

    def __init__(self, cell: Cell, layer: nn.RNNBase, known_BTE: Tensor) -> None:
        """Prepare the steps.

        Args:
            cell: the kind of the layer.
            layer: takes inputs of E + O units.
            known_BTE: the first E units of the inputs of all T steps.
        """
        weights = {name.removesuffix("_l0"): weight for name, weight in layer.named_parameters()}
        num_known = known_BTE.shape[-1]
        known, fed = weights["weight_ih"][:, :num_known], weights["weight_ih"][:, num_known:]
        self.cell, self.hidden_size = cell, layer.hidden_size
        self._inputs: list[Tensor] = []
        self._hiddens: list[Tensor] = []
        known_TBE = known_BTE.transpose(0, 1)
        if cell is Cell.gru:  # its reset gate stands between the products of the input and of the hidden state
            sums_TBG = nn.functional.linear(known_TBE, known, weights["bias_ih"])
            hidden_TBG = weights["bias_hh"].to(sums_TBG.dtype).expand_as(sums_TBG)
            self._recurrent_GH = weights["weight_hh"].detach()
            self._from_hidden = _one_product(hidden_TBG, weights["weight_hh"], self._hiddens).unbind(0)
        else:
            sums_TBG = nn.functional.linear(known_TBE, known, weights["bias_ih"] + weights["bias_hh"])
            fed = torch.cat([fed, weights["weight_hh"]], dim=1)
        self._weight_GI = fed.detach()
        self._sums = _one_product(sums_TBG, fed, self._inputs).unbind(0)

    def step(self, position: int, fed_BO: Tensor, state: State) -> State:
        """The state after step `position`, whose input ends with `fed_BO`."""
        state = tuple(_wide(tensor) for tensor in state)
        hidden_BH = state[0]
        if self.cell is Cell.gru:
            sums_BG = self._add(self._sums[position], fed_BO, self._weight_GI, self._inputs)
            from_hidden_BG = self._add(self._from_hidden[position], hidden_BH, self._recurrent_GH, self._hiddens)
            return (self._gru_state(_wide(sums_BG), _wide(from_hidden_BG), hidden_BH),)
        input_BI = torch.cat([fed_BO.to(hidden_BH.dtype), hidden_BH], dim=1)
        sums_BG = self._add(self._sums[position], input_BI, self._weight_GI, self._inputs)
        if self.cell is Cell.rnn:
            return (torch.tanh(_wide(sums_BG)),)
        hidden_BH, cell_BH = _lstm_pointwise(sums_BG, state[1])
        return hidden_BH, cell_BH

    def _gru_state(self, from_input_BG: Tensor, from_hidden_BG: Tensor, hidden_BH: Tensor) -> Tensor:
        sums = (each_BG.split(self.hidden_size, dim=1) for each_BG in (from_input_BG, from_hidden_BG))
        _, update_BH, candidate_BH = gru_gates(*sums)
        return torch.lerp(candidate_BH, hidden_BH, update_BH)

    @staticmethod
    def _add(sums_BG: Tensor, input_BI: Tensor, weight_GI: Tensor, inputs: list[Tensor]) -> Tensor:
        inputs.append(input_BI.detach())
        return torch.addmm(sums_BG, input_BI.to(sums_BG.dtype), weight_GI.to(sums_BG.dtype).T)


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
