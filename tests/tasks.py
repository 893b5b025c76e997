"""Tasks for the tests of `Workers`; here, so that a process that takes one on imports next to nothing."""

import os
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
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


@dataclass(frozen=True)
class Capitalizer:
    """Stands for a run: gives each line in capitals, its process, and its number of threads."""

    bucket_lines: int = 3

    def __call__(self, bucket: Any) -> Any:
        import torch

        from s2s.decoding.streaming.line_translator import BucketOutput

        if b"kill" in bucket.lines:
            os.kill(os.getpid(), signal.SIGKILL)
        if b"fail" in bucket.lines:
            raise DataError("there is a line that fails")
        facts = f"{os.getpid()} {torch.get_num_threads()}".encode()
        pairs = zip(bucket.numbers, bucket.lines, strict=True)
        return BucketOutput([b"%d %s %s\n" % (number, line.upper(), facts) for number, line in pairs], [], [])


def build_and_wait(root: str, started: str) -> None:
    """Begin to build an entry of a cache, and never end."""
    from s2s.data.cache import Cache

    def build(folder: Path) -> dict[str, Any]:
        (folder / "a").write_text("half")
        Path(started).touch()
        time.sleep(60)
        return {}

    Cache(Path(root)).entry("text", {"text": "abc", "seed": 1}, build)


@dataclass(frozen=True)
class FewPhrases:
    """Reads 100 pairs of the phrasebook, in chunks of 30 or 40, of which some come again."""

    key: dict[str, Any]
    given_splits: tuple[()] = ()
    num_distinct: int = 100

    def chunks(self) -> Iterable[int]:
        return count()

    def read_chunk(self, chunk: int) -> list[Any]:
        from s2s.config.data import Split
        from s2s.data.phrasebook.generate import distinct_pairs

        return [pair[:2] for pair in distinct_pairs(Split.train, 40 if chunk else 30, 1, stream=chunk)]

    def read_split(self, split: Any) -> list[Any]:
        raise AssertionError("it has none")
