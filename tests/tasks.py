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


def build_and_wait(root: str, started: str) -> None:
    """Begin to build an entry of a cache, and never end."""
    from s2s.data.cache import Cache

    def build(folder: Path) -> dict[str, Any]:
        (folder / "a").write_text("half")
        Path(started).touch()
        time.sleep(60)
        return {}

    Cache(Path(root)).entry("text", {"text": "abc", "seed": 1}, build)


FIRST_CHUNK = 30


def sift_few_phrases(folder: Path, num_pairs: int, seed: int, is_reversed: bool, rules: Any, number: int) -> Any:
    """As `prepare` sifts the phrasebook, but in small chunks."""
    from s2s.config.data import Split
    from s2s.data.phrasebook.generate import distinct_pairs
    from s2s.data.text import corpus

    pairs = distinct_pairs(Split.train, FIRST_CHUNK if number == 0 else 40, seed, stream=number)
    return corpus._sift_chunk(folder, number, corpus._turned(pairs, is_reversed), rules, None)
