"""SIGINT and SIGTERM, told to the training loop, which finishes its step and saves before it ends."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from s2s.errors import Interrupted


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """A list that SIGINT or SIGTERM adds itself to, for the loop to look at; a second signal stops at once."""
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if received:
            raise Interrupted(number, "stopped at once, at the second signal; the last checkpoint is still there")
        received.append(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
