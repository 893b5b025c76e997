"""The command `s2s`. Importing this takes no time, so that Ctrl-C is answered in a line from the beginning."""

import sys
from typing import NoReturn

from s2s.cli.interrupts import interrupted_in_a_line


def main(command: str | None = None) -> NoReturn:
    """Run `s2s COMMAND OPTION=VALUE ...`; where the command is given here, the command line holds the rest only."""
    with interrupted_in_a_line():
        from s2s.launcher import end_with_launcher

        end_with_launcher()
        from s2s.cli.command_line import run

    sys.exit(run(sys.argv[1:] if command is None else [command, *sys.argv[1:]]))
