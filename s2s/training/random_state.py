"""The state of all random generators, for checkpoints, and different random numbers for each rank."""

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor


def random_state(device: torch.device) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The state of every global random generator: torch's as tensors, Python's and NumPy's as JSON values."""
    of_torch = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        of_torch["cuda"] = torch.cuda.get_rng_state(device)
    name, keys, *rest = np.random.get_state(legacy=True)
    return of_torch, {"python": random.getstate(), "numpy": [name, np.asarray(keys).tolist(), *rest]}


def check_random_state(of_torch: dict[str, Tensor], others: Any) -> None:
    """Ensure that `set_random_state` can restore it.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: it cannot.
    """
    for device, state in of_torch.items():
        if device == "cpu" or torch.cuda.is_available():
            torch.Generator(device).set_state(state)
    if "cpu" not in of_torch:
        raise KeyError("cpu")
    random.Random().setstate(_python_state(others))
    np.random.RandomState().set_state(tuple(others["numpy"]))


def set_random_state(of_torch: dict[str, Tensor], others: dict[str, Any], device: torch.device) -> None:
    """Restore what `random_state` returned."""
    torch.set_rng_state(of_torch["cpu"])
    if device.type == "cuda" and "cuda" in of_torch:
        torch.cuda.set_rng_state(of_torch["cuda"], device)
    random.setstate(_python_state(others))
    np.random.set_state(tuple(others["numpy"]))


def _python_state(others: dict[str, Any]) -> tuple[int, tuple[int, ...], float | None]:
    version, internal, gauss = others["python"]
    return version, tuple(internal), gauss


def seed_rank(seed: int, rank: int, step: int) -> None:
    """Seed a rank by its number and the step, so that its dropout differs from that of the other ranks."""
    torch.manual_seed(int(np.random.SeedSequence((seed, rank, step)).generate_state(1)[0]))
