"""What can be trained: a model that computes its loss."""

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

from s2s.data.batching import Batch


class Loss(NamedTuple):
    """The loss of a batch, as sums over all that is predicted: real target positions (`</s>` included), or labels.

    Attributes:
        smoothed_nats: cross-entropy against the smoothed target; what training minimises.
        loss_nats: cross-entropy against the target itself, without gradient; what metrics and perplexity use.
    """

    smoothed_nats: Tensor
    loss_nats: Tensor


class Model(nn.Module, ABC):
    """The base class of `Seq2Seq` and `Classifier`."""

    @abstractmethod
    def loss(self, batch: Batch, label_smoothing: float = 0.0) -> Loss:
        """The loss of a batch; `label_smoothing` is the share of the target spread over all tokens or classes."""


def perplexity(loss_nats: float) -> float:
    """exp(loss): between how many tokens the model is, on average, undecided."""
    return math.exp(min(loss_nats, 700))  # the largest power that a float holds is e ** 709
