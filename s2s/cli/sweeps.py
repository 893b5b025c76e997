"""Sweeps: a run folder for each job, and the end of jobs in other processes."""

import hashlib
import multiprocessing
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode

from s2s.cli.exit_codes import SIGNAL
from s2s.errors import S2SError

# Shells, Hydra and file systems all leave these alone. (A comma after `run=` would begin a sweep for Hydra, and a
# second equals sign be an error, so neither can be in the name of a folder that is typed there.)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 150  # of 255 bytes that file systems allow
_NUM_DIGITS = 8  # hexadecimal ones, of a name that had to be changed


class JobFailedError(S2SError):
    """A job in another process ended with an exit code other than 0; Hydra carries this from there to the launcher."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"a job of the sweep ended with exit code {self.exit_code}; the launcher's log says why"


def swept_options(overrides: list[str]) -> set[str]:
    """The options that are given several values, such as `model` in `model=rnn,gru`."""
    parsed = OverridesParser.create().parse_overrides(overrides)
    return {override.key_or_group for override in parsed if override.is_sweep_override()}


def sweep_folder(overrides: list[str]) -> list[str]:
    """`hydra.sweep.dir=DIR` for the folder that all runs of a sweep share; nothing where the default is right.

    That is `run=DIR` where it is given, else a folder named after the corpus. Hydra makes it before it has looked at
    any other option, so that it cannot be an interpolation.
    """
    swept = swept_options(overrides)
    given = dict(override.split("=", 1) for override in overrides)
    if not swept or "hydra.sweep.dir" in given:
        return []
    if "run" in given and "run" not in swept and "$" not in given["run"]:
        return [f"hydra.sweep.dir={given['run']}"]
    if "data" in swept:
        return ["hydra.sweep.dir=runs/sweep"]
    return [f"hydra.sweep.dir=runs/{given['data']}-sweep"] if "data" in given else []


def job_folder(run: str, swept: set[str]) -> str:
    """The run folder of this process's job: in a sweep, below the sweep's folder, named after what is swept.

    Args:
        run: the job's `run`, which is the sweep's folder where it was given.
        swept: the options with several values on the command line.
    """
    hydra = HydraConfig.get()
    if hydra.mode is not RunMode.MULTIRUN:
        return run
    given = dict(override.split("=", 1) for override in hydra.overrides.task)
    swept = swept | set(hydra.sweeper.get("params") or {})
    name = folder_name([(option, value) for option, value in given.items() if option in swept - {"run"}])
    return str(Path(run if "run" in given else hydra.sweep.dir) / name) if name else run


@contextmanager
def stop_signals(overrides: list[str]) -> Iterator[list[int]]:
    """Collect SIGINT or SIGTERM while joblib's processes work, so that their jobs save and all end.

    A second signal ends the sweep at once. With another launcher, signals do what they always do.
    """
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if received:
            sys.exit(SIGNAL + number)
        received.append(number)
        print("stopping: the jobs of the sweep save and end; a second signal ends them at once", file=sys.stderr)
        if number == signal.SIGTERM:  # at Ctrl-C the terminal has sent one to each
            for process in multiprocessing.active_children():
                process.terminate()

    numbers = (signal.SIGINT, signal.SIGTERM) if "hydra/launcher=joblib" in overrides else ()
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def folder_name(options: Sequence[tuple[str, str]]) -> str:
    """A folder's name from options and their values: `model-gru+seed-2`, in the order of their names.

    A character that could mean something to a shell, to Hydra or to a file system becomes a dash. Where that, or a cut
    of a long name, loses something, digits from a hash of the whole keep two names apart.
    """
    full = "+".join(f"{option}-{value}" for option, value in sorted(options))
    name = "+".join(f"{_UNSAFE.sub('-', option)}-{_UNSAFE.sub('-', value)}" for option, value in sorted(options))
    if name == full and len(name) <= _LONGEST_NAME:
        return name
    digits = hashlib.sha256(full.encode()).hexdigest()[:_NUM_DIGITS]
    return f"{name[:_LONGEST_NAME]}+{digits}"
