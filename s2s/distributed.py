"""The processes (ranks) of a command: one, or several that torchrun started, on one machine or many."""

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
from s2s.launcher import end_with_launcher, is_rank

T = TypeVar("T")
_TIMEOUT = datetime.timedelta(hours=2)  # the other ranks wait while the first one prepares text or validates


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this one is, and how they exchange values.

    Attributes:
        rank: of this process, from 0. Only the first one writes files and messages.
        size: number of ranks.
    """

    rank: int = 0
    size: int = 1

    @property
    def size_here(self) -> int:
        """Number of ranks on this machine."""
        return int(os.environ["LOCAL_WORLD_SIZE"]) if self.size > 1 else 1

    @property
    def is_first(self) -> bool:
        """Whether this rank writes."""
        return self.rank == 0

    def largest(self, values: Sequence[float]) -> list[float]:
        """The largest of each value over the ranks; the same answer on all."""
        if self.size == 1:
            return list(values)
        device = torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")  # from where the backend can send
        found = torch.tensor(values, dtype=torch.float64, device=device)
        dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return found.tolist()

    def sum(self, values: Tensor) -> Tensor:
        """A tensor summed over the ranks; no host waits for it."""
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

    def once_a_machine(self, work: Callable[[bool], T]) -> T:
        """Call `work(True)` on one rank of each machine, and when these are done `work(False)` on the others."""
        is_first_here = self.size == 1 or _local_rank() == 0
        result = [work(True)] if is_first_here else []
        if self.size > 1:
            dist.barrier()
        return result[0] if result else work(False)

    def from_first(self, work: Callable[[], T]) -> T:
        """Call `work` on the first rank and return its result on all; the others wait.

        Raises:
            S2SError: `work` raised it; the others raise RankEnded, so that all ranks end.
        """
        if self.size == 1:
            return work()
        message: list[Any] = [None, None]  # the result, and an exit code after an error
        failure: BaseException | None = None
        if self.is_first:
            try:
                message[0] = work()
            except BaseException as error:
                failure, message[1] = error, getattr(error, "exit_code", 1)
        dist.broadcast_object_list(message)
        if failure is not None:
            raise failure
        if message[1] is not None:
            raise RankEnded(message[1])
        return message[0]  # type: ignore[no-any-return]


def _local_rank() -> int:
    """The number of this process among those of its machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def take_gpu() -> None:
    """Compute on the GPU whose number is that of this process among those of its machine.

    Raises:
        TrainingError: there are fewer GPUs.
    """
    number, num_gpus = _local_rank(), torch.cuda.device_count()
    if number >= num_gpus:
        raise TrainingError(
            f"expected a GPU for each process of this machine, and there are {num_gpus}: start torchrun with "
            f"--nproc-per-node={num_gpus}, or give device=cpu"
        )
    torch.cuda.set_device(number)


@contextmanager
def connected(device: torch.device, timeout: datetime.timedelta = _TIMEOUT) -> Iterator[Ranks]:
    """Connect to the other ranks, if torchrun started any; disconnect at the end.

    Args:
        device: where the tensors are that they exchange.
        timeout: after which a rank that does not answer counts as lost.

    Raises:
        TrainingError: another rank was lost, or there are fewer GPUs than ranks.
    """
    if not is_rank():
        yield Ranks()
        return
    end_with_launcher()
    if device.type == "cuda":
        take_gpu()
    own = torch.device("cuda", torch.cuda.current_device()) if device.type == "cuda" else None
    dist.init_process_group("gloo" if own is None else "nccl", timeout=timeout, device_id=own)
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size())
        dist.barrier()  # a rank that leaves early looks to the others like one that was lost
    except RuntimeError as error:
        # When the connection between ranks breaks, gloo raises plain RuntimeErrors.
        words = ("connection", "peer", "nccl", "gloo", "timed out", "broken pipe")
        if not (isinstance(error, dist.DistError) or any(word in str(error).lower() for word in words)):
            raise
        reason = str(error).splitlines()[0]
        raise TrainingError(
            f"another rank is lost, so this one ends too ({reason}); the other's own message says why, and the same "
            "command goes on from what was saved last"
        ) from error
    finally:
        dist.destroy_process_group()
