"""Options of the optimizer and of the loss."""

import dataclasses
import enum
from dataclasses import dataclass

from s2s.config.options import Options, option
from s2s.errors import ConfigError


class Schedule(enum.Enum):
    """How the learning rate moves after warm-up."""

    constant = "constant"
    inverse_sqrt = "inverse_sqrt"
    cosine = "cosine"
    plateau = "plateau"


class Optimizer(enum.Enum):
    """The rule by which gradients move weights."""

    adam = "adam"
    adamw = "adamw"
    sgd = "sgd"


_ADAM = [Optimizer.adam, Optimizer.adamw]


@dataclass
class OptimConfig(Options):
    """How weights move."""

    optimizer: Optimizer = option(Optimizer.adam, "adam, adamw or sgd")
    learning_rate: float = option(2e-3, "highest learning rate", low=0, high=1000)
    schedule: Schedule = option(Schedule.inverse_sqrt, "constant, inverse_sqrt, cosine or plateau, after warm-up")
    warmup_steps: int = option(200, "steps in which the learning rate grows linearly from 0", low=0, high=1_000_000_000)
    decay_steps: int | None = option(
        None,
        "cosine: step at which the rate has fallen to 0; left out: training.max_steps",
        low=1,
        high=1_000_000_000,
        only=[Schedule.cosine],
    )
    plateau_factor: float = option(
        0.5,
        "plateau: factor of the learning rate after validations without a better loss",
        low=0,
        high=1,
        only=[Schedule.plateau],
    )
    plateau_patience: int = option(
        1, "plateau: validations without a better loss to wait", low=0, high=1_000_000, only=[Schedule.plateau]
    )
    adam_beta1: float = option(0.9, "adam, adamw: decay of the mean of gradients", low=0, high=0.9999, only=_ADAM)
    adam_beta2: float = option(
        0.998, "adam, adamw: decay of the mean of squared gradients", low=0, high=0.99999, only=_ADAM
    )
    momentum: float = option(0.9, "sgd: decay of the sum of gradients", low=0, high=0.9999, only=[Optimizer.sgd])
    weight_decay: float = option(
        0.0,
        "adamw: share of a weight subtracted a step, times the learning rate; adam, sgd: L2 penalty",
        low=0,
        high=1000,
    )
    max_grad_norm: float = option(
        1.0, "norm to which larger gradients are scaled down; 0: no clipping", low=0, high=1_000_000
    )
    label_smoothing: float = option(
        0.1, "share of the target's probability spread evenly over the vocabulary", low=0, high=0.9
    )
    ema_decay: float = option(
        0.998, "decay of the moving average of weights that is validated and kept; 0: none", low=0, high=1
    )

    def ending_at(self, max_steps: int) -> "OptimConfig":
        """The same options with the end of a cosine, if there is one and it is left out: the last step of the run."""
        if self.schedule is not Schedule.cosine or self.decay_steps is not None:
            return self
        # The rate falls after the warm-up, even if the run ends before either does.
        return dataclasses.replace(self, decay_steps=max(max_steps, self.warmup_steps + 1))

    def check(self) -> None:
        if self.decay_steps is not None and self.decay_steps <= self.warmup_steps:
            raise ConfigError(
                f"optim.decay_steps={self.decay_steps} must be greater than optim.warmup_steps={self.warmup_steps}: "
                "the learning rate falls after warm-up"
            )
