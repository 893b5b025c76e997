"""The ranks of a command: one process, or several that torchrun started, on one machine or many.

In training, every rank holds the whole model and takes its share of the sentences of every batch;
DistributedDataParallel adds up the gradients. So an update is that of one process with the same batch, whatever the
number of ranks.
"""

import datetime
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from s2s.data.batching import Batch
from s2s.errors import RankEnded, TrainingError
from s2s.models.loss import Learner

T = TypeVar("T")
_LONGEST_WAIT = datetime.timedelta(hours=2)  # the others wait while the first rank prepares text or validates


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this one is, and what they tell one another.

    Attributes:
        rank: of this process, from 0. The first one alone writes files and tells the user.
        size: number of ranks.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this rank writes."""
        return self.rank == 0

    def largest(self, values: Sequence[float]) -> list[float]:
        """The largest of each value over the ranks; the same answer on all."""
        if self.size == 1:
            return list(values)
        found = torch.tensor(values, dtype=torch.float64, device=_message_device())
        dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return found.tolist()

    def sum(self, values: Tensor) -> Tensor:
        """A tensor added up over the ranks; no host waits for it."""
        if self.size == 1:
            return values
        total = values.clone()
        dist.all_reduce(total)
        return total

    def gather(self, value: T) -> list[T]:
        """The value of every rank, on every rank."""
        values: list[Any] = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(values, value)
        return values

    def from_first(self, work: Callable[[], T]) -> T:
        """What `work` returns on the first rank, told to all; the others wait.

        Raises:
            S2SError: `work` raised it; the others raise RankEnded, so that all ranks end.
        """
        if self.size == 1:
            return work()
        told: list[Any] = [None, None]
        failure: BaseException | None = None
        if self.is_first:
            try:
                told[0] = work()
            except BaseException as error:
                failure, told[1] = error, getattr(error, "exit_code", 1)
        dist.broadcast_object_list(told)
        if failure is not None:
            raise failure
        if told[1] is not None:
            raise RankEnded(told[1])
        return told[0]  # type: ignore[no-any-return]


def _message_device() -> torch.device:
    """Where a tensor has to be for the backend to send it."""
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")


def local_rank() -> int:
    """Which of this machine's processes this one is: the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


@contextmanager
def connected(device: torch.device, longest_wait: datetime.timedelta = _LONGEST_WAIT) -> Iterator[Ranks]:
    """Meet the other ranks, where torchrun started any; part from them at the end.

    Args:
        device: where the tensors are that they exchange.
        longest_wait: for another rank, which is lost after that.

    Raises:
        TrainingError: another rank ended too early.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield Ranks()
        return
    if device.type == "cuda":
        torch.cuda.set_device(local_rank())
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=longest_wait)
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size())
        dist.barrier()  # a rank that leaves early looks to the others like one that was lost
    except RuntimeError as error:
        if not _is_lost_peer(error):
            raise
        reason = str(error).splitlines()[0]
        raise TrainingError(
            f"another rank is lost, so this one ends too ({reason}); the other's own message says why, and the same "
            "command goes on from what was saved last"
        ) from error
    finally:
        dist.destroy_process_group()


def _is_lost_peer(error: RuntimeError) -> bool:
    """Whether an error tells of a broken connection between ranks; gloo raises plain RuntimeErrors."""
    words = ("connection", "peer", "nccl", "gloo", "timed out", "broken pipe")
    return isinstance(error, dist.DistError) or any(word in str(error).lower() for word in words)


class _Loss(nn.Module):
    """The loss as a forward pass, which is what DistributedDataParallel watches."""

    def __init__(self, model: Learner) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, label_smoothing: float) -> tuple[Tensor, Tensor]:
        loss = self.model.loss(batch, label_smoothing)
        return loss.smoothed_nats, loss.loss_nats


class ParallelLoss:
    """The loss of a model whose gradients are added up over the ranks; with one rank, that of the model itself."""

    def __init__(self, model: Learner, ranks: Ranks) -> None:
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
