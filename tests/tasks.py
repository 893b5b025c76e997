"""Tasks for the tests of `Workers`; here, so that a process that takes one on imports next to nothing."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

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


FIRST_CHUNK = 30


def sift_few_phrases(folder: Path, num_pairs: int, seed: int, is_reversed: bool, rules: Any, number: int) -> Any:
    """As `prepare` sifts the phrasebook, but in small chunks."""
    from s2s.config import Split
    from s2s.data import phrasebook, prepare

    pairs = phrasebook.distinct_pairs(Split.train, FIRST_CHUNK if number == 0 else 40, seed, stream=number)
    return prepare._sift_chunk(folder, number, prepare._turned(pairs, is_reversed), rules, None)
