"""How weights move: Adam, the learning rate as a function of the step, and an average of the weights."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from s2s.config import OptimConfig, Schedule


def build_optimizer(parameters: list[nn.Parameter], config: OptimConfig) -> torch.optim.Adam:
    """Adam (Kingma and Ba 2015) in one fused pass over all weights; the loop sets its learning rate."""
    betas = (config.adam_beta1, config.adam_beta2)
    return torch.optim.Adam(parameters, lr=config.learning_rate, betas=betas, eps=1e-8, fused=True)


def learning_rate(
    step: int,
    *,
    highest: float,
    schedule: Schedule,
    warmup_steps: int,
    decay_steps: int = 0,
    plateau_scale: float = 1.0,
) -> float:
    """The learning rate of a step, counted from 1.

    It grows linearly to `highest` over `warmup_steps`. After that it stays (constant), falls with 1 / sqrt(step)
    (inverse_sqrt; Vaswani et al. 2017, eq. 3), or is scaled by `plateau_scale` (plateau; see `Plateau`).
    """
    if step < warmup_steps:
        return highest * step / warmup_steps
    match schedule:
        case Schedule.constant:
            return highest
        case Schedule.inverse_sqrt:
            return highest * math.sqrt(max(warmup_steps, 1) / step)
        case Schedule.cosine:
            raise AssertionError
        case Schedule.plateau:
            return highest * plateau_scale


@dataclass
class Plateau:
    """Lowers the learning rate when the dev loss no longer falls.

    Attributes:
        scale: factor of the learning rate, in (0, 1].
        best_loss: lowest dev loss seen.
        num_waited: validations since then, or since the last cut.
    """

    scale: float = 1.0
    best_loss: float = math.inf
    num_waited: int = 0

    def update(self, loss: float, *, factor: float, patience: int) -> None:
        """Look at a new dev loss; cut the scale when more than `patience` validations in a row were no better."""
        if loss < self.best_loss:
            self.best_loss, self.num_waited = loss, 0
            return
        self.num_waited += 1
        if self.num_waited > patience:
            self.scale, self.num_waited = self.scale * factor, 0


class WeightAverage:
    """An exponential moving average of the weights, smoother than any of them (Polyak and Juditsky 1992).

    The decay grows from 0.1 to its full value over the first steps, so that the random start is soon forgotten.
    """

    def __init__(self, parameters: list[nn.Parameter], decay: float) -> None:
        self.decay = decay
        self.parameters = parameters
        self.averages: list[Tensor] = [parameter.detach().clone() for parameter in parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 1."""
        decay = min(self.decay, step / (step + 9))
        torch._foreach_lerp_(self.averages, list(self.parameters), 1 - decay)

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
    """Move the weights, unless loss or gradient is not finite; no host waits for a GPU.

    A fused optimizer divides gradients by `grad_scale` in its one pass over them, and leaves everything as it is where
    `found_inf` is 1: the two attributes by which torch.amp.GradScaler drives it.

    Args:
        optimizer: a fused one.
        parameters: all of its weights.
        loss_nats: of this rank's share, a scalar.
        max_grad_norm: gradients of a larger norm are scaled down to it; 0 leaves them.
        sum_over_ranks: adds up a tensor, so that all ranks skip a step or none.

    Returns:
        Whether the step was skipped, a scalar on the device.
    """
    norm = torch.nn.utils.get_total_norm([weight.grad for weight in parameters if weight.grad is not None])
    is_bad = sum_over_ranks((~(norm.isfinite() & loss_nats.isfinite())).float()) > 0
    scale = (norm / max_grad_norm).clamp(min=1) if max_grad_norm else torch.ones_like(norm)
    optimizer.found_inf, optimizer.grad_scale = is_bad.float(), scale  # type: ignore[attr-defined]
    optimizer.step()
    return is_bad
