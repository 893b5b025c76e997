"""The cells against paper and against torch's fused layers.

B = 3 sentences, S = 7 positions, I = 2 input units, H = 5 hidden units.
"""

import math

import pytest
import torch
from torch import Tensor

from s2s.config.model import Cell
from s2s.models.cells import CELLS, GRUCell, LSTMCell, RecurrentCell, State
from s2s.models.fused import FUSED, Layer, run_layer, unfused, uniform_layer

B, S, I, H = 3, 7, 2, 5  # noqa: E741
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def one_unit(kind: Cell, weight_ih: list[float], weight_hh: list[float], bias_ih: list[float]) -> RecurrentCell:
    """A cell with one input and one unit, a number a gate; the other bias is 0."""
    cell = CELLS[kind](1, 1).double()
    bias_hh = [0.0] * CELLS[kind].num_gates
    numbers = {"weight_ih": weight_ih, "weight_hh": weight_hh, "bias_ih": bias_ih, "bias_hh": bias_hh}
    for name, values in numbers.items():
        getattr(cell, name).data.copy_(torch.tensor(values).reshape(getattr(cell, name).shape))
    return cell


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def random_layer(kind: Cell, dtype: torch.dtype) -> Layer:
    torch.manual_seed(7)
    return uniform_layer(kind, I, H).to(dtype)  # torch's own init: no bias and no gate is zero


def random_state(kind: Cell, dtype: torch.dtype) -> State:
    return tuple(torch.randn(B, H, dtype=dtype, requires_grad=True) for _ in range(CELLS[kind].num_states))


def gradients(outputs_BSH: Tensor, end: State, sources: list[Tensor]) -> tuple[Tensor, ...]:
    """Of one number into which every output and every end state goes with a weight of its own."""
    torch.manual_seed(11)
    total = sum((torch.randn(tensor.shape, dtype=tensor.dtype) * tensor).mean() for tensor in (outputs_BSH, *end))
    assert isinstance(total, Tensor)
    return torch.autograd.grad(total, sources)


def test_rnn_step_on_paper() -> None:
    cell = one_unit(Cell.rnn, [2.0], [3.0], [0.5])
    (hidden,) = cell.step(column(1, -1), (column(0.5, 1),))
    torch.testing.assert_close(hidden, column(math.tanh(2 + 1.5 + 0.5), math.tanh(-2 + 3 + 0.5)))


def test_lstm_step_on_paper() -> None:
    # With x = 1 and h = 1 the sums of the gates (i, f, g, o) are ln 3, -ln 3, ln 3 and 0, so that
    # i = 3/4, f = 1/4, g = tanh ln 3 = 4/5 and o = 1/2; from c = 2 comes c' = 1/4 * 2 + 3/4 * 4/5 = 1.1.
    log3 = math.log(3)
    cell = one_unit(Cell.lstm, [log3 - 1, -2, 3, 5], [1, 2 - log3, log3 - 2, -3], [0, 0, -1, -2])
    hidden, cell_state = cell.step(column(1), (column(1), column(2)))
    torch.testing.assert_close(cell_state, column(1.1))
    torch.testing.assert_close(hidden, column(math.tanh(1.1) / 2))


def test_lstm_gates_on_paper() -> None:
    log3 = math.log(3)
    cell = one_unit(Cell.lstm, [log3, -log3, log3, 0], [0, 0, 0, 0], [0, 0, 0, 0])
    input_gate, forget_gate, output_gate, candidate = cell.gates(*cell.products(column(1), column(9)))
    torch.testing.assert_close(
        torch.cat([input_gate, forget_gate, output_gate, candidate]), column(0.75, 0.25, 0.5, 0.8)
    )


def test_gru_step_on_paper() -> None:
    # With x = 1 and h = 2 the gates are r = sigmoid(-ln 3) = 1/4 and z = sigmoid(ln 3) = 3/4. The candidate is
    # tanh(ln 2 + r * 4 ln 1.5) = tanh ln 3 = 4/5, so h' = 3/4 * 2 + 1/4 * 4/5 = 1.7.
    log3 = math.log(3)
    cell = one_unit(Cell.gru, [1 - log3, log3, 0], [-1, -1, 2 * math.log(1.5)], [1, 2, math.log(2)])
    reset_gate, update_gate, candidate = cell.gates(*cell.products(column(1), column(2)))
    torch.testing.assert_close(torch.cat([reset_gate, update_gate, candidate]), column(0.25, 0.75, 0.8))
    torch.testing.assert_close(cell.step(column(1), (column(2),))[0], column(1.7))


def test_gru_resets_after_the_product_so_the_hidden_bias_is_reset_too() -> None:
    cell = one_unit(Cell.gru, [0, 0, 0], [0, 0, 0], [-math.log(3), -100, 0])  # r = 1/4, z = 0
    cell.bias_hh.data[2] = 4 * math.log(3)
    torch.testing.assert_close(cell.step(column(1), (column(2),))[0], column(0.8))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
@pytest.mark.parametrize("from_zeros", [True, False])
@pytest.mark.parametrize("kind", FUSED)
def test_a_cell_equals_torch_forward_and_backward(
    kind: Cell, from_zeros: bool, dtype: torch.dtype, tolerance: float
) -> None:
    layer = random_layer(kind, dtype)
    cell = unfused(kind, layer)
    inputs_BSI = torch.randn(B, S, I, dtype=dtype, requires_grad=True)
    state = None if from_zeros else random_state(kind, dtype)
    sources = [inputs_BSI, *(state or ())]

    expected = run_layer(layer, inputs_BSI, state)
    found = cell(inputs_BSI, state)
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)
    torch.testing.assert_close(
        gradients(*found, [*sources, *(getattr(cell, name) for name in NAMES)]),
        gradients(*expected, [*sources, *(getattr(layer, f"{name}_l0") for name in NAMES)]),
        rtol=0,
        atol=tolerance,
    )


@pytest.mark.parametrize("kind", Cell)
def test_a_cell_passes_gradcheck(kind: Cell) -> None:
    torch.manual_seed(3)
    cell = CELLS[kind](2, 3).double()
    inputs_BSI = torch.randn(1, 3, 2, dtype=torch.float64, requires_grad=True)
    state = tuple(torch.randn(1, 3, dtype=torch.float64, requires_grad=True) for _ in range(CELLS[kind].num_states))

    def run(inputs_BSI: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        weights = dict(zip(NAMES, rest[len(state) :], strict=True))
        outputs_BSH, end = torch.func.functional_call(cell, weights, (inputs_BSI, rest[: len(state)]))
        return (outputs_BSH, *end)

    assert torch.autograd.gradcheck(run, (inputs_BSI, *state, *(getattr(cell, name) for name in NAMES)))


@pytest.mark.parametrize("kind", Cell)
def test_end_state_is_the_last_hidden_state_and_steps_can_go_on_from_it(kind: Cell) -> None:
    cell = unfused(kind, random_layer(kind, torch.float64))
    inputs_BSI = torch.randn(B, S, I, dtype=torch.float64)
    whole_BSH, end = cell(inputs_BSI)
    first_BSH, middle = cell(inputs_BSI[:, :4])
    rest_BSH, end_of_rest = cell(inputs_BSI[:, 4:], middle)
    assert whole_BSH.shape == (B, S, H)
    assert torch.equal(end[0], whole_BSH[:, -1])
    torch.testing.assert_close(torch.cat([first_BSH, rest_BSH], dim=1), whole_BSH)
    torch.testing.assert_close(end_of_rest, end)


@pytest.mark.parametrize("cell", [LSTMCell(I, H), GRUCell(I, H)])
def test_gates_are_shares_and_candidates_are_bounded(cell: LSTMCell | GRUCell) -> None:
    *gates, candidate = cell.gates(*cell.products(torch.randn(B, I), torch.randn(B, H)))
    assert len(gates) + 1 == cell.num_gates
    assert all(gate.shape == (B, H) and bool(((gate > 0) & (gate < 1)).all()) for gate in gates)
    assert bool((candidate.abs() < 1).all())


def test_only_the_lstm_has_two_states() -> None:
    assert {kind: cell.num_states for kind, cell in CELLS.items()} == {Cell.rnn: 1, Cell.lstm: 2, Cell.gru: 1}
