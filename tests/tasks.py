"""Tasks for the tests of `Workers`; here, so that a process that takes one on imports next to nothing."""

import os
import signal
import sys
import time
from pathlib import Path

from s2s.errors import DataError


def squared_by(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def odd_ones_only(number: int) -> int:
    if number % 2 == 0:
        raise DataError(f"{number} is even")
    return number


def killed(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def names_of_modules(number: int) -> list[str]:
    return [*sys.modules, f"main has {getattr(sys.modules['__main__'], '__file__', None)}"]


def told(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(60)
