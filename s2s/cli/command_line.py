"""A command line answered: the command that is meant is run, or help, version, completion or a mistake is told."""

import argparse
import difflib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from s2s.cli.arguments import check_given, overrides_of
from s2s.cli.commands import LINE_OF, command_of
from s2s.cli.exit_codes import exit_code_of, named_stdout, report_file_error
from s2s.cli.flags import flag_parser
from s2s.cli.help import help_text, list_of_commands
from s2s.cli.interrupts import interrupted_in_a_line
from s2s.errors import ConfigError


def run(arguments: Sequence[str]) -> int:
    """Run `COMMAND OPTION=VALUE ...`, and report what goes wrong; returns the exit code."""
    try:
        with named_stdout():
            return exit_code_of(partial(_answer, arguments))
    except OSError as error:  # what was still to be printed could not be
        return report_file_error(error)


def _answer(arguments: Sequence[str]) -> None:
    first = arguments[0] if arguments else "--help"
    if "-sc" in arguments or "--shell-completion" in arguments:
        from s2s.cli.completion import complete

        complete(arguments)
    elif first == "help" and len(arguments) > 1:
        _answer([arguments[1], "--help"])
    elif first in ("--help", "-h", "help"):
        print(list_of_commands())
    elif first in ("--version", "-V", "-v", "version") or "--version" in arguments:
        from s2s.cli.version import version_text

        print(version_text())
    elif first in LINE_OF:
        _run_command(first, arguments[1:])
    else:
        near = difflib.get_close_matches(first, LINE_OF, n=1) or [name for name in LINE_OF if name.startswith(first)]
        raise ConfigError(f"{first}: " + (f"did you mean {near[0]}?" if near else "no such command; see s2s --help"))


def _run_command(name: str, arguments: Sequence[str]) -> None:
    """Run a command with the arguments after its name, or print its help."""
    command = command_of(name)
    try:
        flags, rest = flag_parser(name).parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise ConfigError(str(error)) from error
    if flags.help:
        print(help_text(name, command))
        return
    if flags.config_dir is not None and not Path(flags.config_dir).is_dir():
        raise ConfigError(f"--config-dir {flags.config_dir}: expected a folder")
    is_sweep = flags.multirun or "hydra.mode=MULTIRUN" in rest
    overrides = overrides_of(rest, name, command, is_sweep=is_sweep, config_dir=flags.config_dir)
    if flags.cfg is None and flags.info is None:
        check_given(overrides, name, command)
    with interrupted_in_a_line():
        from s2s.cli.hydra_main import compose_and_run  # with Hydra: mistakes on the command line are told by now

        compose_and_run(name, command, flags, overrides, is_sweep=is_sweep)
