"""The command `s2s`: finds the command that is meant, reports errors in a line or two, and ends with an exit code."""

import difflib
import sys
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import NoReturn

from s2s.cli.commands import COMMANDS, LINE_OF
from s2s.cli.exit_codes import exit_code_of, named_stdout, report_file_error
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
        from s2s.cli.hydra_main import run_command  # with Hydra and PyTorch, which take seconds

        run_command(words[0], words[1:])
    else:
        near = difflib.get_close_matches(words[0], LINE_OF, n=1)
        raise ConfigError(f"{words[0]}: " + (f"did you mean {near[0]}?" if near else "no such command; see s2s --help"))


def _list_of_commands() -> str:
    """Every command by purpose, a line each."""
    width = max(map(len, LINE_OF)) + 2
    parts = ["usage: s2s COMMAND OPTION=VALUE ..."]
    for purpose, lines in COMMANDS.items():
        parts.append("\n".join([f"{purpose}:", *(f"  {name:{width}}{line}" for name, line in lines.items())]))
    parts.append("s2s COMMAND --help lists the options of a command; s2s --version prints the version.")
    return "\n\n".join(parts)
