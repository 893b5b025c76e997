"""Optimizers, learning-rate schedules, the moving average of the weights, and gradient clipping."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from s2s.config.optim import OptimConfig, Optimizer, Schedule


def build_optimizer(parameters: list[nn.Parameter], config: OptimConfig) -> torch.optim.Optimizer:
    """A fused optimizer, one pass over all weights; the loop sets the learning rate of every parameter group.

    Adam (Kingma and Ba 2015, algorithm 1), AdamW (Loshchilov and Hutter 2019, algorithm 2), or stochastic gradient
    descent with momentum (the velocity v <- momentum * v + gradient, the step -rate * v).
    """
    groups = parameter_groups(parameters, config.weight_decay)
    rate, betas = config.learning_rate, (config.adam_beta1, config.adam_beta2)
    match config.optimizer:
        case Optimizer.adam:
            return torch.optim.Adam(groups, lr=rate, betas=betas, eps=1e-8, fused=True)
        case Optimizer.adamw:
            return torch.optim.AdamW(groups, lr=rate, betas=betas, eps=1e-8, fused=True)
        case Optimizer.sgd:
            return torch.optim.SGD(groups, lr=rate, momentum=config.momentum, fused=True)


def parameter_groups(parameters: list[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups with their weight decay; biases have none, since a small bias is no simpler than a large one.

    One group without weight decay, else one of matrices and one of biases (one-dimensional), where there are any.
    """
    if weight_decay == 0:
        return [{"params": parameters, "weight_decay": 0.0}]
    groups = [
        {"params": [weight for weight in parameters if weight.dim() > 1], "weight_decay": weight_decay},
        {"params": [bias for bias in parameters if bias.dim() <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def learning_rate(
    step: int,
    *,
    highest: float,
    schedule: Schedule,
    warmup_steps: int,
    decay_steps: int | None = None,
    plateau_scale: float = 1.0,
) -> float:
    """The learning rate of a step, counted from 1.

    It grows linearly to `highest` over `warmup_steps`. After that it stays (constant), falls with 1 / sqrt(step)
    (inverse_sqrt; Vaswani et al. 2017, eq. 3), falls along half a cosine to 0 at `decay_steps` and stays there (cosine;
    Loshchilov and Hutter 2017, eq. 5, without restarts), or is scaled by `plateau_scale` (plateau; see `Plateau`).
    """
    if step < warmup_steps:
        return highest * step / warmup_steps
    match schedule:
        case Schedule.constant:
            return highest
        case Schedule.inverse_sqrt:
            return highest * math.sqrt(max(warmup_steps, 1) / step)
        case Schedule.cosine:
            assert decay_steps is not None, "cosine needs the step at which it ends"
            if step >= decay_steps:
                return 0.0
            first = max(warmup_steps, 1)
            return highest * (1 + math.cos(math.pi * (step - first) / (decay_steps - first))) / 2
        case Schedule.plateau:
            return highest * plateau_scale


@dataclass
class Plateau:
    """Lowers the learning rate when the dev loss no longer falls.

    Attributes:
        scale: factor of the learning rate, in (0, 1].
        best_loss: lowest dev loss so far.
        num_waited: validations since then, or since the last reduction.
    """

    scale: float = 1.0
    best_loss: float = math.inf
    num_waited: int = 0

    def update(self, loss: float, *, factor: float, patience: int) -> None:
        """Take a new dev loss; reduce the scale if more than `patience` validations in a row were no better."""
        if loss < self.best_loss:
            self.best_loss, self.num_waited = loss, 0
            return
        self.num_waited += 1
        if self.num_waited > patience:
            self.scale, self.num_waited = self.scale * factor, 0


class WeightAverage:
    """An exponential moving average of the weights, smoother than any of them (Polyak and Juditsky 1992).

    The decay grows to its full value over the first steps, so that the random start is soon forgotten. Only every
    fourth step is averaged, with the decay of four: a pass over all weights costs as much as a third of Adam, and
    weights four steps apart are almost the same.
    """

    EVERY = 4

    def __init__(self, parameters: list[nn.Parameter], decay: float) -> None:
        self.decay = decay
        self.parameters = parameters
        self.averages: list[Tensor] = [parameter.detach().clone() for parameter in parameters]

    def update(self, step: int) -> None:
        """Average in the weights after a step, counted from 1."""
        if step % self.EVERY == 0:
            decay = min(self.decay, step / (step + 9)) ** self.EVERY
            get_ema_multi_avg_fn(decay)(self.averages, self.parameters, None)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange weights and averages; a second call undoes the first."""
        for average, parameter in zip(self.averages, self.parameters, strict=True):
            held = average.clone()
            average.copy_(parameter)
            parameter.copy_(held)


@torch.no_grad()
def clipped_step(
    optimizer: torch.optim.Optimizer,
    parameters: list[nn.Parameter],
    loss_nats: Tensor,
    max_grad_norm: float,
    sum_over_ranks: Callable[[Tensor], Tensor],
) -> Tensor:
    """Update the weights, unless loss or gradient is not finite; the host does not wait for a GPU.

    A fused optimizer divides gradients by `grad_scale` in its one pass over them, and leaves everything as it is where
    `found_inf` is 1: the two attributes by which torch.amp.GradScaler drives it.

    Args:
        optimizer: a fused one.
        parameters: all of its weights.
        loss_nats: of this rank's share, a scalar.
        max_grad_norm: gradients of a larger norm are scaled down to it; 0 leaves them.
        sum_over_ranks: sums a tensor, so that all ranks skip a step or none.

    Returns:
        Whether the step was skipped, a scalar on the device.
    """
    norm = torch.nn.utils.get_total_norm([weight.grad for weight in parameters if weight.grad is not None])
    is_bad = sum_over_ranks((~(norm.isfinite() & loss_nats.isfinite())).float()) > 0
    scale = (norm / max_grad_norm).clamp(min=1) if max_grad_norm else torch.ones_like(norm)
    optimizer.found_inf, optimizer.grad_scale = is_bad.float(), scale  # type: ignore[attr-defined]
    optimizer.step()
    return is_bad
