"""`s2s average`: the mean of the weights in the newest checkpoints of a run."""

import logging
import shlex
from dataclasses import dataclass
from pathlib import Path

from s2s.cli.commands import Command
from s2s.config.options import Options, Takes, option
from s2s.errors import CheckpointError

_logger = logging.getLogger(__name__)


@dataclass
class AverageConfig(Options):
    """Options of `average`."""

    run: str = option("???", "folder of a trained run; it is only read", takes=Takes.run)
    output: str = option("???", "new folder for a run that translates with the averaged weights", takes=Takes.folder)
    last: int = option(
        5, "newest checkpoints whose mean is taken; training.keep says how many there are", low=1, high=1_000_000
    )


def average(config: AverageConfig) -> None:
    """Write a run folder whose weights are the mean of those in the newest checkpoints of another run.

    Raises:
        RunError: there is no such run, or the output folder is in use.
        CheckpointError: there are fewer checkpoints than asked for, or one is damaged.
    """
    from s2s.files import new_folder, write_bytes
    from s2s.runs.checkpoint import checkpoints, mean_weights, save_checkpoint, weights_path, with_prefix
    from s2s.runs.checksums import write_checksums
    from s2s.runs.folder import RunFolder, check_free
    from s2s.runs.saved_config import load_config
    from s2s.tasks.train_run import TASKS

    run, output = RunFolder.existing(config.run), Path(config.output)
    check_free(output)
    options = load_config(run.config)
    found = checkpoints(run)
    if len(found) < config.last:
        raise CheckpointError(
            f"{run.last} holds {len(found)} checkpoints, not last={config.last}: ask for fewer, or train with "
            f"training.keep={config.last} or more"
        )
    weights, steps = mean_weights(found[: config.last])
    state = {"step": steps[0], "averaged_steps": steps}
    # Metrics, scores and samples are not copied: they are those of other weights.
    task = TASKS[options.task](run, options)
    unseen = [run.unseen_pieces] if run.unseen_pieces.is_file() else []  # runs of earlier versions have none
    copied = run.checked(*task.vocabulary_files(), *run.text("dev"), *run.text("test"), *unseen, run.corpus)
    with new_folder(output) as folder:
        save_checkpoint(weights_path(RunFolder(folder)), with_prefix("model", weights), state)
        copies = {folder / path.relative_to(run.path): path for path in (*copied, run.config)}
        for copy, path in copies.items():
            write_bytes(copy, path.read_bytes())
        write_checksums(folder, copies.keys() - {RunFolder(folder).config})
    _logger.info("%s: the mean of steps %s", output, ", ".join(map(str, steps)))
    command = task.scoring_command
    _logger.info("\n%s with\n  s2s %s run=%s", command, command, shlex.quote(str(output)))


COMMAND = Command(
    average,
    AverageConfig,
    bare=("run",),
    examples=(
        "runs/demo output=runs/demo-average",
        "runs/demo output=runs/demo-average last=3",
    ),
)
