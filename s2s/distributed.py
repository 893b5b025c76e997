"""TODO: say what s2s.distributed is."""

import datetime
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from s2s.errors import RankEnded, TrainingError

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
