"""What is typed after `s2s COMMAND`: the option or group of choices of each argument, as overrides for Hydra.

Mistakes are told in a line, before Hydra is imported, which takes a while.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from s2s.cli.commands import Command
from s2s.cli.option_table import choices_of, default_choices, is_group, option_fields
from s2s.cli.values import SWEEP, Kind, choice_of, parts_of, shown, unquoted, value_of
from s2s.config.mistakes import nearest
from s2s.config.options import Takes, as_argument
from s2s.errors import ConfigError


def overrides_of(
    arguments: Sequence[str], name: str, command: Command, *, is_sweep: bool = False, config_dir: str | None = None
) -> list[str]:
    """The arguments of a command as Hydra's overrides, each of an option, or of a group of choices, that it has.

    Args:
        arguments: what was typed after the command's name, without flags.
        name: of the command.
        command: what it runs, and its options.
        is_sweep: whether an option may have several values, a job for each.
        config_dir: a folder with more choices.

    Raises:
        ConfigError: naming the argument, and the option or value that comes nearest.
    """
    fields = dict(option_fields(command.options))
    groups = {group: choices_of(group, config_dir) for group in default_choices(command.options)}
    given = _by_name(arguments, name, command, fields, groups)
    texts = {option: [unquoted(text) for _, text in parts_of(value)] for option, value in given.items()}
    if command.implied is not None:
        given = {**command.implied(texts, is_sweep), **given}
    overrides = []
    for option, value in given.items():
        if _is_of_hydra(option):
            overrides.append(f"{option}={value}")
        elif value.startswith("{") and (option in groups or is_group(fields[option].type)):
            overrides.append(f"{option}={value}")  # several options of a group at once, which Hydra reads
        elif option in groups:
            overrides.append(f"{option}={choice_of(option, value, groups[option], is_sweep=is_sweep)}")
        elif is_group(fields[option].type):
            example = next(inner for inner in fields if inner.startswith(f"{option}."))
            raise ConfigError(f"{option}={value}: {option} is a group of options, such as {example}=VALUE")
        else:
            kind = Kind.of(fields[option].type, fields[option].metadata["takes"])
            overrides.append(f"{option}={value_of(option, value, kind, fields, is_sweep=is_sweep)}")
    if is_sweep:
        _check_sweep(given, fields)
    return overrides


def check_given(overrides: Iterable[str], name: str, command: Command) -> None:
    """Check that every option which has no default is given.

    Raises:
        ConfigError: naming one that is missing, with an example that gives it.
    """
    given = {override.partition("=")[0] for override in overrides}
    for option, item in option_fields(command.options):
        if item.default == "???" and option not in given:
            how = f"for example: s2s {name} {command.examples[0]}" if command.examples else f"write {option}=VALUE"
            raise ConfigError(f"{option} is missing ({item.metadata['doc']}); {how}")


# ----------------------------------------------------------------------------------------------------------------------
# Names


def _by_name(
    arguments: Sequence[str], name: str, command: Command, fields: Mapping[str, Any], groups: Mapping[str, list[str]]
) -> dict[str, str]:
    """The text that is given to each option or group; several bare arguments of a list are joined by commas."""
    given: dict[str, str] = {}
    bare: list[str] = []
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=False):
        option, equals, value = argument.partition("=")
        if equals and (option in fields or option in groups or _is_of_hydra(option)):
            given[option] = value
        elif _is_bare(argument, command, fields, groups):
            bare.append(argument)
        else:
            raise ConfigError(_misspelt(argument, following, name, [*groups, *fields]))
    for position, argument in enumerate(bare):
        option = command.bare[min(position, len(command.bare) - 1)]
        kind = Kind.of(fields[option].type, fields[option].metadata["takes"])
        if kind.takes.is_path and not Path(argument).exists():
            for group, choices in groups.items():
                if argument in choices:
                    raise ConfigError(f"{argument}: did you mean {group}={argument}?")
        text = as_argument([argument]) if kind.is_list else argument
        if option not in given:
            given[option] = text
        elif kind.is_list and position > 0:
            given[option] += f",{text}"
        else:
            raise ConfigError(f"{option} is given twice: {given[option]} and {argument}; leave one of them out")
    return given


def _is_bare(argument: str, command: Command, fields: Mapping[str, Any], groups: Mapping[str, Any]) -> bool:
    """Whether an argument is the value of an option that may stand without its name, such as a run's folder."""
    if not command.bare or argument in fields or argument in groups or not argument or argument[0] in "-+=":
        return False
    if argument[0] == "~" and argument[1:2] not in ("", "/"):
        return False
    return "=" not in argument or Path(argument).exists()


def _is_of_hydra(option: str) -> bool:
    """Whether a name is one of Hydra's own, such as that of a launcher."""
    return option.startswith(("hydra.", "hydra/"))


def _misspelt(argument: str, following: str, command: str, names: Sequence[str]) -> str:
    """What to say of an argument that sets no option; `following` may be its value, as in `--seed 3`."""
    written, equals, value = argument.partition("=")
    option = written.lstrip("-+~")
    found = nearest(option.replace("-", "_"), names)
    if equals and written == option and option:
        advice = f"did you mean {found}?" if found else f"no such option; s2s {command} --help lists them"
        return f"{shown(option)}: {advice}"
    if not equals and following and "=" not in following and following[0] not in "-+~":
        value = following
    if found is None:
        return f"{shown(argument)}: expected OPTION=VALUE; s2s {command} --help lists the options"
    right = quote(f"{found}={value}") if value else f"{found}=VALUE"
    if written[:1] in ("-", "+", "~"):
        mark = "dashes" if written[0] == "-" else written[0]
        return f"{shown(argument)}: options have no {mark} before their name; write {right}"
    return f"{shown(argument)}: expected OPTION=VALUE; did you mean {right}?"


def _check_sweep(given: Mapping[str, str], fields: Mapping[str, Any]) -> None:
    """Check that there is something to sweep over, where a list was perhaps meant to be."""
    if any(_is_of_hydra(option) for option in given):
        return
    lists: list[tuple[str, list[str]]] = []
    for option, text in given.items():
        parts = list(parts_of(text))
        is_list = option in fields and Kind.of(fields[option].type, Takes.text).is_list
        if len(parts) > 1 and is_list and not all(is_bracketed for is_bracketed, _ in parts):
            lists.append((option, [part for _, part in parts]))
        elif len(parts) > 1 or SWEEP.fullmatch(text):
            return
    for option, entries in lists:
        jobs = quote(f"{option}=" + ",".join(f"[{entry}]" for entry in entries))
        raise ConfigError(f"-m, but no option has several values: {option} takes a list; for a job each write {jobs}")
