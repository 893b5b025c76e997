"""How gates remember: the gates of a layer at each position, and how long each unit keeps its state.

S positions, I input units, H hidden units.

The LSTM's forget gate f and the GRU's update gate z are the share of its state that a unit keeps in a step. A unit that
keeps the share k has half of what it had left after ln(1/2) / ln(k) steps.
"""

import enum
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from s2s.config.model import Cell
from s2s.models.cells import GRUCell, LSTMCell, RecurrentCell
from s2s.models.encoder import Encoder, EncoderLayer
from s2s.models.fused import unfused


class Trace(enum.Enum):
    """What is recorded at each position."""

    forget = "forget gate"
    input = "input gate"
    output = "output gate"
    reset = "reset gate"
    update = "update gate"
    cell = "cell state"
    hidden = "hidden state"


KEEP_GATES = {Cell.lstm: Trace.forget, Cell.gru: Trace.update}
"""The gate that says which share of the state a step keeps."""


class UnitHalfLife(NamedTuple):
    """How well a unit remembers.

    Attributes:
        unit: from 0.
        mean_gate: of the gate that keeps its state, over all positions of a text; 0 to 1.
        half_life: steps until half of the state is gone, at the geometric mean of that gate; infinite where it is 1.
    """

    unit: int
    mean_gate: float
    half_life: float


@torch.inference_mode()
def trace(cell: RecurrentCell, inputs_SI: Tensor) -> dict[Trace, Tensor]:
    """Gates and states (S, H) of an LSTM or a GRU after each position of one sentence, from a state of zeros."""
    hidden_1H = inputs_SI.new_zeros(1, cell.hidden_size)
    found: dict[Trace, list[Tensor]] = {}
    for input_1I, state in zip(inputs_SI.split(1), cell.states(inputs_SI[None]), strict=True):
        gates = named_gates(cell, input_1I, hidden_1H)
        gates[Trace.cell if isinstance(cell, LSTMCell) else Trace.hidden] = state[-1]
        hidden_1H = state[0]
        for name, value_1H in gates.items():
            found.setdefault(name, []).append(value_1H)
    return {name: torch.cat(values) for name, values in found.items()}


def named_gates(cell: RecurrentCell, input_BI: Tensor, hidden_BH: Tensor) -> dict[Trace, Tensor]:
    """The gates (B, H) of one step, the one that keeps the state first."""
    products = cell.products(input_BI, hidden_BH)
    if isinstance(cell, LSTMCell):
        input_gate, forget_gate, output_gate, _ = cell.gates(*products)
        return {Trace.forget: forget_gate, Trace.input: input_gate, Trace.output: output_gate}
    assert isinstance(cell, GRUCell), "a plain RNN has no gates"
    reset_gate, update_gate, _ = cell.gates(*products)
    return {Trace.update: update_gate, Trace.reset: reset_gate}


def half_lives(kept: Iterable[Tensor]) -> list[UnitHalfLife]:
    """How well each unit remembers, by mean gate, largest first.

    Args:
        kept: the gate that keeps the state, (S, H) for each sentence; at least one.
    """
    gates_NH = torch.cat(list(kept)).double()
    means_H = gates_NH.mean(dim=0).tolist()
    logs_H = gates_NH.log().mean(dim=0).tolist()
    units = [
        UnitHalfLife(unit, mean, math.log(0.5) / log if log < 0 else math.inf)
        for unit, (mean, log) in enumerate(zip(means_H, logs_H, strict=True))
    ]
    return sorted(units, key=lambda unit: -unit.mean_gate)


def extremes(units: Sequence[UnitHalfLife], number: int) -> list[UnitHalfLife]:
    """The first `number` units and the last ones, in their order; all of them where there are no more."""
    return list(units) if len(units) <= 2 * number else [*units[:number], *units[-number:]]


class LayerReader:
    """One layer of a trained encoder, in one direction, written out gate by gate."""

    def __init__(self, encoder: Encoder, kind: Cell, layer: int, *, is_backwards: bool = False) -> None:
        """Read layer number `layer`, counted from 0: its forward half, or its backward one."""
        self._encoder, self._layer, self._is_backwards = encoder.eval(), layer, is_backwards
        chosen = encoder.layers[layer]
        assert isinstance(chosen, EncoderLayer)
        fused = chosen.backwards if is_backwards else chosen.forwards
        assert fused is not None, "the encoder reads forwards only"
        self.cell = unfused(kind, fused)

    def read(self, source_S: Tensor) -> dict[Trace, Tensor]:
        """Gates and states (S, H) at each position of a sentence, from its first, also if the layer reads backwards."""
        inputs_SI = self._inputs(source_S)
        if self._is_backwards:
            return {name: values_SH.flip(0) for name, values_SH in trace(self.cell, inputs_SI.flip(0)).items()}
        return trace(self.cell, inputs_SI)

    @torch.inference_mode()
    def _inputs(self, source_S: Tensor) -> Tensor:
        """What the layer reads (S, I), which a hook catches."""
        inputs_1SI: list[Tensor] = []
        layer = self._encoder.layers[self._layer]
        hook = layer.register_forward_pre_hook(lambda _, arguments: inputs_1SI.append(arguments[0]))
        try:
            self._encoder(source_S[None], torch.tensor([len(source_S)]))
        finally:
            hook.remove()
        return inputs_1SI[0][0]
