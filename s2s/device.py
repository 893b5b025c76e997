"""Where to compute, and in which floating-point type."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from s2s.config import Device, Precision
from s2s.errors import ConfigError

_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # the last is Arm's
_CPU_INFO = Path("/proc/cpuinfo")


def choose_device(device: Device) -> torch.device:
    """CUDA where there is one and `cpu` was not asked for.

    Raises:
        ConfigError: `cuda` was asked for and there is none.
    """
    if device is Device.cuda and not torch.cuda.is_available():
        raise ConfigError("device=cuda: torch sees no CUDA device; use device=cpu, or install a CUDA build of torch")
    return torch.device("cpu" if device is Device.cpu or not torch.cuda.is_available() else "cuda")


def choose_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """The type of matrix products; `auto` is bf16 where the hardware multiplies it faster than fp32.

    Raises:
        ConfigError: bf16 was asked for where the hardware has no such instructions.
    """
    has_bf16 = _has_bf16(device)
    if precision is Precision.bf16 and not has_bf16:
        where = "this GPU" if device.type == "cuda" else "this processor"
        raise ConfigError(f"precision=bf16: {where} has no bf16 instructions; use precision=fp32 or auto")
    return torch.bfloat16 if has_bf16 and precision is not Precision.fp32 else torch.float32


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        words = _CPU_INFO.read_text(encoding="utf-8", errors="replace").split()
    except OSError:  # not Linux: nothing is known, and fp32 is right everywhere
        return False
    return not _BF16_FLAGS.isdisjoint(words)


def autocast(device: torch.device, kind: torch.dtype) -> AbstractContextManager[Any]:
    """A block whose matrix products run in `kind`."""
    return nullcontext() if kind is torch.float32 else torch.autocast(device.type, dtype=kind)
