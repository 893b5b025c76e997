"""What Ctrl-C does while a command starts. Importing this takes no time."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


@contextmanager
def interrupted_in_a_line() -> Iterator[None]:
    """A block of imports, which Ctrl-C ends at once: there is nothing to save, and libraries are half loaded."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # somebody else's, or ignored, as under nohup
        yield
        return
    signal.signal(signal.SIGINT, _interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def with_keyboard_interrupt() -> Iterator[None]:
    """A block, within one of imports, in which Ctrl-C raises KeyboardInterrupt again: what has begun can be ended."""
    before = signal.getsignal(signal.SIGINT)
    if before is _interrupted:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupted(number: int, frame: FrameType | None) -> NoReturn:
    os.write(sys.stderr.fileno(), b"interrupted\n")
    os._exit(128 + number)
