"""The command `s2s`: finds the command that is meant, reports errors in a line or two, and ends with an exit code."""

import argparse
import difflib
import sys
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from s2s.cli.arguments import check_words, with_names
from s2s.cli.commands import COMMANDS, LINE_OF, command_of
from s2s.cli.exit_codes import exit_code_of, named_stdout, report_file_error
from s2s.cli.flags import flag_parser
from s2s.cli.help import help_text
from s2s.errors import ConfigError


def main(command: str | None = None) -> NoReturn:
    """Run `s2s COMMAND OPTION=VALUE ...`; where the command is given here, the command line holds the rest only."""
    words = sys.argv[1:] if command is None else [command, *sys.argv[1:]]
    try:
        with named_stdout():
            code = exit_code_of(partial(_answer, words))
    except OSError as error:  # what was still to be printed could not be
        code = report_file_error(error)
    sys.exit(code)


def _answer(words: Sequence[str]) -> None:
    if "-sc" in words or "--shell-completion" in words:
        from s2s.cli.completion import complete

        complete(words)
    elif not words or words[0] in ("--help", "-h"):
        print(_list_of_commands())
    elif "--version" in words:
        print(f"s2s {version('s2s')}")
    elif words[0] in LINE_OF:
        _run_command(words[0], words[1:])
    else:
        near = difflib.get_close_matches(words[0], LINE_OF, n=1)
        raise ConfigError(f"{words[0]}: " + (f"did you mean {near[0]}?" if near else "no such command; see s2s --help"))


def _run_command(name: str, words: Sequence[str]) -> None:
    """Run a command with the words that were typed after its name, or print its help."""
    command = command_of(name)
    try:
        flags, rest = flag_parser(name).parse_known_args(words)
    except argparse.ArgumentError as error:
        raise ConfigError(str(error)) from error
    if flags.help:
        print(help_text(name, command))
        return
    overrides = with_names(rest, command)
    is_sweep = flags.multirun or "hydra.mode=MULTIRUN" in overrides
    check_words(overrides, name, command.options, is_sweep=is_sweep)
    if flags.config_dir is not None and not Path(flags.config_dir).is_dir():
        raise ConfigError(f"--config-dir {flags.config_dir}: expected a folder")
    from s2s.cli.hydra_main import compose_and_run  # with Hydra: all mistakes that are seen without it are told by now

    compose_and_run(name, command, flags, overrides, is_sweep=is_sweep)


def _list_of_commands() -> str:
    """Every command by purpose, a line each."""
    width = max(map(len, LINE_OF)) + 2
    parts = ["usage: s2s COMMAND OPTION=VALUE ..."]
    for purpose, lines in COMMANDS.items():
        parts.append("\n".join([f"{purpose}:", *(f"  {name:{width}}{line}" for name, line in lines.items())]))
    parts.append("s2s COMMAND --help lists the options of a command; s2s --version prints the version.")
    return "\n\n".join(parts)
