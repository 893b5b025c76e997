"""Opening a run folder for training: lock it, complete the options, and ensure that it is the same run as before."""

import dataclasses
import logging
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch

from s2s.config.fitting import as_begun, fitted
from s2s.config.model import same_network
from s2s.config.optim import Schedule
from s2s.config.options import check_options
from s2s.config.training import Config, InitSubwords, Precision, Task
from s2s.data.vocabulary.subwords import EOS
from s2s.device import choose_precision
from s2s.errors import ConfigError, RunError
from s2s.models.classifier import build_classifier
from s2s.models.model import Model
from s2s.models.network_size import check_memory, outline, training_copies
from s2s.models.seq2seq import build_seq2seq
from s2s.runs.checkpoint import check_network, load_best
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import differences, load_config, save_config

_logger = logging.getLogger(__name__)


def open_run(run: RunFolder, config: Config, device: torch.device, stack: ExitStack) -> Config:
    """Lock the run folder until `stack` is closed, and save the options of a new run in it.

    Returns:
        The options: precision, the network of the run to start from, and what a run that has begun chose to fit its
        text are filled in; of a new run, what fits the text and the end of a cosine are still open.

    Raises:
        RunError: the folder holds something else, or a run with other options, all of which are named.
    """
    stack.enter_context(run.locked())
    if not run.config.is_file() and any(run.path.iterdir()):  # what a killed start has left is gone by now
        raise RunError(
            f"run={run.path} exists and is not a run: expected a new or empty folder; choose another run=DIR"
        )
    if run.is_model_only:
        raise RunError(
            f"run={run.path} holds an exported model, without the state of its training: start a new run from it with "
            f"init_from={run.path} run=DIR"
        )
    before = load_config(run.config) if run.has_begun else None
    if before is not None:
        config = as_begun(config, before)
    config = _complete(config, before, device)
    if before is not None:
        _check_differences(run, before, config)
    _check_memory(config, device)
    try:
        if before is None:
            run.corpus.unlink(missing_ok=True)  # of a start that trained nothing, perhaps with other options
            save_config(config, run.config)
    except OSError as error:
        raise RunError(
            f"run={run.path} cannot be written: {error.strerror or error}; choose another run=DIR"
        ) from error
    return config


def _check_memory(config: Config, device: torch.device) -> None:
    """Refuse a network that memory cannot hold whatever its vocabulary, before text is prepared for it.

    Raises:
        ConfigError: it is too large.
    """
    check_memory(_smallest(config), device, copies=training_copies(config.optim))


def _smallest(config: Config) -> Callable[[], Model]:
    """Builds the network with the smallest vocabularies that there are, and sizes, where these are left to the text."""
    config, _ = fitted(config, 1)
    match config.task:
        case Task.translate:
            return partial(build_seq2seq, config.model, EOS + 1, EOS + 1)
        case Task.classify:
            return partial(build_classifier, config.model, EOS + 1, 2)


def _check_differences(run: RunFolder, before: Config, config: Config) -> None:
    refused, allowed = differences(before, config)
    if refused:
        is_optim = any(name.startswith("optim.") for name in refused)
        hint = "; training.reset_optimizer=true allows other options under optim" if is_optim else ""
        raise RunError(
            f"run={run.path} was made with other options ({'; '.join(refused)}): give the same ones to go on with it, "
            f"or choose another run=DIR{hint}"
        )
    if allowed:
        _logger.info("%s goes on with other options: %s", run.path, "; ".join(allowed))


def _complete(config: Config, before: Config | None, device: torch.device) -> Config:
    """Fill in what the options leave open, as it was filled in when the run began.

    Raises:
        RunError: the run to start from is missing, or has no weights.
        ConfigError: the network or subwords of that run do not go with the other options.
    """
    optim = config.optim
    if before is not None and optim.schedule is Schedule.cosine and optim.decay_steps is None:
        if before.optim.schedule is Schedule.cosine and not config.training.reset_optimizer:
            optim = dataclasses.replace(optim, decay_steps=before.optim.decay_steps)
        optim = optim.ending_at(config.training.max_steps)
        if optim.decay_steps is not None and optim.decay_steps < config.training.max_steps:
            end = optim.decay_steps
            _logger.warning("warning: the learning rate is 0 from step %d on, where the run's cosine ends", end)
    precision = _resolve_precision(config.precision, before, device)
    config = dataclasses.replace(config, optim=optim, precision=precision)
    return config if config.init_from is None else _with_old_network(config, before, config.init_from)


def _resolve_precision(precision: Precision, before: Config | None, device: torch.device) -> Precision:
    """The precision to compute in; what `auto` chose when the run began stays.

    A second measurement could choose otherwise, and change the losses.

    Raises:
        RunError: the run began in a precision that this machine lacks.
    """
    if precision is Precision.auto and before is not None:
        try:
            choose_precision(before.precision, device)
        except ConfigError as error:
            raise RunError(
                "the run began in bf16, which this machine lacks: give precision=fp32 to go on here; the losses will "
                "differ a little"
            ) from error
        return before.precision
    return Precision.bf16 if choose_precision(precision, device) is torch.bfloat16 else Precision.fp32


def _with_old_network(config: Config, before: Config | None, init_from: str) -> Config:
    """The options with the network of the run to start from, or, once this run has begun, with its own."""
    origin = before
    if origin is None:
        run = RunFolder.existing(init_from, "init_from")
        origin = load_config(run.config)
        if origin.task is not config.task:
            raise RunError(
                f"init_from={init_from} was trained with task={origin.task.name}, which is not task={config.task.name}"
            )
    subwords = origin.subwords if config.init_subwords is InitSubwords.old else config.subwords
    completed = dataclasses.replace(config, model=same_network(origin.model, config.model), subwords=subwords)
    changed = differences(config, completed).refused
    if changed and before is None:
        _logger.info("taken over from init_from=%s: %s", init_from, "; ".join(changed))
    check_options(completed)
    if before is None:  # ensure, before this run is begun, that there are undamaged weights, and of this network
        weights, _, path = load_best(RunFolder(Path(init_from)))
        check_network(outline(_smallest(origin)), weights, path)
    return completed
