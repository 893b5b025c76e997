"""`s2s average`: one set of weights from the newest checkpoints of a run."""

import logging
import shlex
from pathlib import Path

from s2s.cli.commands import Command
from s2s.config.commands import AverageConfig, Weights
from s2s.config.training import Config, Task
from s2s.errors import CheckpointError
from s2s.files import write_bytes
from s2s.runs.checkpoint import checkpoints, mean_weights, save_checkpoint, weights_path, with_prefix
from s2s.runs.folder import RunFolder, check_free
from s2s.runs.saved_config import load_config
from s2s.runs.vocabularies import vocabulary_files

_logger = logging.getLogger(__name__)


def average(config: AverageConfig) -> None:
    """Write a run folder whose weights are the mean of the newest checkpoints of another run.

    Raises:
        RunError: there is no such run, or the output folder is in use.
        CheckpointError: there are fewer checkpoints than asked for, or they hold no such weights.
    """
    run, output = RunFolder.existing(config.run), RunFolder(Path(config.output))
    check_free(output.path)
    options = load_config(run.config)
    if config.what is Weights.average and not options.optim.ema_decay:
        raise CheckpointError(f"{run.path} was trained with optim.ema_decay=0 and has no averages: give what=model")
    weights, steps = mean_weights(_newest(run, config.last), config.what.name)
    state = {"step": steps[0], "averaged_steps": steps, "averaged": config.what.name}
    save_checkpoint(weights_path(output), with_prefix("model", weights), state)
    _copy(run, output, options)
    _logger.info("%s: the mean of steps %s", output.path, ", ".join(map(str, steps)))
    command = _next_command(options.task)
    _logger.info("\n%s with\n  s2s-%s run=%s", command, command, shlex.quote(str(output.path)))


def _next_command(task: Task) -> str:
    """The command that shows what a run is worth."""
    match task:
        case Task.translate:
            return "evaluate"
        case Task.classify:
            return "classify"


def _newest(run: RunFolder, number: int) -> list[Path]:
    """So many checkpoints, newest first.

    Raises:
        CheckpointError: there are fewer.
    """
    found = checkpoints(run)
    if len(found) < number:
        raise CheckpointError(
            f"{run.last} holds {len(found)} checkpoints, not last={number}: ask for fewer, or train with "
            f"training.keep={number} or more"
        )
    return found[:number]


def _copy(run: RunFolder, output: RunFolder, options: Config) -> None:
    """Copy what a run needs besides its weights; the options come last, since they make a folder a run.

    Metrics, scores and samples stay behind: they tell of other weights.
    """
    kept = {*vocabulary_files(run, options), *run.text("dev"), *run.text("test")}
    for path in [*sorted(kept), run.corpus, run.config]:
        write_bytes(output.path / path.relative_to(run.path), path.read_bytes())


COMMAND = Command(average, AverageConfig)
