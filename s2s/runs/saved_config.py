"""The options saved in a run folder: writing, reading, and comparing them with those of a command.

The file begins with a comment that holds the SHA-256 of all that follows. So a cut file does not pass for one of an
earlier version, in which options are missing, nor a damaged number for another choice.
"""

import dataclasses
import enum
import hashlib
import typing
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml

from s2s.config.data import portable
from s2s.config.options import Options, check_options, flatten, reset_without_effect
from s2s.config.training import Config, Task
from s2s.config.typed_values import typed_value
from s2s.errors import ConfigError, RunError
from s2s.files import read_bounded, write_text

_CHECKSUM = "# sha256 of the lines below; remove this line if you change them: "
_MARK = "# sha256"
"""What the first line of a file with a checksum begins with."""
_MAX_BYTES = 100_000  # what is saved takes some 4,000, and the time of reading grows with it
_MAX_DEPTH = 8  # groups, options, lists
_COMMANDS_OF = {Task.translate: "s2s translate and s2s evaluate", Task.classify: "s2s classify"}
_RETIRED = (
    "resume",  # reset_optimizer, now under training
    "search.format",
    "search.columns",
    "search.alignments",
    "search.workers",
    "search.batch_size",
)
"""Options and groups that earlier versions saved and that this one ignores: none of them describes the run."""
_NO_DIFFERENCE = ("run", "data.train", "data.dev", "data.test", "data.root", "data.cache")
"""Paths: the text is compared by its SHA-256."""
_MAY_CHANGE = (
    "device",
    "precision",
    "search.",
    "training.max_",  # steps, epochs, minutes, and bad steps in a row
    "training.log_every",
    "training.validate_every",
    "training.save_every",
    "training.keep",
    "training.patience",
    "training.reset_optimizer",
    "training.tensorboard",
)
"""Names of options, or their beginnings."""
G = TypeVar("G", bound=Options)


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml comes without types
    """Looks nothing up, and refuses an option that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        names = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in names:
                raise ValueError(f"line {key.start_mark.line + 1} has an option that stands above already")
            names.add(key.value)
        return super().construct_mapping(node, deep)


def save_config(config: Config, path: Path) -> None:
    """Write every option, defaults included, as YAML; paths lose their folders."""
    init_from = config.init_from and Path(config.init_from).name
    kept = dataclasses.replace(config, run="", data=portable(config.data), init_from=init_from)
    named = dataclasses.asdict(kept, dict_factory=_with_names)
    text = yaml.safe_dump(named, allow_unicode=True, sort_keys=False)
    write_text(path, f"{_CHECKSUM}{_sha256_of(text)}\n{text}")


def load_config(path: Path, task: Task | None = None) -> Config:
    """Read what `save_config` wrote, also in an earlier version; options that are missing take their defaults.

    Args:
        path: of the file, in the folder of its run.
        task: for which the run must have been trained; None: any.

    Raises:
        RunError: the file is missing, was changed since it was written, is not YAML, holds unknown options or wrong
            types, or is of another task.
    """
    try:
        text = read_bounded(path, _MAX_BYTES).decode()
        _check_unchanged(text, path)
        _check_structure(text)
        saved = yaml.load(text, _Loader)
        _drop_retired(saved)
        config = _options(Config, saved)
    except (OSError, ValueError, OverflowError, ConfigError, yaml.YAMLError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise RunError(f"{path}: expected the options of an s2s run, but they cannot be read: {first_line}") from error
    try:
        check_options(config, is_saved=True)
    except (ConfigError, ValueError, OverflowError) as error:  # a number that no float holds, or too long to be told
        raise RunError(f"{path}: {error}; the file was changed since the run was made") from error
    reset_without_effect(config)  # as commands have them by now, which would refuse others
    if task is not None and config.task is not task:
        raise RunError(
            f"run={path.parent} was trained with task={config.task.name}, and task={task.name} is needed here: "
            f"give it to {_COMMANDS_OF[config.task]}"
        )
    return config


def _with_names(options: list[tuple[str, Any]]) -> dict[str, Any]:
    """A group of options as YAML has it."""
    return {name: value.name if isinstance(value, enum.Enum) else value for name, value in options}


def _options(group: type[G], saved: Any, prefix: str = "") -> G:
    """A group of options from what a file holds: texts are taken as they stand, whatever they look like.

    Args:
        prefix: of its options' names in messages, such as `search.`.

    Raises:
        ConfigError: an option is unknown, or of another type.
    """
    if not isinstance(saved, dict):
        raise ConfigError(f"expected a group of options{prefix and f' as {prefix[:-1]}'}, found {saved!r:.60}")
    types_of = {item.name: item.type for item in dataclasses.fields(group)}
    found = {}
    for name, value in saved.items():
        if name not in types_of:
            raise ConfigError(f"there is no option {prefix}{name!s:.60}")
        kind: Any = types_of[name]
        if isinstance(kind, type) and issubclass(kind, Options):
            found[name] = _options(kind, value, f"{prefix}{name}.")
        else:
            takes_fractions = float in (kind, *typing.get_args(kind))
            found[name] = typed_value(prefix + name, kind, _number(value) if takes_fractions else value)
    return group(**found)


def _number(value: Any) -> Any:
    """The number that a text such as 3e-3 stands for, which YAML 1.1 takes for a text; another value as it is."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _check_unchanged(text: str, path: Path) -> None:
    """Compare the text with its checksum, where it has one.

    Raises:
        RunError: it has another.
    """
    first, _, rest = text.partition("\n")
    if first.startswith(_MARK) and first != _CHECKSUM + _sha256_of(rest):
        raise RunError(
            f"{path}: changed since the run was made, as its SHA-256 shows: copy it again from where the run was made; "
            "if you changed it yourself, remove its first line, which holds the SHA-256"
        )


def _check_structure(text: str) -> None:
    """Refuse YAML that takes long to read, or more memory than its length: nested deeply, or with aliases.

    Raises:
        ValueError: saying which.
    """
    depth = num_values = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ValueError(f"line {event.start_mark.line + 1} has an alias or anchor, which s2s never writes")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise ValueError(f"line {event.start_mark.line + 1} is nested deeper than any option")
        num_values += isinstance(event, yaml.ScalarEvent)
    if not num_values:
        raise ValueError("it holds none")


def _drop_retired(saved: Any) -> None:
    for name in _RETIRED:
        group, _, option = name.rpartition(".")
        options = saved.get(group) if group and isinstance(saved, dict) else saved
        if isinstance(options, dict):
            options.pop(option, None)


class Differences(NamedTuple):
    """The options in which a command differs from the run that it would resume, each as `name: old -> new`.

    Attributes:
        refused: those that would make another run.
        allowed: those that may change: how long the run goes on, what it reports, where and how it is computed.
    """

    refused: list[str]
    allowed: list[str]


def differences(old: Config, new: Config) -> Differences:
    """What has changed since a run was made; `training.reset_optimizer` allows options under `optim` too."""
    found = Differences([], [])
    may_change = (*_MAY_CHANGE, "optim.") if new.training.reset_optimizer else _MAY_CHANGE
    flat_old, flat_new = flatten(old), flatten(new)
    if old.init_from is not None and new.init_from is not None:
        flat_old["init_from"] = new.init_from  # a path too: the weights are in the checkpoint by now
    for name in flat_new:
        if flat_old[name] != flat_new[name] and name not in _NO_DIFFERENCE:
            is_allowed = name.startswith(may_change) and name != "training.max_pieces"  # which decides what is read
            kind = found.allowed if is_allowed else found.refused
            kind.append(f"{name}: {flat_old[name]} -> {flat_new[name]}")
    return found
