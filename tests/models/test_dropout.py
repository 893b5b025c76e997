"""Dropout: the share that is dropped, the mean that stays, the same mask at all positions, and word dropout.

B = 3 sentences, T = 7 positions, E = 5 units, unless a share has to be measured.
"""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from s2s.data.vocabulary.subwords import BOS, EOS, PAD, UNK
from s2s.models.dropout import Dropout, drop_tokens, dropout_mask

B, T, E = 3, 7, 5
CPU = torch.device("cpu")
KINDS = [torch.float32, torch.float64, torch.bfloat16]


def ones(num_sentences: int = B, num_positions: int = T, num_units: int = E) -> Tensor:
    return torch.ones(num_sentences, num_positions, num_units)


def mask(num: int, rate: float, seed: int = 1) -> Tensor:
    torch.manual_seed(seed)
    return dropout_mask(torch.Size((num,)), rate, torch.float64, CPU)


def chance_of_a_worse_share(num_dropped: int, num: int, rate: float) -> float:
    """How likely so large a distance from the expected share is, by the normal approximation."""
    return math.erfc(abs(num_dropped - num * rate) / math.sqrt(2 * num * rate * (1 - rate)))


# ----------------------------------------------------------------------------------------------------------------------
# Masks


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.5, 0.95])
def test_the_share_that_is_dropped(rate: float) -> None:
    found = mask(400_000, rate)
    num_dropped = int((found == 0).sum())
    assert chance_of_a_worse_share(num_dropped, 400_000, rate) > 1e-4
    levels = round(rate * 2**16)
    assert found.unique().tolist() == [0.0, 2**16 / (2**16 - levels)]


def test_a_quarter_is_exact() -> None:
    """Of the 65,536 numbers those below 16,384 drop, so that units are kept with 3/4 and scaled by 4/3."""
    assert mask(1000, 0.25).max().item() == 4 / 3


def test_the_rarest_drop_and_less() -> None:
    assert int((mask(2**20, 2**-16) == 0).sum()) in range(2, 50)  # 16 are expected
    assert mask(2**20, 2**-18).unique().tolist() == [1.0]


def test_the_four_numbers_of_an_integer_are_independent() -> None:
    """Each place drops as often as the others, and two of them together as often as chance has it: 1 in 4."""
    is_dropped = (mask(400_000, 0.5) == 0).view(-1, 4).double()
    together = is_dropped.T @ is_dropped / len(is_dropped)
    expected = torch.full((4, 4), 0.25, dtype=torch.float64).fill_diagonal_(0.5)
    torch.testing.assert_close(together, expected, rtol=0, atol=0.008)  # 5 standard deviations


@given(sizes=st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 9)), kind=st.sampled_from(KINDS))
@settings(deadline=None, max_examples=40)
def test_masks_of_any_size_and_type(sizes: tuple[int, int, int], kind: torch.dtype) -> None:
    found = dropout_mask(torch.Size(sizes), 0.5, kind, CPU)
    assert (found.shape, found.dtype) == (sizes, kind)
    assert set(found.unique().tolist()) <= {0.0, 2.0}


def test_the_global_generator_decides() -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first, second = (Dropout(0.5)(ones()) for _ in range(2))
    torch.set_rng_state(state)
    assert torch.equal(Dropout(0.5)(ones()), first)
    assert torch.equal(Dropout(0.5)(ones()), second)
    assert not torch.equal(first, second)


# ----------------------------------------------------------------------------------------------------------------------
# The layer


@pytest.mark.parametrize("is_locked", [False, True])
def test_a_share_is_dropped_and_the_mean_stays(is_locked: bool) -> None:
    torch.manual_seed(1)
    dropped = Dropout(0.2, is_locked=is_locked)(ones(150, 4, 200))
    kept = dropped[:, :1] if is_locked else dropped
    assert chance_of_a_worse_share(int((kept == 0).sum()), kept.numel(), 0.2) > 1e-4
    assert dropped.mean().item() == pytest.approx(1, abs=0.015)


def test_locked_drops_the_same_units_at_all_positions_of_a_sentence() -> None:
    torch.manual_seed(1)
    dropped_BTE = Dropout(0.5, is_locked=True)(ones(num_units=40))
    assert torch.equal(dropped_BTE, dropped_BTE[:, :1].expand(B, T, 40))
    assert not torch.equal(dropped_BTE[0], dropped_BTE[1])


def test_unlocked_positions_differ() -> None:
    torch.manual_seed(1)
    dropped_BTE = Dropout(0.5)(ones(num_units=40))
    assert len({tuple(row) for row in dropped_BTE.flatten(0, 1).tolist()}) == B * T


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("is_locked", [False, True])
def test_the_gradient_is_the_mask(is_locked: bool, kind: torch.dtype) -> None:
    torch.manual_seed(1)
    states_BTE = torch.randn(B, T, E, dtype=kind, requires_grad=True)
    upstream_BTE = torch.randn(B, T, E, dtype=kind)
    dropped_BTE = Dropout(0.5, is_locked=is_locked)(states_BTE)
    (gradient_BTE,) = torch.autograd.grad(dropped_BTE, states_BTE, upstream_BTE)
    is_kept_BTE = dropped_BTE.detach() != 0
    assert torch.equal(dropped_BTE, torch.where(is_kept_BTE, 2 * states_BTE, 0))
    assert torch.equal(gradient_BTE, torch.where(is_kept_BTE, 2 * upstream_BTE, 0))
    assert dropped_BTE.dtype == gradient_BTE.dtype == kind


@pytest.mark.parametrize("is_locked", [False, True])
def test_gradients_by_differences(is_locked: bool) -> None:
    states_BTE = torch.randn(B, T, E, dtype=torch.float64, requires_grad=True)

    def drop(states_BTE: Tensor) -> Tensor:
        torch.manual_seed(1)
        return Dropout(0.3, is_locked=is_locked)(states_BTE)

    assert torch.autograd.gradcheck(drop, [states_BTE])


def test_under_autocast_the_type_stays() -> None:
    dropout = Dropout(0.5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert dropout(ones()).dtype == torch.float32
        assert dropout(ones().bfloat16()).dtype == torch.bfloat16
        assert dropout(ones().bfloat16(), torch.full((B, 1, E), 2.0)).dtype == torch.bfloat16


@pytest.mark.parametrize("is_locked", [False, True])
def test_evaluating_or_with_rate_0_nothing_is_dropped_or_drawn(is_locked: bool) -> None:
    states_BTE = ones()
    before = torch.get_rng_state()
    for dropout in (Dropout(0.5, is_locked=is_locked).eval(), Dropout(0.0, is_locked=is_locked)):
        assert dropout(states_BTE) is states_BTE
        assert dropout.sentence_mask(B, E, CPU) is None
    assert torch.equal(torch.get_rng_state(), before)


def test_a_mask_for_steps_is_what_a_whole_sentence_would_get() -> None:
    dropout, states_BTE = Dropout(0.5, is_locked=True), torch.randn(B, T, E)
    torch.manual_seed(1)
    whole_BTE = dropout(states_BTE)
    torch.manual_seed(1)
    mask_B1E = dropout.sentence_mask(B, E, CPU)
    assert torch.equal(torch.cat([dropout(each, mask_B1E) for each in states_BTE.split(1, dim=1)], dim=1), whole_BTE)
    assert Dropout(0.5).sentence_mask(B, E, CPU) is None  # unlocked, each step draws its own


def test_a_printed_model_shows_the_rate() -> None:
    assert str(Dropout(0.25, is_locked=True)) == "Dropout(0.25, is_locked=True)"


# ----------------------------------------------------------------------------------------------------------------------
# Words


@pytest.mark.parametrize("spared", [BOS, EOS])
def test_special_ids_are_never_dropped(spared: int) -> None:
    ids_BT = torch.tensor([[spared, 4, 5, PAD], [6, 7, spared, PAD]])
    seen = [drop_tokens(ids_BT, 0.6, spared=spared) for _ in range(60)]
    assert all(torch.equal(found[ids_BT < 4], ids_BT[ids_BT < 4]) for found in seen)
    assert all(bool(((found == ids_BT) | (found == UNK)).all()) for found in seen)
    assert all(
        {found[row, column].item() for found in seen} == {UNK, ids_BT[row, column].item()}
        for row, column in ((0, 1), (0, 2), (1, 0), (1, 1))
    )


def test_the_share_of_tokens() -> None:
    torch.manual_seed(1)
    ids_BT = torch.full((200, 100), 9)
    num_dropped = int((drop_tokens(ids_BT, 0.15, spared=EOS) == UNK).sum())
    assert chance_of_a_worse_share(num_dropped, ids_BT.numel(), 0.15) > 1e-4
    assert bool((ids_BT == 9).all())


def test_no_share_of_tokens_draws_nothing() -> None:
    before, ids_BT = torch.get_rng_state(), torch.tensor([[4, 5]])
    assert drop_tokens(ids_BT, 0.0, spared=EOS) is ids_BT
    assert torch.equal(torch.get_rng_state(), before)
