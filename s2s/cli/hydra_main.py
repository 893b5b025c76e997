"""A command through Hydra: its options composed, and one job run or the jobs of a sweep.

This calls the parts of Hydra 1.3 that `@hydra.main` puts together, without its parser, which does not start on Python
3.14, and without its reports of errors, so that s2s says in its own words what it does not understand.
"""

import argparse
import os
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
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from s2s.cli.arguments import explain
from s2s.cli.commands import Command
from s2s.cli.composition import register, typed
from s2s.cli.exit_codes import SIGNAL, exit_code_of, log_to_stderr
from s2s.cli.sweeps import JobFailedError, job_folder, stop_signals, sweep_folder, swept_options
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
    except (HydraException, OmegaConfBaseException, ValueError) as error:  # Hydra's; a job's own are reported by then
        raise ConfigError(explain(error, command.options)) from error


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
        options.run = job_folder(options.run, swept)
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
    try:
        command.run(typed(options))
    except RuntimeError as error:
        import torch

        if isinstance(error, torch.OutOfMemoryError):
            raise MemoryError from error
        raise


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Interrupted(number)
