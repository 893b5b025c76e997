"""SIGINT and SIGTERM, deferred until the training loop has finished its step and saved."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from s2s.errors import Interrupted


@contextmanager
def deferred_signals() -> Iterator[list[int]]:
    """A list to which SIGINT and SIGTERM are appended, for the loop to check; a second one ends the process at once."""
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


@contextmanager
def interruptible(when: str) -> Iterator[None]:
    """A block in which SIGINT and SIGTERM end the command at once, with a message that says what is kept.

    Args:
        when: the signal comes, and what is kept then.

    Raises:
        Interrupted: a signal came.
    """
    try:
        yield
    except (KeyboardInterrupt, Interrupted) as error:
        number = error.exit_code - 128 if isinstance(error, Interrupted) else signal.SIGINT
        raise Interrupted(number, f"interrupted {when}; the same command goes on") from error
