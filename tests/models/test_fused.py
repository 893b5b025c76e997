"""Torch's fused layers: how they start, how they are called, and how they become cells.

B = 3 sentences, S = 7 positions, I = 2 input units, H = 5 hidden units.
"""

import math

import pytest
import torch

from s2s.config.model import Cell
from s2s.models.cells import CELLS
from s2s.models.fused import FUSED, Layer, recurrent_layer, run_layer, unfused, uniform_layer, weights_of

B, S, I, H = 3, 7, 2, 5  # noqa: E741
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def random_layer(kind: Cell, dtype: torch.dtype) -> Layer:
    torch.manual_seed(7)
    return uniform_layer(kind, I, H).to(dtype)  # torch's own init: no bias and no gate is zero


def test_every_cell_has_a_fused_layer_and_no_other_is_taken() -> None:
    assert set(CELLS) == set(FUSED) == set(Cell)
    with pytest.raises(KeyError):
        recurrent_layer("sru", I, H)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kind", Cell)
def test_an_unfused_layer_is_a_copy_of_weights_and_type(kind: Cell, dtype: torch.dtype) -> None:
    layer = random_layer(kind, dtype)
    cell = unfused(kind, layer)
    assert type(cell) is CELLS[kind]
    for name in NAMES:
        weight, copied = weights_of(layer)[name], getattr(cell, name)
        assert copied.dtype is dtype
        assert torch.equal(copied, weight)
        assert copied.data_ptr() != weight.data_ptr()  # a copy: to train one leaves the other


@pytest.mark.parametrize("kind", Cell)
def test_run_layer_takes_and_gives_states_without_a_layer_axis(kind: Cell) -> None:
    layer = random_layer(kind, torch.float32)
    inputs_BSI = torch.randn(B, S, I)
    outputs_BSH, end = run_layer(layer, inputs_BSI, tuple(torch.randn(B, H) for _ in range(CELLS[kind].num_states)))
    assert outputs_BSH.shape == (B, S, H)
    assert [tensor.shape for tensor in end] == [(B, H)] * CELLS[kind].num_states
    assert torch.equal(end[0], outputs_BSH[:, -1])


@pytest.mark.parametrize("kind", Cell)
def test_run_layer_starts_from_zeros(kind: Cell) -> None:
    layer = random_layer(kind, torch.float32)
    inputs_BSI = torch.randn(B, S, I)
    zeros = (torch.zeros(B, H),) * CELLS[kind].num_states
    torch.testing.assert_close(run_layer(layer, inputs_BSI), run_layer(layer, inputs_BSI, zeros), rtol=0, atol=0)


@pytest.mark.parametrize("kind", FUSED)
def test_a_layer_starts_orthogonal_with_biases_of_0_but_forget_biases_of_1(kind: Cell) -> None:
    layer = recurrent_layer(kind, I, H)
    assert layer.batch_first
    blocks = layer.weight_hh_l0.split(H)
    assert len(blocks) == CELLS[kind].num_gates
    for block in blocks:
        torch.testing.assert_close(block @ block.T, torch.eye(H), rtol=0, atol=1e-5)
    sums = (layer.bias_ih_l0 + layer.bias_hh_l0).split(H)
    for gate, sum_H in enumerate(sums):
        assert sum_H.tolist() == [1.0 if kind is Cell.lstm and gate == 1 else 0.0] * H
    bound = math.sqrt(6 / (I + CELLS[kind].num_gates * H))  # Glorot and Bengio 2010, eq. 16
    assert 0 < layer.weight_ih_l0.abs().max().item() <= bound
