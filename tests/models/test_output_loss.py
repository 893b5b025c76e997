"""The output layer and its loss in one piece, against plain torch in float64.

N = 5 positions, O = 3 units, V = 7 tokens.
"""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from s2s.models import output_loss as module
from s2s.models.output_loss import output_loss

N, O, V = 5, 3, 7  # noqa: E741


def inputs(num_positions: int = N, dtype: torch.dtype = torch.float32, scale: float = 1.0) -> tuple[Tensor, ...]:
    """States, weight and bias, all of which take gradients, and targets."""
    generator = torch.Generator().manual_seed(7)
    states_NO, weight_VO, bias_V = (
        (scale * torch.randn(*shape, generator=generator)).to(dtype).requires_grad_()
        for shape in ((num_positions, O), (V, O), (V,))
    )
    return states_NO, weight_VO, bias_V, torch.randint(V, (num_positions,), generator=generator)


def reference(
    states_NO: Tensor, weight_VO: Tensor, bias_V: Tensor, target_N: Tensor, label_smoothing: float, divisor: float = 1.0
) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """The smoothed loss, the plain loss, and the gradients of the smoothed one, in float64."""
    sources = [tensor.detach().double().requires_grad_() for tensor in (states_NO, weight_VO, bias_V)]
    logits_NV = torch.nn.functional.linear(*sources)
    cross_entropy = torch.nn.functional.cross_entropy
    smoothed = cross_entropy(logits_NV, target_N, reduction="sum", label_smoothing=label_smoothing)
    plain = cross_entropy(logits_NV, target_N, reduction="sum").detach()
    return smoothed.detach(), plain, torch.autograd.grad(smoothed / divisor, sources)


def assert_equal(found: object, expected: object, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance, check_dtype=False)


def test_loss_on_paper() -> None:
    # Logits (0, ln 3) give the words 1/4 and 3/4. The target is word 1, smoothed by a half to (1/4, 3/4).
    states_NO, weight_VO = torch.ones(1, 1), torch.tensor([[0.0], [math.log(3)]])
    smoothed_nats, loss_nats = output_loss(states_NO, weight_VO, torch.zeros(2), torch.tensor([1]), 0.5)
    assert loss_nats.item() == pytest.approx(math.log(4 / 3))
    assert smoothed_nats.item() == pytest.approx(0.25 * math.log(4) + 0.75 * math.log(4 / 3))


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_value_and_gradients_equal_torch(dtype: torch.dtype, label_smoothing: float) -> None:
    *sources, target_N = inputs(dtype=dtype)
    smoothed_nats, loss_nats = output_loss(*sources, target_N, label_smoothing)
    smoothed, plain, gradients = reference(*sources, target_N, label_smoothing)
    assert_equal((smoothed_nats, loss_nats), (smoothed, plain))
    found = torch.autograd.grad(smoothed_nats, sources)
    assert [tensor.dtype for tensor in found] == [dtype] * 3
    assert_equal(found, gradients)


def test_without_smoothing_both_losses_are_the_same() -> None:
    smoothed_nats, loss_nats = output_loss(*inputs(), 0.0)
    assert_equal(smoothed_nats, loss_nats)


def test_the_plain_loss_takes_no_gradient() -> None:
    smoothed_nats, loss_nats = output_loss(*inputs(), 0.1)
    assert smoothed_nats.requires_grad
    assert not loss_nats.requires_grad


@given(rows=st.integers(1, 9), num_positions=st.integers(1, 23), label_smoothing=st.sampled_from([0.0, 0.1]))
@settings(max_examples=20, deadline=None)
def test_slices_change_nothing(rows: int, num_positions: int, label_smoothing: float) -> None:
    *sources, target_N = inputs(num_positions)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_SLICE_BYTES", rows * V * 4)
        found = output_loss(*sources, target_N, label_smoothing)
    smoothed, plain, gradients = reference(*sources, target_N, label_smoothing)
    assert_equal(found, (smoothed, plain))
    assert_equal(torch.autograd.grad(found[0], sources), gradients)


def test_a_vocabulary_wider_than_a_slice_is_taken_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SLICE_BYTES", 1)
    *sources, target_N = inputs()
    smoothed_nats, _ = output_loss(*sources, target_N, 0.1)
    smoothed, _, gradients = reference(*sources, target_N, 0.1)
    assert_equal(smoothed_nats, smoothed)
    assert_equal(torch.autograd.grad(smoothed_nats, sources), gradients)


def test_extreme_logits_stay_finite_and_right() -> None:
    *sources, target_N = inputs(scale=100.0)
    logits_NV = torch.nn.functional.linear(*(tensor.detach() for tensor in sources))
    assert logits_NV.abs().max().item() > 1e4
    smoothed_nats, loss_nats = output_loss(*sources, target_N, 0.1)
    smoothed, plain, gradients = reference(*sources, target_N, 0.1)
    torch.testing.assert_close((smoothed_nats.double(), loss_nats.double()), (smoothed, plain), rtol=1e-5, atol=1e-2)
    found = torch.autograd.grad(smoothed_nats, sources)
    assert all(bool(torch.isfinite(gradient).all()) for gradient in found)
    assert_equal(found, gradients, tolerance=1e-3)


def test_upstream_scale_reaches_every_gradient() -> None:
    *sources, target_N = inputs()
    smoothed_nats, _ = output_loss(*sources, target_N, 0.1)
    _, _, gradients = reference(*sources, target_N, 0.1, divisor=13.0)
    assert_equal(torch.autograd.grad(smoothed_nats / 13.0, sources), gradients)


def test_gradients_can_be_asked_for_twice() -> None:
    *sources, target_N = inputs()
    smoothed_nats, _ = output_loss(*sources, target_N, 0.1)
    first = torch.autograd.grad(smoothed_nats, sources, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(smoothed_nats, sources), first, rtol=0, atol=0)


def test_arguments_stay_as_they_were() -> None:
    sources = inputs()
    before = [tensor.detach().clone() for tensor in sources]
    output_loss(*sources, 0.1)[0].backward()
    assert all(torch.equal(old, new) for old, new in zip(before, sources, strict=True))


def test_it_runs_without_gradients() -> None:
    sources = inputs()
    with torch.no_grad():
        smoothed_nats, loss_nats = output_loss(*sources, 0.1)
    assert not smoothed_nats.requires_grad
    assert_equal((smoothed_nats, loss_nats), output_loss(*sources, 0.1))


def test_no_positions_have_no_loss_and_zero_gradients() -> None:
    *sources, target_N = inputs(0)
    smoothed_nats, loss_nats = output_loss(*sources, target_N, 0.1)
    assert (smoothed_nats.item(), loss_nats.item()) == (0.0, 0.0)
    assert all(not gradient.any() for gradient in torch.autograd.grad(smoothed_nats, sources))


def test_under_autocast_sums_are_fp32_and_weights_get_fp32_gradients() -> None:
    *sources, target_N = inputs()
    with torch.autocast("cpu", torch.bfloat16):
        smoothed_nats, loss_nats = output_loss(*sources, target_N, 0.1)
    assert smoothed_nats.dtype is loss_nats.dtype is torch.float32
    found = torch.autograd.grad(smoothed_nats, sources)
    assert [tensor.dtype for tensor in found] == [torch.float32] * 3
    smoothed, plain, gradients = reference(*sources, target_N, 0.1)
    assert_equal((smoothed_nats, loss_nats), (smoothed, plain), tolerance=0.03)  # bf16 holds 8 bits
    assert_equal(found, gradients, tolerance=0.05)
