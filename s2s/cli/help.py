"""What `s2s COMMAND --help` prints."""

import dataclasses
import textwrap
from typing import Any

from s2s.cli.commands import COMMANDS, LINE_OF, Command
from s2s.cli.flags import HELP_WIDTH, flag_parser
from s2s.cli.option_table import choices_of, default_choices, option_fields
from s2s.config.options import as_argument, shown_number

_NAME_WIDTH = 34


def list_of_commands() -> str:
    """Every command by purpose, a line each."""
    width = max(map(len, LINE_OF)) + 2
    parts = ["usage: s2s COMMAND OPTION=VALUE ..."]
    for purpose, lines in COMMANDS.items():
        parts.append("\n".join([f"{purpose}:", *(f"  {name:{width}}{line}" for name, line in lines.items())]))
    parts.append("s2s COMMAND --help lists the options of a command; s2s --version prints the version.")
    return "\n\n".join(parts)


def help_text(name: str, command: Command) -> str:
    """What a command is for, its flags, the choices of its groups, and its options with their ranges and defaults."""
    groups = [
        _entry(group, f"{', '.join(choices_of(group))}{_shown(default)}")
        for group, default in default_choices(command.options).items()
    ]
    fields = [(option, item) for option, item in option_fields(command.options) if "doc" in item.metadata]
    fields.sort(key=lambda field: (field[1].default != "???", "." in field[0]))  # required ones first, groups last
    options = [_entry(option, f"{item.metadata['doc']}{_range(item)}{_shown(item.default)}") for option, item in fields]
    parts = [f"s2s {name}: {LINE_OF[name]}", flag_parser(name).format_help().rstrip()]
    parts += ["\n".join(["choices (conf/GROUP/CHOICE.yaml):", *groups])] if groups else []
    return "\n\n".join([*parts, "\n".join(["options:", *options])])


def _entry(name: str, text: str) -> str:
    """A name and what it means, in two columns."""
    return textwrap.fill(
        text,
        HELP_WIDTH,
        initial_indent=f"  {name:{_NAME_WIDTH - 3}} ",
        subsequent_indent=" " * _NAME_WIDTH,
        break_on_hyphens=False,
    )


def _range(item: "dataclasses.Field[Any]") -> str:
    low, high = item.metadata["low"], item.metadata["high"]
    return "" if low is None else f" ({shown_number(low)} to {shown_number(high)})"


def _shown(default: Any) -> str:
    """A default in brackets, where there is one."""
    is_left_out = default in (None, "", "???") or default is dataclasses.MISSING
    return "" if is_left_out else f" [{as_argument(default)}]"
