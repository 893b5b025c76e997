"""A command through Hydra: its options composed, and one job run or the jobs of a sweep.

This calls the parts of Hydra 1.3 that `@hydra.main` puts together, without its parser, which does not start on Python
3.14, and without its reports of errors, so that s2s says in its own words what it does not understand.
"""

import argparse
import importlib
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn

from hydra import version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from s2s.cli.commands import Command
from s2s.cli.composition import register, typed
from s2s.cli.exit_codes import SIGNAL, exit_code_of, log_to_stderr
from s2s.cli.interrupts import interrupted_in_a_line, with_keyboard_interrupt
from s2s.cli.option_table import is_group, option_fields
from s2s.cli.sweeps import JobFailedError, job_folder, stop_signals, sweep_folder, swept_options
from s2s.cli.values import Kind
from s2s.config.mistakes import expected, nearest, one_of
from s2s.config.options import Options, Takes
from s2s.errors import ConfigError, Interrupted

_ended_by: list[int] = []  # exit codes of jobs that a signal ended in this process, where it is one of a launcher's


@contextmanager
def hydra_for(name: str, command: Command, config_dir: str | None = None) -> Iterator[Hydra]:
    """Hydra, knowing the options of a command, the choices under conf/ and those in a folder of the user's own."""
    version.setbase("1.3")
    register(name, command)
    search_path = create_config_search_path("pkg://s2s.conf")
    if config_dir is not None:
        own = f"file://{Path(config_dir).absolute()}"
        search_path.prepend("command-line", own, SearchPathQuery(provider="schema"))
    try:
        yield Hydra.create_main_hydra2(name, search_path)
    finally:
        GlobalHydra.instance().clear()


def compose_and_run(
    name: str, command: Command, flags: argparse.Namespace, overrides: list[str], *, is_sweep: bool
) -> None:
    """Run a command, or show what Hydra has put together, as the flags say.

    Args:
        name: of the command.
        flags: those that were typed.
        overrides: what was typed besides, checked.
        is_sweep: whether options may have several values, a job for each.

    Raises:
        ConfigError: an option has a value that is none of those allowed.
        JobFailedError: a job in another process ended with another exit code than 0.
        SystemExit: a job in this process did.
    """
    log_to_stderr()
    _check_grammar(overrides)
    try:
        with hydra_for(name, command, flags.config_dir) as hydra:
            if flags.cfg is not None:
                try:
                    hydra.show_cfg(name, overrides, flags.cfg, flags.package, flags.resolve)
                except SystemExit as end:  # there is no such --package, as Hydra has said
                    sys.exit(2 if end.code == 1 else end.code)
            elif flags.info is not None:
                hydra.show_info(flags.info, name, overrides)
            else:
                _run_jobs(hydra, name, command, overrides, is_sweep=is_sweep)
    except (
        HydraException,
        OmegaConfBaseException,
        YAMLError,
        ValueError,
    ) as error:  # Hydra's; a job's own are reported by then
        raise ConfigError(_explain(error, command.options)) from error


def _check_grammar(overrides: list[str]) -> None:
    """Check that Hydra can read what was typed for its own options, and for several options of a group at once."""
    for override in overrides:
        name, _, value = override.partition("=")
        try:
            parsed = OverridesParser.create().parse_override(override)
        except HydraException as error:
            raise ConfigError(f"{override}: the value cannot be read; quote it: {name}='\"{value}\"'") from error
        if "/" in name and not parsed.is_sweep_override() and not isinstance(parsed.value(), str):
            raise ConfigError(f"{override}: expected the name of a choice")


def _run_jobs(hydra: Hydra, name: str, command: Command, overrides: list[str], *, is_sweep: bool) -> None:
    codes: list[int] = []
    job = partial(_run_job, command, swept_options(overrides), os.getpid(), codes)
    if not is_sweep:
        hydra.run(name, job, overrides)
    else:
        if command.makes_runs:
            overrides = [*overrides, *sweep_folder(overrides)]
        with stop_signals(overrides) as received:
            try:
                hydra.multirun(name, job, [*overrides, "hydra.mode=MULTIRUN"])
            except Exception as error:
                if received:
                    raise SystemExit(SIGNAL + received[0]) from error
                raise
    if any(codes):
        sys.exit(max(codes))


def _run_job(command: Command, swept: set[str], launcher: int, codes: list[int], options: DictConfig) -> None:
    """Run one job, here or in a process of joblib or submitit, which starts no further job after a signal.

    Raises:
        SystemExit: a signal ended the job; it ends the other jobs of this process too.
        JobFailedError: in another process, the job ended with another exit code than 0.
    """
    log_to_stderr()  # here once more, for another process
    if command.makes_runs:
        folder = job_folder(options.run, swept)
        if folder != options.run:  # a name with ${...} in it would be looked up
            options.run = folder
    task = partial(_run, command, options)
    if os.getpid() == launcher:
        codes.append(exit_code_of(task))
        if codes[-1] > SIGNAL:
            sys.exit(codes[-1])
        return
    code = _ended_by[0] if _ended_by else exit_code_of(task)
    if code > SIGNAL:
        _ended_by.append(code)
    if code:
        raise JobFailedError(code)


def _run(command: Command, options: DictConfig) -> None:
    signal.signal(signal.SIGTERM, _terminate)
    config = typed(options)
    with interrupted_in_a_line():
        for module in command.imports:
            importlib.import_module(module)
    try:
        with with_keyboard_interrupt():
            command.run(config)
    except RuntimeError as error:
        import torch

        if isinstance(error, torch.OutOfMemoryError):
            raise MemoryError from error
        raise


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Interrupted(number)


def _explain(error: Exception, options: type[Options]) -> str:
    """Say in a line what Hydra could not compose: `hydra.` options, and what files of the user's own hold."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        return f"{group}={choice}: expected {one_of(error.options, choice)}"
    text = f"{error}\n{error.__cause__ or ''}"
    file = re.match(r"In '(.+?)'", text)  # one of the user's own
    where = f"{file[1]}.yaml: " if file else ""
    key = re.search(r"full_key: ([\w.]+)", text)
    if key is None:
        return where + " ".join(text.split())
    option, fields = key[1], dict(option_fields(options))
    if option in fields and not is_group(fields[option].type):
        kind = Kind.of(fields[option].type, Takes.text)
        came = re.search(r"(?:Value|Key) '(.*?)'", text) or re.search(r"Invalid value '(.*?)'", text)
        got = f", got {came[1]}" if came else ""
        return f"{where}{option}: expected {expected(kind.entry, came[1] if came else '')}{got}"
    if option.startswith("hydra."):
        return f"{option}: no such option of the launcher or the sweep; --cfg hydra lists them"
    found = nearest(option, fields)
    return f"{where}{option}: " + (f"did you mean {found}?" if found else "no such option")
