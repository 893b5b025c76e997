"""TODO: say what s2s.runs.saved_config is."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

from omegaconf import OmegaConf, SCMode
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from s2s.config.check import check
from s2s.config.data import portable
from s2s.config.options import flatten
from s2s.config.training import Config, Task
from s2s.errors import ConfigError, RunError
from s2s.files import write_text


def save_config(config: Config, path: Path) -> None:
    """Write every option, defaults included, as YAML; paths lose their folders."""
    init_from = config.init_from and Path(config.init_from).name
    kept = dataclasses.replace(config, run="", data=portable(config.data), init_from=init_from)
    write_text(path, OmegaConf.to_yaml(OmegaConf.structured(kept)))


_COMMAND_OF = {Task.translate: "s2s translate and s2s evaluate", Task.classify: "s2s classify"}


def load_config(path: Path, task: Task | None = None) -> Config:
    """Read what `save_config` wrote; options that are not there take their defaults.

    Args:
        path: of the file, in the folder of its run.
        task: what the run must have learnt; None: anything.

    Raises:
        RunError: the file is missing, is no YAML, holds unknown options or wrong types, or is of another task.
    """
    try:
        merged = OmegaConf.merge(OmegaConf.structured(Config), OmegaConf.load(path))
        # A stranger's file gets no say in what is looked up: `${...}` stays text.
        config = OmegaConf.to_container(merged, resolve=False, structured_config_mode=SCMode.INSTANTIATE)
    except (OSError, ValueError, OmegaConfBaseException, YAMLError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise RunError(f"{path}: expected the options of an s2s run, but they cannot be read: {first_line}") from error
    assert isinstance(config, Config)
    try:
        check(config)
    except ConfigError as error:
        raise RunError(f"{path}: {error}; the file was changed since the run was made") from error
    if task is not None and config.task is not task:
        raise RunError(
            f"run={path.parent} was trained with task={config.task.name}, and task={task.name} is needed here: "
            f"give it to {_COMMAND_OF[config.task]}"
        )
    return config


class Differences(NamedTuple):
    """Options in which a command differs from the run that it wants to go on with, each as `name: old -> new`.

    Attributes:
        refused: those that make another run.
        allowed: those that may change: how long a run goes on and reports, where and how it is computed.
    """

    refused: list[str]
    allowed: list[str]


_NO_DIFFERENCE = ("run", "data.train", "data.dev", "data.test", "data.root", "data.cache")
"""Places: the text is told by its fingerprint."""
_MAY_CHANGE = (
    "device",
    "precision",
    "search.",
    "resume.",
    "training.max_",  # steps, epochs and minutes, and how many bad steps are borne
    "training.log_every",
    "training.validate_every",
    "training.save_every",
    "training.keep",
    "training.patience",
    "training.tensorboard",
)
"""Names of options, or what they begin with."""


def differences(old: Config, new: Config) -> Differences:
    """What has changed since a run was made; `resume.reset_optimizer` allows what is under `optim` too."""
    found = Differences([], [])
    may_change = (*_MAY_CHANGE, "optim.") if new.resume.reset_optimizer else _MAY_CHANGE
    flat_old, flat_new = flatten(old), flatten(new)
    if old.init_from is not None and new.init_from is not None:
        flat_old["init_from"] = new.init_from  # a place too: its weights are in the checkpoint
    for name in flat_new:
        if flat_old[name] != flat_new[name] and name not in _NO_DIFFERENCE:
            is_allowed = name.startswith(may_change) and name != "training.max_pieces"  # which decides what is read
            kind = found.allowed if is_allowed else found.refused
            kind.append(f"{name}: {flat_old[name]} -> {flat_new[name]}")
    return found
