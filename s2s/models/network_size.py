"""How large a network is, before any of it is built; and whether it fits into memory."""

import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from s2s.config.optim import OptimConfig, Optimizer
from s2s.errors import ConfigError

M = TypeVar("M", bound=nn.Module)
_CPU = torch.device("cpu")
_BYTES_PER_WEIGHT = 4
_MEMORY_INFO = Path("/proc/meminfo")
_CGROUP_LIMITS = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")
_STATES_OF = {Optimizer.adam: 2, Optimizer.adamw: 2, Optimizer.sgd: 1}


class _WithoutNumbers(TorchFunctionMode):
    """Draws no random numbers: on the meta device that would do nothing but load a part of torch for a second."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(function, "__name__", "") in ("normal_", "uniform_"):
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


def outline(build: Callable[[], M]) -> M:
    """What `build` makes, with the names and shapes of all weights, but without their numbers: it takes no memory.

    Raises:
        ConfigError: a weight would have more numbers than can be counted.
    """
    try:
        with torch.device("meta"), _WithoutNumbers():
            return build()
    except (RuntimeError, OverflowError, TypeError) as error:  # sizes beyond 64 bits
        raise ConfigError(f"no computer can hold a network of these sizes ({str(error).splitlines()[0]})") from error


def check_memory(build: Callable[[], nn.Module], device: torch.device, *, copies: int = 1) -> None:
    """Refuse a network that cannot fit into memory, before it is built.

    Only the weights and what is kept beside each are counted, against all the memory there is, whoever uses it now: a
    network that is refused would not fit in any case.

    Args:
        build: makes the network.
        device: where it is to be.
        copies: numbers kept for each weight, itself among them.

    Raises:
        ConfigError: saying how large it is, and what there is.
    """
    num_weights = sum(weight.numel() for weight in outline(build).parameters())
    for place, num_copies in {_CPU: 1, device: copies}.items():  # it is built on the CPU
        num_bytes, total_bytes = num_weights * num_copies * _BYTES_PER_WEIGHT, total_memory(place)
        if num_bytes > total_bytes:
            what = "its weights" if num_copies == 1 else "its weights, their gradients and the optimizer's state"
            where = "this machine" if place == _CPU else "the GPU"
            raise ConfigError(
                f"a network of {num_weights / 1e6:,.0f} million weights needs {num_bytes / 1e9:,.1f} GB for {what}, "
                f"but {where} has {total_bytes / 1e9:,.1f} GB of memory: lower model.hidden_size, "
                "model.embedding_size, model.layers or subwords.vocabulary_size"
            )


def build_in_memory(build: Callable[[], M], device: torch.device, *, copies: int = 1) -> M:
    """What `build` makes, on the CPU; arguments and errors as of `check_memory`."""
    check_memory(build, device, copies=copies)
    return build()


def training_copies(config: OptimConfig) -> int:
    """Numbers that training keeps for each weight: itself, its gradient, the optimizer's, and its average."""
    has_velocity = config.optimizer is not Optimizer.sgd or config.momentum > 0
    return 2 + _STATES_OF[config.optimizer] * has_velocity + (config.ema_decay > 0)


def total_memory(device: torch.device) -> int:
    """Bytes that this process can have at most: of the GPU, or of memory and swap, or what its container allows."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    limits = [_machine_memory(), *filter(None, map(_limit_in, _CGROUP_LIMITS))]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return min([*limits, soft] if soft != resource.RLIM_INFINITY else limits)


def _machine_memory() -> int:
    """Memory and swap, in bytes."""
    try:
        fields = dict(line.split(":") for line in _MEMORY_INFO.read_text().splitlines())
        return sum(int(fields[name].split()[0]) * 1024 for name in ("MemTotal", "SwapTotal"))
    except (OSError, ValueError, KeyError, IndexError):  # not Linux
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _limit_in(file: Path) -> int | None:
    """What a container may use; None where there is no limit."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return None
