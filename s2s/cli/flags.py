"""The flags of every command, such as --help and --multirun."""

import argparse
from functools import partial

HELP_WIDTH = 100
_CONFIGS = ("job", "hydra", "all")
_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


def flag_parser(name: str) -> argparse.ArgumentParser:
    """A parser of those of Hydra's flags that s2s supports; all other arguments are left over, in order."""
    parser = argparse.ArgumentParser(
        prog=f"s2s {name}",
        usage=argparse.SUPPRESS,
        formatter_class=partial(argparse.HelpFormatter, width=HELP_WIDTH, max_help_position=34),
        add_help=False,
        allow_abbrev=False,
        exit_on_error=False,
    )
    add = parser.add_argument_group("flags").add_argument
    add("-h", "--help", action="store_true", help="show this and exit")
    add("-m", "--multirun", action="store_true", help="run a job for each of several values, such as seed=1,2")
    add(
        "-c",
        "--cfg",
        choices=_CONFIGS,
        metavar="WHAT",
        help="show all options as they would be, and exit; WHAT is job, hydra or all",
    )
    add("-p", "--package", metavar="GROUP", help="with --cfg: only this group of options")
    add("--resolve", action="store_true", help="with --cfg: show values in place of ${...}")
    add(
        "-i",
        "--info",
        nargs="?",
        const="all",
        choices=_INFO,
        metavar="WHAT",
        help="show which files the options come from, and exit",
    )
    add("-cd", "--config-dir", metavar="DIR", help="a folder of your own with choices, laid out like conf/")
    add("-sc", "--shell-completion", action="store_true", help="with install=bash, zsh or fish: a script for Tab")
    return parser


def flags_help(name: str) -> str:
    """The flags and what they do, for --help."""
    return flag_parser(name).format_help().strip()
