"""The step-by-step loop of training against the fused layer."""

import pytest
import torch

from s2s.config.model import Cell
from s2s.models.cells import CELLS
from s2s.models.fused import recurrent_layer, run_layer
from s2s.models.step_by_step import StepByStep


@pytest.mark.parametrize("cell", Cell)
def test_the_step_by_step_loop_has_the_gradients_of_the_fused_layer(cell: Cell) -> None:
    """Inputs of E = 3 known and O = 2 fed units: fed from a table, so that both read the same."""
    torch.manual_seed(2)
    layer = recurrent_layer(cell, 5, 4).double()
    known_BTE = torch.randn(3, 6, 3, dtype=torch.float64, requires_grad=True)
    fed_BTO = torch.randn(3, 6, 2, dtype=torch.float64, requires_grad=True)
    state = tuple(torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(CELLS[cell].num_states))
    inputs = [known_BTE, fed_BTO, *state, *layer.parameters()]
    expected_BTH, _ = run_layer(layer, torch.cat([known_BTE, fed_BTO], dim=-1), state)
    loop, hidden, at = StepByStep(cell, layer, known_BTE), [], state
    for position in range(6):
        at = loop.step(position, fed_BTO[:, position], at)
        hidden.append(at[0])
    found_BTH = torch.stack(hidden, dim=1)
    torch.testing.assert_close(found_BTH, expected_BTH, rtol=0, atol=1e-12)
    weight_BTH = torch.randn_like(expected_BTH)
    expected, found = (torch.autograd.grad((each * weight_BTH).sum(), inputs) for each in (expected_BTH, found_BTH))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", Cell)
def test_states_stay_wide_in_the_loop_under_autocast(cell: Cell) -> None:
    layer = recurrent_layer(cell, 5, 4)
    state = tuple(
        torch.zeros(3, 4, dtype=torch.bfloat16) for _ in range(CELLS[cell].num_states)
    )  # as a bridge makes it
    with torch.autocast("cpu", dtype=torch.bfloat16):
        after = StepByStep(cell, layer, torch.randn(3, 1, 3)).step(0, torch.randn(3, 2), state)
    assert [tensor.dtype for tensor in after] == [torch.float32] * CELLS[cell].num_states
    sum(tensor.sum() for tensor in after).backward()  # type: ignore[union-attr]
    assert all(weight.grad is not None and weight.grad.dtype is torch.float32 for weight in layer.parameters())
