"""Where to compute, and in which floating-point type."""

import logging
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch

from s2s.config.decoding import DecodingPrecision
from s2s.config.training import Device, Precision
from s2s.errors import ConfigError
from s2s.openmp import watch_load

_logger = logging.getLogger(__name__)
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # the last is Arm's
INT8_FLAGS = {"avx512_vnni", "avx_vnni", "amx_int8"}
MATRIX_SIZE = {"cpu": 2048, "cuda": 8192}
"""Rows of the square matrices whose products are a machine's rate, by device: starting a small one takes a GPU longer
than multiplying it."""
_CPU_INFO = Path("/proc/cpuinfo")
_CPU = torch.device("cpu")
_KERNEL_CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
"""Where oneDNN, and torch's layer above it, are told how many compiled kernels to keep: each of them 1,024 by default.

A kernel serves one shape of batch and takes some 300 kB, so that training, whose shapes hardly ever come back, grew by
1 MB a step, to 2 GB. Both are read when the first kernel is compiled."""
_KEPT_KERNELS = "16"
_PROBE_SIZE = 512
_PROBE_ROUNDS = 15
_MIN_SPEEDUP = 1.3
"""How many times as fast bf16 products have to be to be chosen: the rest of a step gains nothing from them."""


def choose_device(device: Device) -> torch.device:
    """CUDA where there is one and `cpu` was not asked for; what torch's threads and caches do on a CPU is set here.

    Raises:
        ConfigError: `cuda` was asked for and there is none.
    """
    if device is Device.cuda and not torch.cuda.is_available():
        raise ConfigError("device=cuda: torch sees no CUDA device; use device=cpu, or install a CUDA build of torch")
    if device is Device.cpu or not torch.cuda.is_available():
        for cache in _KERNEL_CACHES:
            os.environ.setdefault(cache, _KEPT_KERNELS)
        watch_load()
        return _CPU
    torch.set_float32_matmul_precision("high")  # TF32: fp32 products on tensor cores, inputs rounded to 10 bits
    return torch.device("cuda")


def choose_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """The type of matrix products; `auto` is bf16 where it is clearly faster than fp32, which is measured on a CPU.

    Raises:
        ConfigError: bf16 was asked for where the hardware has no such instructions.
    """
    if precision is Precision.fp32:
        return torch.float32
    is_gpu = device.type == "cuda"
    has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False) if is_gpu else cpu_has(BF16_FLAGS)
    if precision is Precision.bf16 and not has_bf16:
        where = "this GPU" if is_gpu else "this processor"
        raise ConfigError(f"precision=bf16: {where} has no bf16 instructions; use precision=fp32 or auto")
    if precision is Precision.auto and not (has_bf16 and (is_gpu or _is_clearly_faster(_bf16_speedup()))):
        return torch.float32
    return torch.bfloat16


def _is_clearly_faster(speedup: float) -> bool:
    """Whether bf16 is worth its rounding; says so, since the choice decides the losses."""
    is_faster = speedup >= _MIN_SPEEDUP
    choice = Precision.bf16 if is_faster else Precision.fp32
    _logger.info(
        "precision=auto: bf16 products are %.2f times as fast as fp32 here, so precision=%s", speedup, choice.name
    )
    return is_faster


def choose_decoding_precision(precision: DecodingPrecision, device: torch.device) -> torch.dtype:
    """The type of a translator's products; `auto` is fp32.

    bf16 and int8 round, so that a score depends a little on the batch: they have to be asked for.
    (On a GPU fp32 rounds the inputs of products too, as `choose_device` says.)

    Raises:
        ConfigError: the hardware has no instructions for what was asked for.
    """
    match precision:
        case DecodingPrecision.auto | DecodingPrecision.fp32:
            return torch.float32
        case DecodingPrecision.bf16:
            return choose_precision(Precision.bf16, device)
        case DecodingPrecision.int8:
            if device.type != "cpu" or not cpu_has(INT8_FLAGS):
                where = "a GPU" if device.type != "cpu" else "this processor, which lacks instructions for them (VNNI)"
                raise ConfigError(f"precision=int8: no products of 8-bit integers on {where}; use precision=fp32")
            return torch.int8


def cpu_has(flags: set[str]) -> bool:
    """Whether the processor has one of these instruction sets."""
    try:
        words = _CPU_INFO.read_text(encoding="utf-8", errors="replace").split()
    except OSError:  # not Linux: nothing is known, and fp32 works everywhere
        return False
    return not flags.isdisjoint(words)


def _bf16_speedup() -> float:
    """How many times as fast as fp32 this processor multiplies bf16 matrices; takes some hundredths of a second.

    The flags alone do not decide: on some processors these instructions have half the rate of those for fp32.
    """
    rates: dict[torch.dtype, float] = {torch.float32: 0.0, torch.bfloat16: 0.0}
    for _ in range(_PROBE_ROUNDS):  # in turn, so that other work on the machine slows down both
        for dtype, best in rates.items():
            rates[dtype] = max(best, matrix_rate(dtype, _CPU, _PROBE_SIZE, rounds=1))
    return rates[torch.bfloat16] / rates[torch.float32]


def matrix_rate(dtype: torch.dtype, device: torch.device, size: int, rounds: int = 5) -> float:
    """Floating-point operations a second of a square matrix product, the best of some rounds."""
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return product_rate(partial(torch.mm, left, right), device, size, rounds)


def product_rate(multiply: Callable[[], Any], device: torch.device, size: int, rounds: int = 5) -> float:
    """The same of a function that multiplies two square matrices of a size."""
    seconds = []
    for _ in range(rounds + 1):
        started_s = time.perf_counter()
        multiply()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - started_s)
    return 2 * size**3 / min(seconds[1:])  # the first one allocates and picks a kernel


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[Any]:
    """A block whose matrix products run in `dtype`."""
    return nullcontext() if dtype is torch.float32 else torch.autocast(device.type, dtype=dtype)
