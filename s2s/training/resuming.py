"""Resuming: a checkpoint holds everything that decides the next loss.

Model, optimizer, average of the weights, random states and `Progress`: a run that was stopped, in whatever way,
continues with the same losses as if it had not been.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from s2s.config.optim import OptimConfig
from s2s.config.options import flatten
from s2s.config.training import Config
from s2s.distributed import Ranks
from s2s.errors import CheckpointError, DamagedCheckpointError, ForeignCheckpointError
from s2s.models.model import Model
from s2s.runs.checkpoint import (
    check_weights,
    checkpoints,
    load_checkpoint,
    load_optimizer,
    load_weights,
    model_tensors,
    optimizer_state,
    optimizer_tensors,
    save_checkpoint,
    with_prefix,
    without_prefix,
)
from s2s.runs.folder import RunFolder
from s2s.training.optim import Plateau, WeightAverage
from s2s.training.progress import Progress
from s2s.training.random_state import check_random_state, seed_rank, set_random_state

_logger = logging.getLogger(__name__)
_DECISIVE = ("device", "precision", "optim.", "training.max_", "training.validate_every", "training.patience")
"""Options, or their beginnings, that may change while a run goes on, and decide its weights or its end."""


def save_training(
    path: Path,
    model: Model,
    optimizer: Optimizer,
    average: WeightAverage | None,
    progress: Progress,
    config: Config,
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
    state = {"progress": asdict(progress), "optim": flatten(config.optim), "random": others}
    save_checkpoint(path, tensors, {**state, "options": _decisive(config)})


def load_newest(run: RunFolder, load: Callable[[Path], None]) -> Path | None:
    """Load the newest checkpoint that can be used, and set newer ones aside, with a warning.

    Args:
        load: restores the state in a file, or raises CheckpointError and changes nothing.

    Returns:
        Its path; None if there are no checkpoints.

    Raises:
        CheckpointError: all of them are damaged (and set aside) or of another model; or one cannot be read now.
    """
    found = checkpoints(run)
    errors: list[DamagedCheckpointError | ForeignCheckpointError] = []
    for path in found:
        try:
            load(path)
        except (DamagedCheckpointError, ForeignCheckpointError) as error:
            errors.append(error)
            continue
        _set_aside(found[: len(errors)], errors)
        return path
    for foreign in errors:
        if isinstance(foreign, ForeignCheckpointError):  # it may be the options that are wrong
            raise foreign
    _set_aside(found, errors)
    if found:
        raise CheckpointError(
            f"{run.last}: none of the {len(found)} checkpoints can be read (they are set aside as *.damaged): restore "
            "one from a copy, or give the same command again to start from the beginning"
        )
    return None


def _set_aside(paths: Sequence[Path], errors: Sequence[CheckpointError]) -> None:
    for path, error in zip(paths, errors, strict=True):
        path.rename(path.with_suffix(".damaged"))  # kept for inspection, and out of the way of later ones
        _logger.warning("warning: %s; set aside as %s.damaged, trying the one before", error, path.stem)


def load_training(
    path: Path, model: Model, optimizer: Optimizer, average: WeightAverage | None, config: Config, ranks: Ranks
) -> Progress:
    """Restore what `save_training` wrote, the random state of this rank included.

    If options under `optim` have changed since, optimizer and schedule start anew. A rank that the run did not have
    before gets a new random state.

    Raises:
        ForeignCheckpointError: the weights are of another model.
        DamagedCheckpointError: the file is damaged, or what else it holds is no state of this training.
    """
    tensors, state = load_checkpoint(path)
    weights = model_tensors(model)
    of_model = without_prefix("model", tensors)
    averages = without_prefix("average", tensors) or of_model
    for found in (of_model, averages):
        check_weights(model, found, path)
    of_optimizer = without_prefix("optimizer", tensors)
    try:  # all of it is looked at before any of it is taken
        progress = Progress.from_json({"deviation": "an earlier version began it", **state["progress"]})
        has_same_optim = {**flatten(OptimConfig()), **state["optim"]} == flatten(config.optim)
        if has_same_optim:
            optimizer_state(optimizer, of_optimizer)
        first, *others = state["random"]
        of_python = dict(enumerate([first, *others])).get(ranks.rank)
        of_torch = without_prefix(f"random.{ranks.rank}", tensors)
        options, num_ranks = state.get("options", _decisive(config)), 1 + len(others)
        if of_python is not None:
            check_random_state(of_torch, of_python)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DamagedCheckpointError(
            f"{path}: expected the state of a training, but it cannot be used ({type(error).__name__}: {error})"
        ) from error
    load_weights(model, averages, path)
    if average is not None:
        average.averages = [weight.detach().clone() for weight in weights.values()]
    load_weights(model, of_model, path)
    if has_same_optim:
        load_optimizer(optimizer, of_optimizer)
    else:
        progress.schedule_start, progress.plateau = progress.step, Plateau()
        _logger.info("the optimizer and its schedule begin anew at step %d", progress.step)
    if not has_same_optim or options != _decisive(config):
        progress.deviation = f"it went on with other options at step {progress.step:,}"
    elif num_ranks != ranks.size:
        progress.deviation = f"it went on with {ranks.size} processes, not {num_ranks}, at step {progress.step:,}"
    if of_python is not None:
        set_random_state(of_torch, of_python, next(iter(weights.values())).device)
    else:
        seed_rank(config.seed, ranks.rank, progress.step)
    return progress


def _decisive(config: Config) -> dict[str, Any]:
    return {name: value for name, value in flatten(config).items() if name.startswith(_DECISIVE)}
