"""The ranks of a command: one process, or several that torchrun started, on one machine or many.

In training, every rank holds the whole model and takes its share of the sentences of every batch;
DistributedDataParallel adds up the gradients. So an update is that of one process with the same batch, whatever the
number of ranks.
"""

import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from s2s.data.batching import Batch
from s2s.distributed import Ranks
from s2s.models.model import Model


class _Loss(nn.Module):
    """The loss as a forward pass, which is what DistributedDataParallel watches."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, label_smoothing: float) -> tuple[Tensor, Tensor]:
        loss = self.model.loss(batch, label_smoothing)
        return loss.smoothed_nats, loss.loss_nats


class ParallelLoss:
    """The loss of a model whose gradients are added up over the ranks; with one rank, that of the model itself."""

    def __init__(self, model: Model, ranks: Ranks) -> None:
        self.model, self.ranks = model, ranks
        self._parallel: DistributedDataParallel | None = None
        if ranks.size > 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # of torch's own making
                self._parallel = DistributedDataParallel(_Loss(model), gradient_as_bucket_view=True)

    def __call__(self, batch: Batch, label_smoothing: float) -> tuple[Tensor, Tensor]:
        """The smoothed loss, to be minimised, and the plain loss of this rank's share, both in nats."""
        if self._parallel is None:
            loss = self.model.loss(batch, label_smoothing)
            return loss.smoothed_nats, loss.loss_nats
        # DistributedDataParallel takes the mean over ranks, and the loss is a sum.
        smoothed_nats, loss_nats = self._parallel(batch, label_smoothing)
        return smoothed_nats * self.ranks.size, loss_nats

    def alone(self) -> AbstractContextManager[Any]:
        """A block whose gradients stay on this rank until the next backward pass outside of it."""
        return nullcontext() if self._parallel is None else self._parallel.no_sync()
