"""Gates of trained layers: against the fused layers, and memory on paper."""

import math

import pytest
import torch
from torch import nn

from s2s.analysis.gates import KEEP_GATES, LayerReader, Trace, UnitHalfLife, extremes, half_lives, named_gates, trace
from s2s.config.model import Cell
from s2s.models.cells import CELLS
from s2s.models.encoder import Encoder

S, I, H = 7, 3, 5  # noqa: E741
GATED = [Cell.lstm, Cell.gru]


@pytest.mark.parametrize("cell", GATED)
@pytest.mark.parametrize("is_bidirectional", [False, True])
def test_what_is_traced_is_what_the_encoder_computes(cell: Cell, is_bidirectional: bool) -> None:
    torch.manual_seed(1)
    encoder = Encoder(nn.Embedding(11, I), cell, 2 * H, layers=2, is_bidirectional=is_bidirectional, layer_dropout=0.5)
    source_S = torch.tensor([4, 9, 5, 5, 10, 1, 3])
    states_1SH, _ = encoder.eval()(source_S[None], torch.tensor([S]))
    halves = {False: states_1SH[0, :, : H if is_bidirectional else 2 * H]}
    if is_bidirectional:
        halves[True] = states_1SH[0, :, H:]
    for is_backwards, expected_SH in halves.items():
        found = LayerReader(encoder.train(), cell, 1, is_backwards=is_backwards).read(source_S)
        hidden_SH = found[Trace.hidden] if cell is Cell.gru else found[Trace.output] * found[Trace.cell].tanh()
        torch.testing.assert_close(hidden_SH, expected_SH)
        assert all(values.min() > 0 and values.max() < 1 for name, values in found.items() if "gate" in name.value)


@pytest.mark.parametrize("kind", GATED)
def test_the_gate_that_keeps_the_state_does(kind: Cell) -> None:
    """Where it is 1 and nothing is written, the state stays; where it is 0, it is gone."""
    for keep, expected in ((50.0, 0.6), (-50.0, 0.0)):
        cell = CELLS[kind](1, 1).double()
        for weight in cell.parameters():
            weight.data.zero_()
        cell.bias_ih.data[1] = keep  # the second block in torch's order, for both
        state = tuple(torch.full((1, 1), 0.6, dtype=torch.float64) for _ in range(2 if kind is Cell.lstm else 1))
        gates = named_gates(cell, torch.zeros(1, 1, dtype=torch.float64), state[0])
        assert next(iter(gates)) is KEEP_GATES[kind]
        assert gates[KEEP_GATES[kind]].item() == pytest.approx(float(keep > 0))
        assert cell.step(torch.zeros(1, 1, dtype=torch.float64), state)[-1].item() == pytest.approx(expected)


def test_a_plain_rnn_has_nothing_to_trace() -> None:
    with pytest.raises(AssertionError, match="no gates"):
        trace(CELLS[Cell.rnn](I, H), torch.zeros(S, I))


def test_half_lives_on_paper() -> None:
    """A share of 1/2 a step is a half-life of 1; of 1/4 and then 1 too; of 2^-1/8 one of 8."""
    first = torch.tensor([[0.5, 0.25, 2**-0.125]])
    second = torch.tensor([[0.5, 1.0, 2**-0.125]])
    found = half_lives([first, second])
    assert [each.unit for each in found] == [2, 1, 0]
    assert [each.mean_gate for each in found] == pytest.approx([2**-0.125, 0.625, 0.5])
    assert [each.half_life for each in found] == pytest.approx([8, 1, 1], rel=1e-5)
    assert half_lives([torch.ones(2, 1)])[0].half_life == math.inf


def test_both_ends_of_the_units() -> None:
    units = [UnitHalfLife(unit, 0.5, 1.0) for unit in (7, 3, 5, 1, 0)]
    assert [each.unit for each in extremes(units, 2)] == [7, 3, 1, 0]
    assert extremes(units, 3) == units
