"""How Hydra puts the options of a command together: its dataclass, the choices of its groups, Hydra's own settings."""

from collections.abc import Sequence
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from s2s.cli.commands import Command
from s2s.cli.option_table import default_choices
from s2s.config.options import Options, check_options
from s2s.errors import ConfigError


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
            raise ConfigError(f"{missing[0]} is missing")
        config = OmegaConf.to_object(options)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key}: {str(error).splitlines()[0]}") from error
    assert isinstance(config, Options)
    check_options(config)
    return config


def composed(name: str, command: Command, overrides: Sequence[str]) -> DictConfig:
    """The options of a command, put together without running it: for Python programs."""
    register(name, command)
    with initialize_config_module("s2s.conf", version_base="1.3"):
        options = compose(name, overrides=list(overrides), return_hydra_config=True)
    HydraConfig.instance().set_config(options)  # for the options that are made of choices
    with read_write(options), open_dict(options):
        del options["hydra"]
    return options
