"""Windows of lines translated by this process alone, or by several; what comes out is the same."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from functools import cache, partial
from types import TracebackType

import torch

from s2s.decoding.streaming.input_lines import Share, Window, shares
from s2s.decoding.streaming.line_translator import LineTranslator
from s2s.workers import Workers, in_turn

Load = Callable[[], LineTranslator]
"""Loads a run; a function that can be sent to other processes, each of which calls it once."""


class ParallelTranslator:
    """This process, and others that it starts when there is enough for them to do; a typed line is answered here.

    Windows are divided into the same shares whoever translates them, so the text does not depend on how many processes
    there are.
    """

    def __init__(self, load: Load, num_workers: int, *, num_threads: int | None = None, enough_bytes: int = 0) -> None:
        """Load the run in this process.

        Args:
            load: see `Load`.
            num_workers: processes that share the work; 1: there are no others.
            num_threads: of each of the others; None: as many as torch likes.
            enough_bytes: size of a window for which the others are started, if it has more than one share.
        """
        self._translate = load()
        self._num_workers, self._enough_bytes = num_workers, enough_bytes
        self._has_others = False
        begin = partial(_begin, load, num_threads)
        self._workers = Workers(num_workers, begin, work="translated", fewer="fewer workers")

    def __enter__(self) -> "ParallelTranslator":
        self._workers.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workers.__exit__(kind, error, trace)

    def translated(self, windows: Iterable[Window | None]) -> Iterator[tuple[Window, bytes]]:
        """Each window with what is to be written for it, in order.

        Args:
            windows: any number. They are read ahead a little, but not where None says that the next may be long in
                coming. Their error is raised in its turn, after the windows before it.
        """
        waiting: deque[_Waiting] = deque()
        try:
            for window, error in in_turn(windows):
                while waiting and (window is None or self._has_enough_to_do(waiting)):
                    yield self._finished(waiting.popleft())
                if error is not None:
                    raise error
                if window is None:
                    continue
                parts = shares(window, self._translate.share_lines)
                if waiting or self._is_for_others(window, parts):
                    self._has_others = True
                    waiting.append((window, parts, [self._workers.submit(_translate, part) for part in parts]))
                else:
                    yield window, _in_order(parts, map(self._translate, parts))
            while waiting:
                yield self._finished(waiting.popleft())
        finally:
            for _, _, futures in waiting:
                for future in futures:
                    future.cancel()

    def _is_for_others(self, window: Window, parts: Sequence[Share]) -> bool:
        is_enough = self._has_others or window.num_bytes >= self._enough_bytes
        return self._num_workers > 1 and len(parts) > 1 and is_enough

    def _has_enough_to_do(self, waiting: "deque[_Waiting]") -> bool:
        """Whether there are shares for all to go on with when the first window is done; beyond that the input waits."""
        return len(waiting) > 1 and sum(len(parts) for _, parts, _ in waiting) >= 2 * self._num_workers

    def _finished(self, waiting: "_Waiting") -> tuple[Window, bytes]:
        window, parts, futures = waiting
        return window, _in_order(parts, (future.result() for future in futures))


_Waiting = tuple[Window, list[Share], "list[Future[list[bytes]]]"]
"""A window, its shares, and what will come of each."""


def _in_order(parts: Iterable[Share], results: Iterable[list[bytes]]) -> bytes:
    """What is to be written for a window, from its shares."""
    found: dict[int, bytes] = {}
    for part, result in zip(parts, results, strict=True):
        found |= zip(part.numbers, result, strict=True)
    return b"".join(found[number] for number in sorted(found))


# ----------------------------------------------------------------------------------------------------------------------
# In the other processes

_load: Load | None = None


def _begin(load: Load, num_threads: int | None) -> None:
    global _load
    _load = load
    if num_threads is not None:
        torch.set_num_threads(num_threads)


@cache
def _own_translator() -> LineTranslator:
    """The run, loaded by the first task and kept; so what goes wrong is told as an error of that task."""
    assert _load is not None
    logging.disable(logging.WARNING)  # the first process has said all there is to say of the run
    try:
        return _load()
    finally:
        logging.disable(logging.NOTSET)


def _translate(share: Share) -> list[bytes]:
    return _own_translator()(share)
