"""The loss over several ranks (data parallelism).

Every rank holds the whole model and takes its share of the sentences of every batch; DistributedDataParallel adds up
the gradients. So an update is that of one process with the same batch, whatever the number of ranks.
"""

import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from s2s.data.batching import Batch
from s2s.distributed import Ranks
from s2s.models.model import Loss, Model


class _Loss(nn.Module):
    """The loss as a forward pass, which is what DistributedDataParallel hooks into."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, label_smoothing: float) -> Loss:
        return self.model.loss(batch, label_smoothing)


class ParallelLoss:
    """The loss of a model whose gradients are summed over the ranks; with one rank, that of the model itself."""

    def __init__(self, model: Model, ranks: Ranks) -> None:
        self._loss: nn.Module = _Loss(model)
        self._num_ranks = ranks.size
        if ranks.size > 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # from within torch
                self._loss = DistributedDataParallel(self._loss, gradient_as_bucket_view=True)

    def __call__(self, batch: Batch, label_smoothing: float) -> Loss:
        """The loss of this rank's share."""
        smoothed_nats, loss_nats = self._loss(batch, label_smoothing)
        # DistributedDataParallel takes the mean over ranks, and the loss is a sum.
        return Loss(smoothed_nats * self._num_ranks, loss_nats)

    def no_sync(self) -> AbstractContextManager[Any]:
        """A block whose gradients stay on this rank until the next backward pass outside of it."""
        return self._loss.no_sync() if isinstance(self._loss, DistributedDataParallel) else nullcontext()
