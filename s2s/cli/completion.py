"""Completion with Tab in bash, zsh and fish: a small script for each shell asks `s2s` what the word may become."""

import dataclasses
import enum
import os
import re
import shlex
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from s2s.cli.commands import LINE_OF, Command, command_of
from s2s.cli.option_table import choices_of, default_choices, is_group, option_fields
from s2s.config.options import Takes
from s2s.errors import ConfigError

_SCRIPT_OF = {
    # bash splits words at = and :, so that it is given what follows the last of them.
    "bash": """\
_s2s() {
    local IFS=$'\\n'
    COMPREPLY=($(COMP_LINE="${COMP_LINE:0:COMP_POINT}" s2s -sc query=bash 2> /dev/null))
}
complete -o nospace -F _s2s s2s
""",
    "zsh": """\
_s2s() {
    local found
    found=("${(@f)$(COMP_LINE=$LBUFFER s2s -sc query=zsh 2> /dev/null)}")
    [[ -n $found ]] && compadd -Q -S '' -- $found
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _s2s s2s
""",
    "fish": """\
function __s2s
    COMP_LINE=(commandline -cp) s2s -sc query=fish 2> /dev/null
end
complete -c s2s -f -a '(__s2s)'
""",
}
_REMOVAL_OF = {"bash": "complete -r s2s", "zsh": "compdef -d s2s", "fish": "complete -e -c s2s"}
_FLAGS = ("--help", "--multirun", "--cfg", "--info", "--config-dir")


def complete(arguments: Sequence[str]) -> None:
    """Answer `-sc install=SHELL`, `uninstall=SHELL` and, asked by the shell itself, `query=SHELL`.

    Raises:
        ConfigError: something else was asked for.
    """
    action, _, shell = next((argument for argument in arguments if "=" in argument), "").partition("=")
    if action not in ("install", "uninstall", "query") or shell not in _SCRIPT_OF:
        shells = ", ".join(_SCRIPT_OF)
        raise ConfigError(f"-sc: expected install=SHELL or uninstall=SHELL, SHELL one of {shells}")
    if action == "install":
        print(_SCRIPT_OF[shell], end="")
    elif action == "uninstall":
        print(_REMOVAL_OF[shell])
    else:
        *before, word = _split(os.environ.get("COMP_LINE", ""))
        found = sorted(set(candidates(before[1:], word)))
        print("\n".join(_written(candidate, word, shell) for candidate in found))


def candidates(before: Sequence[str], word: str) -> Iterator[str]:
    """What a word may become.

    Args:
        before: the arguments before it, the command first.
        word: as far as it is typed, without quotation marks.
    """
    if not before:
        found: Iterable[str] = (f"{name} " for name in (*LINE_OF, "--help", "--version"))
    elif before[0] not in LINE_OF:
        found = ()
    else:
        command = command_of(before[0])
        option, equals, value = word.partition("=")
        if equals:
            found = (f"{option}={each}" for each in _values(command, option, value))
        elif word.startswith("-"):
            found = _FLAGS
        else:
            found = [*_names(command, word), *_bare(command, before[1:], word)]
    return (each for each in found if each.startswith(word))


def _names(command: Command, word: str) -> Iterator[str]:
    """Options and groups of choices; those of a group once its name is there."""
    for group in default_choices(command.options):
        yield f"{group}="
    for option, item in option_fields(command.options):
        group, _, _ = option.rpartition(".")
        if word.startswith(f"{group}.") if group else "." not in word:
            yield f"{option}." if is_group(item.type) else f"{option}="


def _bare(command: Command, before: Sequence[str], word: str) -> Iterator[str]:
    """Values that need no name, such as the folder of a run."""
    if command.bare:
        num_before = sum("=" not in argument and not argument.startswith("-") for argument in before)
        yield from _values(command, command.bare[min(num_before, len(command.bare) - 1)], word)


def _values(command: Command, option: str, typed: str) -> Iterator[str]:
    """Values of an option, after those of a list or a sweep that are there already."""
    begun, last = re.fullmatch(r"((?:.*,)?\[?)(.*)", typed, re.DOTALL).groups()  # type: ignore[union-attr]  # anything
    if option in default_choices(command.options):
        yield from (begun + choice for choice in choices_of(option))
    for name, item in option_fields(command.options):
        if name == option and not is_group(item.type):
            yield from (begun + value for value in _values_of(item, last))


def _values_of(item: "dataclasses.Field[Any]", typed: str) -> Iterator[str]:
    kinds = typing.get_args(item.type) if isinstance(item.type, types.UnionType) else (item.type,)
    for kind in kinds:
        kind = typing.get_args(kind)[0] if typing.get_origin(kind) is list else kind
        if isinstance(kind, enum.EnumType):
            yield from kind.__members__
        elif kind is bool:
            yield from ("true", "false")
        elif kind is str and item.metadata["takes"].is_path:
            yield from _paths(typed, is_wanted=Path.is_dir if item.metadata["takes"] is not Takes.file else Path.exists)


def _paths(typed: str, is_wanted: Callable[[Path], bool]) -> Iterator[str]:
    """Files and folders that a path begun may become; folders end in a slash, but for the folder of a run."""
    folder, slash, begun = typed.rpartition("/")
    base = Path((folder + slash) or ".").expanduser()
    try:
        paths = [path for path in base.iterdir() if path.name.startswith(begun)]
    except OSError:  # no such folder
        return
    for path in paths:
        if is_wanted(path) and (begun.startswith(".") or not path.name.startswith(".")):
            is_run = (path / "config.yaml").exists()
            yield f"{folder}{slash}{path.name}{'/' if path.is_dir() and not is_run else ''}"


# ----------------------------------------------------------------------------------------------------------------------
# What shells say


def _split(line: str) -> list[str]:
    """The words of a line as the shell reads them; the last one may be empty, or in a quotation that is still open."""
    cursor = "\1"  # so that a word which has not begun is one too
    for closing in ("", '"', "'"):
        try:
            *words, last = shlex.split(line + cursor + closing)
        except ValueError:
            continue
        return [*words, last.removesuffix(cursor)]
    return line.split(" ")


def _written(candidate: str, word: str, shell: str) -> str:
    """A candidate as the shell takes it: fish quotes by itself, bash has seen what precedes the last = or :."""
    if shell == "fish":
        return candidate.rstrip()
    if shell == "bash":
        candidate = candidate[max(word.rfind("="), word.rfind(":")) + 1 :]
    space = " " if candidate.endswith(" ") and candidate.strip() in (*LINE_OF, *_FLAGS, "--version") else ""
    body = candidate[: len(candidate) - len(space)]
    begun = "~" if body.startswith("~") else ""
    return begun + re.sub(r"([^\w@%+=:,./~-])", r"\\\1", body[len(begun) :]) + space
