"""A recurrent layer in training whose inputs need the step before, as with input feeding: a fast loop over positions.

B sentences, T positions, E units of the known part of an input, O units of the part that is fed back, I inputs of any
product, H hidden units, G = H units times the number of gates.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from s2s.config.model import Cell
from s2s.models.cells import CELLS, State
from s2s.models.fused import Layer, weights_of


def _wide(tensor: Tensor) -> Tensor:
    """In fp32 where autocast made it narrower: states are carried over many steps."""
    return tensor.float() if tensor.dtype is torch.bfloat16 else tensor


class _OneGradient(torch.autograd.Function):
    """Sums to which y_t = sums_t + x_t W' is added step by step, with the gradient of W as one product over all steps.

    A loop that uses W at every step would compute and add up a gradient of W's size at every step. Here the loop uses
    W without gradient, and this function, which passes `sums` through, sees the gradients of all y_t at the end.
    """

    @staticmethod
    def forward(ctx: Any, sums_TBG: Tensor, weight_GI: Tensor, inputs: list[Tensor]) -> Tensor:
        ctx.inputs, ctx.dtype = inputs, weight_GI.dtype
        return sums_TBG.view_as(sums_TBG)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient_TBG = gradients[0].contiguous()
        inputs_TBI = torch.stack(ctx.inputs).to(gradient_TBG.dtype)
        weight_GI = gradient_TBG.flatten(0, 1).T @ inputs_TBI.flatten(0, 1)
        return gradient_TBG, weight_GI.to(ctx.dtype), None


class _Product:
    """A matrix times an input of each step, added to what is known of all steps beforehand."""

    def __init__(self, known_TBG: Tensor, weight_GI: Tensor) -> None:
        self._inputs: list[Tensor] = []
        self._weight_GI = weight_GI.detach()
        with_gradient: Callable[[Tensor, Tensor, list[Tensor]], Tensor] = _OneGradient.apply
        self._known = with_gradient(known_TBG, weight_GI, self._inputs).unbind(0)

    def step(self, position: int, input_BI: Tensor) -> Tensor:
        """The sums (B, G) of a step."""
        known_BG = self._known[position]
        self._inputs.append(input_BI.detach())
        return _wide(torch.addmm(known_BG, input_BI.to(known_BG.dtype), self._weight_GI.to(known_BG.dtype).T))


class _LSTMPointwise(torch.autograd.Function):
    """All that a step of the LSTM does after its matrix products, forward and backward in few passes.

    With i, f, g, o the gates and candidate in torch's order: c' = f c + i g and h = o tanh(c').
    """

    @staticmethod
    def forward(ctx: Any, sums_B4H: Tensor, cell_BH: Tensor) -> tuple[Tensor, Tensor]:
        gates_B4H = torch.sigmoid(sums_B4H)
        input_BH, forget_BH, candidate_BH, output_BH = gates_B4H.chunk(4, dim=1)
        torch.tanh(sums_B4H.chunk(4, dim=1)[2], out=candidate_BH)
        next_BH = torch.addcmul(forget_BH * cell_BH, input_BH, candidate_BH)
        shown_BH = torch.tanh(next_BH)
        ctx.save_for_backward(gates_B4H, cell_BH, shown_BH)
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
        return slopes_B4H, through_BH * forget_BH


_lstm_pointwise: Callable[[Tensor, Tensor], State] = _LSTMPointwise.apply
_NEXT_STATE_OF_SUMS: dict[Cell, Callable[[Tensor, State], State]] = {
    Cell.rnn: lambda sums_BH, _: (torch.tanh(sums_BH),),
    Cell.lstm: lambda sums_B4H, state: _lstm_pointwise(sums_B4H, state[1]),
}
"""Cells in which W x and U h matter only as their sum, so that one product gives both. The others, such as the GRU,
whose reset gate stands between the two, need both products, and what cells.py makes of them."""


class StepByStep:
    """A fused layer taken step by step in training, where a part of each input comes from the step before.

    What is known of all inputs is projected in one product before the loop, and the gradients of all weights are one
    product each after it. A step is one product, or two (see `_NEXT_STATE_OF_SUMS`), and the gates.
    """

    def __init__(self, cell: Cell, layer: Layer, known_BTE: Tensor) -> None:
        """Prepare the steps.

        Args:
            cell: the kind of the layer.
            layer: takes inputs of E + O units.
            known_BTE: the first E units of the inputs of all T steps.
        """
        weights, num_known = weights_of(layer), known_BTE.shape[-1]
        known_GE, fed_GO = weights["weight_ih"][:, :num_known], weights["weight_ih"][:, num_known:]
        known_TBE = known_BTE.transpose(0, 1)
        self._cell = CELLS[cell]
        self._next_state_of_sums = _NEXT_STATE_OF_SUMS.get(cell)
        if self._next_state_of_sums is not None:
            known_TBG = nn.functional.linear(known_TBE, known_GE, weights["bias_ih"] + weights["bias_hh"])
            self._of_both = _Product(known_TBG, torch.cat([fed_GO, weights["weight_hh"]], dim=1))
        else:
            known_TBG = nn.functional.linear(known_TBE, known_GE, weights["bias_ih"])
            bias_TBG = weights["bias_hh"].to(known_TBG.dtype).expand_as(known_TBG)
            self._of_hidden = _Product(bias_TBG, weights["weight_hh"])
            self._of_input = _Product(known_TBG, fed_GO)

    def step(self, position: int, fed_BO: Tensor, state: State) -> State:
        """The state after step `position`, whose input ends with `fed_BO`."""
        state = tuple(_wide(tensor) for tensor in state)
        hidden_BH = state[0]
        if self._next_state_of_sums is not None:
            both_BI = torch.cat([fed_BO.to(hidden_BH.dtype), hidden_BH], dim=1)
            return self._next_state_of_sums(self._of_both.step(position, both_BI), state)
        from_input_BG = self._of_input.step(position, fed_BO)
        return self._cell.next_state(from_input_BG, self._of_hidden.step(position, hidden_BH), state)
