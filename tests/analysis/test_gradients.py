"""Gradients through time: on paper, under their bound, and as the picture shows them.

B = 3 sentences, S = 7 positions, I = 2 input units, H = 5 hidden units.
"""

import math
from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from s2s.analysis.gradients import (
    LanguageModel,
    Quantity,
    WeightInit,
    joined,
    measure,
    measure_layer,
    new_layer,
    scaled,
    state_gradients,
    vanishing_factors,
    windows,
)
from s2s.analysis.learning import learn
from s2s.config.data import Split, SubwordKind
from s2s.config.model import Cell
from s2s.data.phrasebook.generate import distinct_pairs
from s2s.data.vocabulary.subwords import EOS, train_subwords
from s2s.errors import DataError
from s2s.models.cells import CELLS, RecurrentCell
from s2s.models.fused import recurrent_layer, run_layer

B, S, I, H = 3, 7, 2, 5  # noqa: E741


def one_unit(kind: Cell) -> RecurrentCell:
    """A cell of one unit whose weights and biases are all 0."""
    cell = CELLS[kind](1, 1).double()
    for weight in cell.parameters():
        weight.data.zero_()
    return cell


def last_unit(hidden_BH: Tensor) -> Tensor:
    return hidden_BH[:, -1]


def powers(factor: float) -> Tensor:
    return torch.tensor([[factor**step for step in range(S)]] * B, dtype=torch.float64)


@pytest.mark.parametrize("weight", [0.5, 1.0, 3.0])
def test_a_plain_rnn_multiplies_by_its_weight_on_paper(weight: float) -> None:
    """All states are 0, where the derivative of tanh is 1; the bound is reached."""
    cell = one_unit(Cell.rnn)
    cell.weight_hh.data.fill_(weight)
    found = state_gradients(cell, torch.zeros(B, S, 1, dtype=torch.float64), last_unit)
    torch.testing.assert_close(found.hidden_BS, powers(weight))
    torch.testing.assert_close(found.bound_BS, powers(weight))
    assert found.cell_BS is None


def test_an_lstm_multiplies_by_its_forget_gate_on_paper() -> None:
    """Forget gates of 3/4; no step looks at the hidden state, so that only the last one has a gradient."""
    cell = one_unit(Cell.lstm)
    cell.bias_ih.data[1] = math.log(3)
    found = state_gradients(cell, torch.zeros(B, S, 1, dtype=torch.float64), last_unit)
    assert found.cell_BS is not None
    torch.testing.assert_close(found.cell_BS, powers(0.75) / 2)  # the output gate is 1/2, the cell state 0
    torch.testing.assert_close(found.hidden_BS, powers(0.0))
    assert found.bound_BS is None


def test_a_gru_multiplies_by_its_update_gate_on_paper() -> None:
    cell = one_unit(Cell.gru)
    cell.bias_ih.data[1] = math.log(3)
    found = state_gradients(cell, torch.zeros(B, S, 1, dtype=torch.float64), last_unit)
    torch.testing.assert_close(found.hidden_BS, powers(0.75))


def test_the_weights_norm_is_that_of_the_mean_loss() -> None:
    torch.manual_seed(1)
    cell, inputs_BSI = CELLS[Cell.gru](I, H).double(), torch.randn(B, S, I, dtype=torch.float64)
    found = state_gradients(cell, inputs_BSI, last_unit)
    cell(inputs_BSI)[0][:, -1, -1].mean().backward()
    expected = math.sqrt(sum(float(weight.grad.square().sum()) for weight in cell.parameters()))
    assert float(found.weights) == pytest.approx(expected)


@pytest.mark.parametrize("kind", Cell)
def test_gradients_of_states_are_those_of_what_was_added_to_them(kind: Cell) -> None:
    """The gradient at the first state, found by letting the loop start there."""
    torch.manual_seed(2)
    cell, inputs_BSI = CELLS[kind](I, H).double(), torch.randn(B, S, I, dtype=torch.float64)
    found = state_gradients(cell, inputs_BSI, last_unit)
    first = tuple(state.detach().requires_grad_() for state in cell.states(inputs_BSI)[0])
    outputs_BSH, _ = cell(inputs_BSI[:, 1:], first)
    gradients = torch.autograd.grad(outputs_BSH[:, -1, -1].sum(), first)
    torch.testing.assert_close(found.hidden_BS[:, -1], gradients[0].norm(dim=1))
    if found.cell_BS is not None:  # the cell state c is seen in its own step's h = o tanh(c) too
        hidden_BH, cell_BH = first
        slope_BH = hidden_BH / cell_BH.tanh() * (1 - cell_BH.tanh().square())
        torch.testing.assert_close(found.cell_BS[:, -1], (gradients[1] + gradients[0] * slope_BH).norm(dim=1))


@given(st.floats(0.1, 4.0), st.integers(1, 12), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_no_gradient_is_above_the_bound(scale: float, num_positions: int, seed: int) -> None:
    torch.manual_seed(seed)
    cell = CELLS[Cell.rnn](I, H).double()
    cell.weight_hh.data.mul_(scale * H**0.5)
    found = state_gradients(cell, torch.randn(B, num_positions, I, dtype=torch.float64), last_unit)
    assert found.bound_BS is not None
    assert bool((found.hidden_BS <= found.bound_BS * (1 + 1e-9)).all())


def test_the_bound_is_for_the_plain_rnn_alone() -> None:
    with pytest.raises(AssertionError, match="tanh"):
        vanishing_factors(CELLS[Cell.gru](I, H), torch.zeros(B, S, H))


@pytest.mark.parametrize("start", WeightInit)
@pytest.mark.parametrize("kind", Cell)
def test_both_starts_have_a_forget_bias_of_1(kind: Cell, start: WeightInit) -> None:
    torch.manual_seed(3)
    weights = dict(new_layer(kind, I, H, start).named_parameters())
    bias = (weights["bias_ih_l0"] + weights["bias_hh_l0"]).detach()
    if kind is Cell.lstm:
        assert bias[H : 2 * H].tolist() == [1.0] * H
    is_orthogonal = torch.allclose(weights["weight_hh_l0"][:H] @ weights["weight_hh_l0"][:H].T, torch.eye(H), atol=1e-5)
    assert is_orthogonal == (start is WeightInit.orthogonal)


def test_scaling_leaves_all_but_the_recurrent_weights() -> None:
    model = LanguageModel(Cell.lstm, 11, H, WeightInit.orthogonal)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    after = scaled(model, 3.0).state_dict()
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    for name, weight in after.items():
        torch.testing.assert_close(weight, before[name] * (3 if name == "layer.weight_hh_l0" else 1))


# ----------------------------------------------------------------------------------------------------------------------
# What the pictures show


@pytest.fixture(scope="module")
def text() -> tuple[list[Tensor], int]:
    """Batches of real text, 101 pieces of context each."""
    lines = [pair.target for pair in distinct_pairs(Split.dev, 400, 1)]
    subwords, _ = train_subwords(lines, vocabulary_size=200, kind=SubwordKind.unigram, character_coverage=1.0)
    stream = windows(joined(subwords.encode(lines), EOS), 102, 5, seed=1)
    return list(islice(stream, 2)), len(subwords)


def after_100_steps(
    kind: Cell, start: WeightInit, text: tuple[list[Tensor], int], scale: float = 1.0
) -> dict[Quantity, float]:
    """The largest norm of any batch, as a share of the one at the last position."""
    torch.manual_seed(1)
    model = scaled(LanguageModel(kind, text[1], 64, start), scale)
    curves = measure(model, text[0], max_grad_norm=1.0)
    return {name: float((curve_NS[:, 100] / curves[Quantity.hidden][:, 0]).max()) for name, curve_NS in curves.items()}


@pytest.mark.parametrize(("start", "orders"), [(WeightInit.uniform, 12), (WeightInit.orthogonal, 3)])
def test_an_rnn_has_forgotten_what_an_lstm_has_not(
    text: tuple[list[Tensor], int], start: WeightInit, orders: int
) -> None:
    rnn, lstm = (after_100_steps(kind, start, text) for kind in (Cell.rnn, Cell.lstm))
    assert math.log10(rnn[Quantity.hidden] / lstm[Quantity.hidden]) < -orders
    assert math.log10(rnn[Quantity.hidden] / lstm[Quantity.cell]) < -orders
    assert rnn[Quantity.hidden] < rnn[Quantity.bound]


def test_an_rnn_explodes_where_its_weights_are_scaled_up(text: tuple[list[Tensor], int]) -> None:
    rnn, gru = (after_100_steps(kind, WeightInit.orthogonal, text, 2.0) for kind in (Cell.rnn, Cell.gru))
    assert rnn[Quantity.hidden] > 1e4
    assert rnn[Quantity.clipped] < 10
    assert gru[Quantity.hidden] < 1


def test_clipping_leaves_small_gradients(text: tuple[list[Tensor], int]) -> None:
    torch.manual_seed(1)
    model = LanguageModel(Cell.gru, text[1], 8, WeightInit.uniform)
    loose, tight = (measure(model, text[0], limit) for limit in (1e6, 1e-3))
    assert (loose[Quantity.clipped] == loose[Quantity.hidden]).all()
    assert (tight[Quantity.clipped] < tight[Quantity.hidden]).all()


def test_a_layer_of_any_model_is_measured_with_directions_of_length_1() -> None:
    torch.manual_seed(4)
    layer, inputs_BSI = recurrent_layer(Cell.lstm, I, H), torch.randn(B, S, I)
    curves = measure_layer(layer, Cell.lstm, [inputs_BSI, inputs_BSI], seed=5)
    assert set(curves) == {Quantity.hidden, Quantity.cell}
    assert curves[Quantity.hidden].shape == (2, S)
    assert curves[Quantity.hidden][:, 0] == pytest.approx([1.0, 1.0])
    assert curves[Quantity.hidden][0, 1] != curves[Quantity.hidden][1, 1]  # another direction


# ----------------------------------------------------------------------------------------------------------------------
# Learning, and its text


def test_windows_hold_pieces_that_follow_one_another() -> None:
    pieces_V = torch.arange(10, 31)
    stream = windows(pieces_V, 4, 3, seed=1)
    found = [next(stream) for _ in range(20)]
    assert all(window.shape == (3, 4) and bool((window.diff(dim=1) == 1).all()) for window in found)
    starts = {int(start) for window in found for start in window[:, 0]}
    assert {min(starts), max(starts)} == {10, 27}
    assert torch.equal(found[0], next(windows(pieces_V, 4, 3, seed=1)))
    with pytest.raises(DataError, match="at least 22 pieces, got 21"):
        next(windows(pieces_V, 22, 3, seed=1))


def test_joined_sentences_each_have_their_end() -> None:
    assert joined([[5, 6], [], [7]], 3).tolist() == [5, 6, 3, 3, 7, 3]


def test_learning_takes_a_step_down_each_loss() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    losses: list[float] = []

    def distances(num: int):
        for _ in range(num):
            loss = (model.weight - 3).square().sum()
            losses.append(loss.item())
            yield loss

    learn(model, distances(300), learning_rate=0.1, max_grad_norm=1.0)
    assert losses[0] == 9
    assert losses[1] == pytest.approx(2.9**2, rel=1e-4)  # Adam's first step is the learning rate
    assert losses[-1] < 1e-3


@pytest.mark.parametrize("kind", Cell)
def test_a_language_model_that_has_seen_the_answer_says_it(kind: Cell) -> None:
    """A circle of five pieces."""
    torch.manual_seed(1)
    model, window_BS = LanguageModel(kind, 5, 16, WeightInit.orthogonal), (torch.arange(13) % 5).expand(2, 13)
    before = model.loss_nats(window_BS).item()
    learn(model, (model.loss_nats(window_BS) for _ in range(60)), learning_rate=0.02, max_grad_norm=1.0)
    assert model.loss_nats(window_BS).item() < 0.2 < before
    states_BSH, _ = run_layer(model.layer, model.embedding(window_BS))
    assert model.output(states_BSH).argmax(-1)[0, :4].tolist() == [1, 2, 3, 4]
