"""Sweeps: a folder for each job, and what a job in another process tells of its end."""

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
from hydra.errors import HydraException
from hydra.types import RunMode

from s2s.errors import S2SError

# Shells, Hydra and file systems all leave these alone. (A comma after `run=` would begin a sweep for Hydra, and a
# second equals sign be an error, so neither can be in the name of a folder that is typed there.)
_FOREIGN = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 150  # of 255 bytes that file systems allow
_NUM_DIGITS = 8  # hexadecimal ones, of a name that had to be changed


class JobFailedError(S2SError):
    """A job in another process ended with an exit code other than 0; Hydra carries this from there to the launcher."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"a job of the sweep ended with exit code {self.exit_code}; the launcher's log says why"


def swept_names(arguments: Sequence[str]) -> set[str]:
    """Options that are given several values on a command line, such as `model` in `model=rnn,gru`."""
    given = [argument for argument in arguments if "=" in argument and not argument.startswith("-")]
    try:
        overrides = OverridesParser.create().parse_overrides(given)
    except HydraException:  # Hydra will say what is wrong, in its own time
        return set()
    return {override.get_key_element().lstrip("+") for override in overrides if override.is_sweep_override()}


def parent_options(arguments: Sequence[str]) -> list[str]:
    """What to add to a command line so that `hydra.sweep.dir` is the folder that all jobs of its sweep share.

    That is `run=DIR` where it is given, else a folder named after the corpus. It has to be told in plain letters: Hydra
    makes it before it has looked at any other option.
    """
    swept = swept_names(arguments)
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
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
        swept: names of options with several values on the command line.
    """
    hydra = HydraConfig.get()
    if hydra.mode is not RunMode.MULTIRUN:
        return run
    given = {name.lstrip("+"): value for name, _, value in (text.partition("=") for text in hydra.overrides.task)}
    swept = swept | set(hydra.sweeper.get("params") or {})
    name = folder_name([(option, value) for option, value in given.items() if option in swept - {"run"}])
    return str(Path(run if "run" in given else hydra.sweep.dir) / name) if name else run


@contextmanager
def stop_signals(arguments: Sequence[str]) -> Iterator[list[int]]:
    """A list that SIGINT or SIGTERM adds itself to while joblib's processes work: their jobs save, and all end.

    A second signal ends the sweep at once. Without joblib on the command line, signals do what they always do.
    """
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if received:
            sys.exit(128 + number)
        received.append(number)
        print("stopping: the jobs of the sweep save and end; a second signal ends them at once", file=sys.stderr)
        if number == signal.SIGTERM:  # at Ctrl-C a terminal has told them already
            for process in multiprocessing.active_children():
                process.terminate()

    numbers = (signal.SIGINT, signal.SIGTERM) if "hydra/launcher=joblib" in arguments else ()
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
    name = "+".join(f"{_FOREIGN.sub('-', option)}-{_FOREIGN.sub('-', value)}" for option, value in sorted(options))
    if name == full and len(name) <= _LONGEST_NAME:
        return name
    digits = hashlib.sha256(full.encode()).hexdigest()[:_NUM_DIGITS]
    return f"{name[:_LONGEST_NAME]}+{digits}"
