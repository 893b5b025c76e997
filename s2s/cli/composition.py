"""How Hydra puts the options of a command together: its dataclass, the choices of its groups, Hydra's own settings."""

import dataclasses
from collections.abc import Iterator
from importlib import resources
from typing import Any, TypeGuard

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from s2s.cli.commands import Command
from s2s.config.data import DataConfig
from s2s.config.model import ModelConfig
from s2s.config.optim import OptimConfig
from s2s.config.options import Options, check_options
from s2s.config.search import SearchConfig
from s2s.config.training import Config
from s2s.errors import ConfigError

_DEFAULT_CHOICE: dict[Any, str] = {
    DataConfig: "phrasebook",
    ModelConfig: "lstm",
    OptimConfig: "inverse_sqrt",
    SearchConfig: "beam",
}


def default_choices(options: type[Options]) -> dict[str, str | None]:
    """Each folder of conf/ that a command can choose from, and its choice where none is given."""
    groups: dict[str, str | None] = {
        item.name: _DEFAULT_CHOICE[item.type] for item in dataclasses.fields(options) if item.type in _DEFAULT_CHOICE
    }
    return groups | {"experiment": None} if issubclass(options, Config) else groups


def choices_of(group: str) -> list[str]:
    """The choices that conf/GROUP/ holds."""
    return sorted(path.name.removesuffix(".yaml") for path in (resources.files("s2s.conf") / group).iterdir())


def option_fields(options: type[Options], prefix: str = "") -> Iterator[tuple[str, "dataclasses.Field[Any]"]]:
    """Every option by its dotted name; a group of options comes before what is in it."""
    for item in dataclasses.fields(options):
        yield prefix + item.name, item
        if is_group(item.type):
            yield from option_fields(item.type, f"{prefix}{item.name}.")


def is_group(kind: Any) -> TypeGuard[type[Options]]:
    """Whether a field's type holds options of its own."""
    return isinstance(kind, type) and issubclass(kind, Options)


def register(name: str, command: Command) -> None:
    """Store a command's options under its name, for Hydra to compose.

    The dataclass stands first, so that names and types that it lacks are refused. Hydra reads options and writes
    nothing, but for the command of a sweep, as multirun.yaml in the folder that the sweep's runs share.
    """
    choices = default_choices(command.options)
    experiment = [{"experiment": choices.pop("experiment")}] if "experiment" in choices else []
    settings: dict[str, Any] = {
        "defaults": [
            f"{name}_options",
            *({group: choice} for group, choice in choices.items()),
            "_self_",
            *experiment,  # last, as it changes what the others chose
            {"override hydra/job_logging": "none"},
            {"override hydra/hydra_logging": "none"},
        ],
        "hydra": {
            "output_subdir": None,
            "run": {"dir": "."},
            "sweep": {"dir": ".", "subdir": "."},
            "job": {"name": name, "chdir": False},
        },
    }
    if command.makes_runs:
        settings["run"] = "runs/${hydra:runtime.choices.data}-${hydra:runtime.choices.model}"
        settings["hydra"]["sweep"]["dir"] = "runs/phrasebook-sweep"  # for other data or run=DIR see s2s/cli/sweeps.py
    store = ConfigStore.instance()
    store.store(name=f"{name}_options", node=command.options)
    store.store(name=name, node=settings)


def typed(options: DictConfig) -> Any:
    """Options as a checked dataclass.

    Raises:
        ConfigError: an option is missing, or a number is out of range, or options contradict each other.
    """
    try:
        missing = sorted(OmegaConf.missing_keys(options))
        if missing:
            raise ConfigError(f"{missing[0]} must be given: {missing[0]}=VALUE")
        config = OmegaConf.to_object(options)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key}: {str(error).splitlines()[0]}") from error
    assert isinstance(config, Options)
    check_options(config)
    return config
