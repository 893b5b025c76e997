"""The output layer and its loss in one piece, with a single copy of the logits.

N target positions, O units of an attentional state, V tokens of the vocabulary. Logits are the largest tensor of a
training step (N x V); plain torch holds them, their log-softmax and a gradient, and walks over each several times.
Here the forward pass turns the logits into their own gradient, in place, in slices that stay in the cache.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_SLICE_BYTES = 4 * 2**20


class _OutputLoss(torch.autograd.Function):
    """Sum over positions of cross-entropy with label smoothing e: -(1 - e) log p(y) - e / V sum_v log p(v).

    With z the logits and Z their log-sum-exp, log p(v) = z(v) - Z, so the loss of a position is
    Z - (1 - e) z(y) - e mean(z), and its gradient with respect to z is softmax(z) - (1 - e) [v = y] - e / V.
    """

    @staticmethod
    def forward(
        ctx: Any, states_NO: Tensor, weight_VO: Tensor, bias_V: Tensor, target_N: Tensor, label_smoothing: float
    ) -> tuple[Tensor, Tensor]:
        logits_NV = torch.nn.functional.linear(states_NO, weight_VO, bias_V)
        smoothed_nats, loss_nats = _to_gradient(logits_NV, target_N, label_smoothing)
        ctx.save_for_backward(states_NO, weight_VO, logits_NV)
        ctx.mark_non_differentiable(loss_nats)
        return smoothed_nats, loss_nats

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        states_NO, weight_VO, gradient_NV = ctx.saved_tensors
        scale = upstream[0].to(gradient_NV.dtype)  # a scalar: scale the small products, not the N x V matrix
        states_gradient_NO = (gradient_NV @ weight_VO) * scale
        weight_gradient_VO = (gradient_NV.T @ states_NO) * scale
        return states_gradient_NO, weight_gradient_VO, gradient_NV.sum(0) * scale, None, None


def _to_gradient(logits_NV: Tensor, target_N: Tensor, label_smoothing: float) -> tuple[Tensor, Tensor]:
    """Overwrite logits with the gradient of the smoothed loss; return the summed smoothed and plain loss."""
    num_positions, num_tokens = logits_NV.shape
    smoothed_nats = logits_NV.new_zeros((), dtype=torch.float32)
    loss_nats = logits_NV.new_zeros((), dtype=torch.float32)
    rows = max(1, _SLICE_BYTES // (num_tokens * 4)) if logits_NV.device.type == "cpu" else num_positions
    for slice_RV, target_R in zip(logits_NV.split(rows), target_N.split(rows), strict=True):
        scores_RV = slice_RV.float()
        log_sum_R = torch.logsumexp(scores_RV, dim=1)
        chosen_R = scores_RV.gather(1, target_R[:, None]).squeeze(1)
        loss_nats += (log_sum_R - chosen_R).sum()
        smoothed_R = log_sum_R - (1 - label_smoothing) * chosen_R - label_smoothing * scores_RV.mean(dim=1)
        smoothed_nats += smoothed_R.sum()
        gradient_RV = scores_RV.sub_(log_sum_R[:, None]).exp_().sub_(label_smoothing / num_tokens)
        gradient_RV.scatter_add_(1, target_R[:, None], gradient_RV.new_full((len(target_R), 1), label_smoothing - 1))
        if gradient_RV is not slice_RV:
            slice_RV.copy_(gradient_RV)
    return smoothed_nats, loss_nats


def output_loss(
    states_NO: Tensor, weight_VO: Tensor, bias_V: Tensor, target_N: Tensor, label_smoothing: float
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of `states @ weight.T + bias` against targets, summed over N positions, in nats.

    Under autocast the matrix products run in its type; sums and losses are fp32.

    Returns:
        The label-smoothed loss, differentiable once, and the plain loss, without gradient.
    """
    if torch.is_autocast_enabled(states_NO.device.type):
        dtype = torch.get_autocast_dtype(states_NO.device.type)
        states_NO, weight_VO, bias_V = states_NO.to(dtype), weight_VO.to(dtype), bias_V.to(dtype)
    apply: Callable[..., tuple[Tensor, Tensor]] = _OutputLoss.apply
    return apply(states_NO, weight_VO, bias_V, target_N, label_smoothing)
