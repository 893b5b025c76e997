"""TODO: say what s2s.models.model is."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from s2s.data.batching import Batch


@dataclass(frozen=True)
class Loss:
    """The loss of a batch, as sums over all that there is to say: real target positions (`</s>` included), or labels.

    Attributes:
        smoothed_nats: cross-entropy against the smoothed target; what training minimises.
        loss_nats: cross-entropy against the target itself, without gradient; what metrics and perplexity use.
    """

    smoothed_nats: Tensor
    loss_nats: Tensor


class Model(nn.Module, ABC):
    """What can be trained: a model that tells its loss."""

    @abstractmethod
    def loss(self, batch: Batch, label_smoothing: float = 0.0) -> Loss:
        """The loss of a batch; `label_smoothing` is the share of the target spread over all pieces or classes."""


def perplexity(loss_nats: float) -> float:
    """exp(loss): between how many words the model is, on average, undecided."""
    return math.exp(min(loss_nats, 700))  # the largest power that a float holds is e ** 709
