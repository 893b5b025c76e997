"""What `s2s COMMAND --help` prints."""

import dataclasses
import enum
import re
import textwrap
from collections.abc import Iterator
from importlib import resources
from typing import Any

from s2s.cli.commands import COMMANDS, LINE_OF, Command
from s2s.cli.flags import HELP_WIDTH, flags_help
from s2s.cli.option_table import choices_of, default_choices, is_group, option_fields
from s2s.cli.values import Kind
from s2s.config.options import Takes, as_argument, shown_number

_NAME_WIDTH = 34


def list_of_commands() -> str:
    """Every command by purpose, a line each."""
    width = max(map(len, LINE_OF)) + 2
    parts = ["usage: s2s COMMAND OPTION=VALUE ...\nto begin: s2s train; s2s translate runs/phrasebook-lstm"]
    for purpose, lines in COMMANDS.items():
        parts.append("\n".join([f"{purpose}:", *(f"  {name:{width}}{line}" for name, line in lines.items())]))
    parts.append(
        "s2s COMMAND --help shows examples and all options of a command.\n"
        "s2s --version tells versions, and what the processor can do."
    )
    return "\n\n".join(parts)


def help_text(name: str, command: Command) -> str:
    """What a command is for, examples, its common options, choices, all other options by group, and the flags."""
    fields = [(option, item) for option, item in option_fields(command.options) if "doc" in item.metadata]
    common = [(option, item) for option, item in fields if "." not in option or option in command.common]
    common.sort(key=lambda field: (field[1].default != "???", field[0] not in command.bare))  # those to be given first
    bare = "".join(f" [{_bare(option, dict(fields)[option])}]" for option in command.bare)
    parts = [f"s2s {name}: {LINE_OF[name]}", f"usage: s2s {name}{bare} OPTION=VALUE ... [FLAG ...]"]
    if command.examples:
        parts.append(_section("examples", [f"  s2s {name} {example}".rstrip() for example in command.examples]))
    parts.append(_section("options", [_option(option, item) for option, item in common]))
    for group, default in default_choices(command.options).items():
        parts.append(
            _section(f"choices of {group}=", [_choice(group, choice, default) for choice in choices_of(group)])
        )
    for group, kind in option_fields(command.options):
        rest = [(option, item) for option, item in fields if option.rpartition(".")[0] == group]
        shown = [_option(option, item) for option, item in rest if (option, item) not in common]
        if is_group(kind.type) and shown:
            doc = (kind.type.__doc__ or "").splitlines()[0].rstrip(".")
            parts.append(_section(f"options of {group}: {doc[0].lower()}{doc[1:]}", shown))
    return "\n\n".join([*parts, flags_help(name)])


def _bare(option: str, item: "dataclasses.Field[Any]") -> str:
    """How a value that needs no name is called in the usage."""
    kind = Kind.of(item.type, item.metadata["takes"])
    name = kind.takes.name if kind.takes.is_path else option
    return f"{name.upper()} ..." if kind.is_list else name.upper()


def _section(title: str, lines: list[str]) -> str:
    return "\n".join([f"{title}:", *lines])


def _option(name: str, item: "dataclasses.Field[Any]") -> str:
    """An option with its range, the values it may have, and its default."""
    doc, low, high = (item.metadata[key] for key in ("doc", "low", "high"))
    facts = [f"{shown_number(low)} to {shown_number(high)}"] if low is not None else []
    members = _members(item.type)
    if not all(re.search(rf"\b{member}\b", doc) for member in members):
        facts.append(", ".join(members))
    default = item.default_factory() if item.default_factory is not dataclasses.MISSING else item.default
    if default == "???":
        facts.append("must be given")
    elif default not in (None, "", []):
        facts.append(f"default {as_argument(default)}")
    return _entry(name, f"{doc} ({'; '.join(facts)})" if facts else doc)


def _members(kind: Any) -> list[str]:
    """The names that an option, or an entry of its list, may have, if they are few and fixed."""
    scalar = Kind.of(kind, Takes.text).scalar
    return list(scalar.__members__) if isinstance(scalar, enum.EnumType) else []


def _choice(group: str, choice: str, default: str | None) -> str:
    """A choice with the first line of its file's comment, and what it sets outside its group."""
    lines = (resources.files("s2s.conf") / group / f"{choice}.yaml").read_text(encoding="utf-8").splitlines()
    comments = [line.removeprefix("#").strip() for line in lines if line.startswith("#") and "@package" not in line]
    text = re.split(": (?=s2s |data)", comments[0])[0].rstrip(".") if comments else ""  # without its example
    sets = [] if group == "experiment" else list(_set_elsewhere(lines, group))
    text += f"; sets {', '.join(sets)}" if sets else ""
    return _entry(f"{group}={choice}", f"{text} (default)" if choice == default else text)


def _set_elsewhere(lines: list[str], group: str) -> Iterator[str]:
    """Options of other groups that a file of choices sets, as `# @package _global_` allows."""
    section = ""
    for line in lines if "# @package _global_" in lines else []:
        name, _, value = (part.strip() for part in line.partition("#")[0].partition(":"))
        if not line.startswith(" "):
            section = name
        if value and section != group:
            yield f"{section}.{name}={value}" if line.startswith(" ") else f"{name}={value}"


def _entry(name: str, text: str) -> str:
    """A name and what it means, in two columns."""
    return textwrap.fill(
        text,
        HELP_WIDTH,
        initial_indent=f"  {name:{_NAME_WIDTH - 3}} ",
        subsequent_indent=" " * _NAME_WIDTH,
        break_on_hyphens=False,
        break_long_words=False,
    )
