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


def set_random_state(of_torch: dict[str, Tensor], others: dict[str, Any], device: torch.device) -> None:
    """Restore what `random_state` returned."""
    torch.set_rng_state(of_torch["cpu"])
    if device.type == "cuda" and "cuda" in of_torch:
        torch.cuda.set_rng_state(of_torch["cuda"], device)
    version, internal, gauss = others["python"]
    random.setstate((version, tuple(internal), gauss))
    np.random.set_state(tuple(others["numpy"]))


def seed_rank(seed: int, rank: int, step: int) -> None:
    """Seed a rank by its number and the step, so that its dropout differs from that of the other ranks."""
    torch.manual_seed(int(np.random.SeedSequence((seed, rank, step)).generate_state(1)[0]))
