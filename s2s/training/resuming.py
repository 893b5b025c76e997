"""Resuming: a checkpoint holds everything that decides the next loss.

Model, optimizer, average of the weights, random states and `Progress`: a run that was stopped, in whatever way,
continues with the same losses as if it had not been.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from s2s.config.optim import OptimConfig
from s2s.config.options import flatten
from s2s.config.training import Config
from s2s.distributed import Ranks
from s2s.errors import CheckpointError, DamagedCheckpointError
from s2s.models.model import Model
from s2s.runs.checkpoint import (
    checkpoints,
    load_checkpoint,
    load_optimizer,
    load_weights,
    model_tensors,
    optimizer_tensors,
    save_checkpoint,
    with_prefix,
    without_prefix,
)
from s2s.runs.folder import RunFolder
from s2s.training.optim import Plateau, WeightAverage
from s2s.training.progress import Progress
from s2s.training.random_state import seed_rank, set_random_state

_logger = logging.getLogger(__name__)


def save_training(
    path: Path,
    model: Model,
    optimizer: Optimizer,
    average: WeightAverage | None,
    progress: Progress,
    optim: OptimConfig,
    random_states: Sequence[tuple[dict[str, Tensor], dict[str, Any]]],
) -> None:
    """Write a checkpoint; `random_states` holds the `random_state` of every rank.

    Raises:
        CheckpointError: it cannot be written; the one before is still there.
    """
    weights = model_tensors(model)
    tensors = with_prefix("model", weights) | with_prefix("optimizer", optimizer_tensors(optimizer))
    if average is not None:
        tensors |= with_prefix("average", dict(zip(weights, average.averages, strict=True)))
    for rank, (of_torch, _) in enumerate(random_states):
        tensors |= with_prefix(f"random.{rank}", of_torch)
    others = [of_python for _, of_python in random_states]
    save_checkpoint(path, tensors, {"progress": asdict(progress), "optim": flatten(optim), "random": others})


def newest_checkpoint(run: RunFolder) -> Path | None:
    """The newest checkpoint that is undamaged, or None if there are no checkpoints; damaged ones are set aside.

    Raises:
        CheckpointError: all of them are damaged, or one cannot be read now.
    """
    found = checkpoints(run)
    for path in found:
        try:
            load_checkpoint(path)
            return path
        except DamagedCheckpointError as error:
            path.rename(path.with_suffix(".damaged"))  # kept for inspection, and out of the way of later ones
            _logger.warning("warning: %s; set aside as %s.damaged, trying the one before", error, path.stem)
    if found:
        raise CheckpointError(
            f"{run.last}: none of the {len(found)} checkpoints can be read (they are set aside as *.damaged): restore "
            "one from a copy, or give the same command again to start from the beginning"
        )
    return None


def load_training(
    path: Path, model: Model, optimizer: Optimizer, average: WeightAverage | None, config: Config, ranks: Ranks
) -> Progress:
    """Restore what `save_training` wrote, the random state of this rank included.

    If options under `optim` have changed since, optimizer and schedule start anew. A rank that the run did not have
    before gets a new random state.

    Raises:
        CheckpointError: the file is damaged, or of another model.
    """
    tensors, state = load_checkpoint(path)
    load_weights(model, without_prefix("model", tensors), path)
    progress, weights = Progress.from_json(state["progress"]), model_tensors(model)
    device = next(iter(weights.values())).device
    if average is not None:
        averages = without_prefix("average", tensors) or weights
        average.averages = [averages[name].detach().clone().to(device) for name in weights]
    if {**flatten(OptimConfig()), **state["optim"]} == flatten(config.optim):  # newer options had their defaults
        load_optimizer(optimizer, without_prefix("optimizer", tensors))
    else:
        progress.schedule_start, progress.plateau = progress.step, Plateau()
        _logger.info("the optimizer and its schedule begin anew at step %d", progress.step)
    if ranks.rank < len(state["random"]):
        set_random_state(without_prefix(f"random.{ranks.rank}", tensors), state["random"][ranks.rank], device)
    else:
        seed_rank(config.seed, ranks.rank, progress.step)
    return progress
