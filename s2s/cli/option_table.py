"""The options and choices of a command, read from its dataclass and from conf/; importing this takes no time."""

import dataclasses
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, TypeGuard

from s2s.config.data import DataConfig
from s2s.config.model import ModelConfig
from s2s.config.optim import OptimConfig
from s2s.config.options import Options
from s2s.config.search import SearchConfig
from s2s.config.training import Config

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


def choices_of(group: str, config_dir: str | None = None) -> list[str]:
    """The choices that conf/GROUP/ holds, and those in a folder of the user's own."""
    paths = [*(resources.files("s2s.conf") / group).iterdir()]
    paths += (Path(config_dir) / group).glob("*.yaml") if config_dir is not None else []
    return sorted({path.name.removesuffix(".yaml") for path in paths if path.name.endswith(".yaml")})


def option_fields(options: type[Options], prefix: str = "") -> Iterator[tuple[str, "dataclasses.Field[Any]"]]:
    """Every option by its dotted name; a group of options comes before what is in it."""
    for item in dataclasses.fields(options):
        yield prefix + item.name, item
        if is_group(item.type):
            yield from option_fields(item.type, f"{prefix}{item.name}.")


def is_group(kind: Any) -> TypeGuard[type[Options]]:
    """Whether a field's type holds options of its own."""
    return isinstance(kind, type) and issubclass(kind, Options)
