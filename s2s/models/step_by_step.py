"""TODO: say what s2s.models.step_by_step is."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from s2s.config.model import Cell
from s2s.models.cells import State, gru_gates


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
