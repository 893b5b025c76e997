"""Chunks of text worked on by several processes, with results in the order of the chunks."""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, islice
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType, TracebackType
from typing import Any, TypeVar

from s2s.errors import DataError, Interrupted

T = TypeVar("T")
R = TypeVar("R")
_LEFT_TO_PARENT = (signal.SIGINT, signal.SIGTERM)


def num_cores() -> int:
    """Cores that this process may use, 16 at most: more would wait for the process that hands out the text."""
    return min(all_cores(), 16)


def all_cores() -> int:
    """Cores that this process may use."""
    num = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(num, _quota(Path("/sys/fs/cgroup/cpu.max")))


def _quota(file: Path) -> int:
    """Whole cores, at least one, that a container may use ("QUOTA PERIOD" in microseconds); many without a limit."""
    try:
        quota, period = map(int, file.read_text().split())
    except (OSError, ValueError):  # no such file, or "max"
        return sys.maxsize
    return max(1, quota // period)


class _Worker:
    """A process that does a task at a time.

    It is spawned, not forked: threads of torch and OpenMP do not survive a fork. Its pipe has no other end than its
    own, so that reading from it ends as soon as it is killed, in the middle of a result too. (A pool of
    `concurrent.futures` shares one pipe among its processes, and waits for ever for the rest of such a result.)
    """

    def __init__(self, begin: Callable[[], None] | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, begin), daemon=True)
        with _without_main(), _without_signals():
            self._process.start()
        there.close()

    def do(self, function: Callable[[T], R], task: T) -> R:
        """`function(task)`, with its error.

        Raises:
            EOFError, OSError: the process was killed.
        """
        self._pipe.send((function, task))
        result, error = self._pipe.recv()
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def end(self) -> None:
        """Let it end; it has no task."""
        self._pipe.close()
        self._process.join()

    def kill(self) -> None:
        """End it at once; it ignores milder signals."""
        self._process.kill()
        self._process.join()


class Workers:
    """Processes that are started when there is a second task, and end with the `with` block.

    Args:
        num: of processes; left out: `num_cores()`.
        begin: what each process does before its first task.
        work: what they do, in the past tense, for the message when one is killed.
        fewer: how a user asks for fewer of them.
    """

    def __init__(
        self,
        num: int | None = None,
        begin: Callable[[], None] | None = None,
        *,
        work: str = "prepared text",
        fewer: str = "fewer cores (taskset -c 0 COMMAND)",
    ) -> None:
        self._num = num or num_cores()
        self._begin = begin
        self._work, self._fewer = work, fewer
        self._workers: list[_Worker] = []
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._threads = ThreadPoolExecutor(self._num)  # one waits for each worker at work

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:  # what the workers are at is of no use any more
            return self._kill()
        try:
            self._threads.shutdown(cancel_futures=True)
            for worker in self._workers:
                worker.end()
        except BaseException:  # a signal, while it waited for what they were at
            self._kill()
            raise

    def _kill(self) -> None:
        for worker in self._workers:
            worker.kill()
        self._threads.shutdown(cancel_futures=True)

    def in_order(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """`map(function, tasks)`; tasks are taken a few at a time, so that there may be any number.

        An error of a task, or of `tasks` itself, is raised in its turn: the first one in order is the one that is seen.
        A single task is done in this process, at once.

        Raises:
            DataError: a process was killed.
        """
        turns = in_turn(tasks)
        head = list(islice(turns, 2))
        turns = chain(head, turns)
        if len(head) < 2 or self._num == 1:
            for task, error in turns:
                if error is not None:
                    raise error
                yield function(task)  # type: ignore[arg-type]  # a task, since there is no error
            return
        waiting: deque[Future[R]] = deque()
        try:
            for task, error in turns:
                if len(waiting) == self._num + 2:
                    yield waiting.popleft().result()
                waiting.append(_failed(error) if error else self.submit(function, task))  # type: ignore[arg-type]
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def submit(self, function: Callable[[T], R], task: T) -> "Future[R]":
        """Have a task done by one of the processes, which are started when they are needed.

        The future raises DataError where the process is killed.
        """
        if len(self._workers) < self._num:
            worker = _Worker(self._begin)
            self._workers.append(worker)
            self._idle.put(worker)
        return self._threads.submit(self._do, function, task)

    def _do(self, function: Callable[[T], R], task: T) -> R:
        worker = self._idle.get()
        try:
            return worker.do(function, task)
        except (EOFError, OSError) as closed:
            raise DataError(
                f"a process that {self._work} was killed; is memory short? Give the same command again with "
                f"{self._fewer}, or with more memory"
            ) from closed
        finally:
            self._idle.put(worker)


def in_turn(tasks: Iterable[T]) -> Iterator[tuple[T | None, Exception | None]]:
    """Each task, and the error that ended them, if there was one."""
    try:
        for task in tasks:
            yield task, None
    except Interrupted:  # at once
        raise
    except Exception as error:
        yield None, error


def _failed(error: Exception) -> "Future[R]":
    future: Future[R] = Future()
    future.set_exception(error)
    return future


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep a spawned process from importing this one's script: it would run the command again, and import torch."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _without_signals() -> Iterator[None]:
    """Let signals wait until the end of the block, so that none leaves a process half started.

    A process started meanwhile inherits the blocked signals, so that none ends it before it ignores them. That is not
    enough here: another thread, which does not block them, may be handed the signal, and Python would run its handler
    in the main thread all the same. So the handlers are put aside as well.
    """
    came: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()  # handlers only ever run, and are set, there
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _LEFT_TO_PARENT)
    handlers = {number: signal.getsignal(number) or signal.SIG_DFL for number in _LEFT_TO_PARENT if is_main}
    try:
        for number in handlers:
            signal.signal(number, lambda number, _: came.append(number))
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if came:
            signal.raise_signal(came[0])


def _serve(pipe: "Connection[Any, Any]", begin: Callable[[], None] | None) -> None:
    """What a worker does: a task after the other, until its parent closes the pipe, or ends."""
    for number in _LEFT_TO_PARENT:  # the parent gets them too
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if begin is not None:
        begin()
    while True:
        try:
            function, task = pipe.recv()
        except EOFError:
            return
        pipe.send(_answer(function, task))


def _answer(function: Callable[[T], R], task: T) -> tuple[R | None, Exception | None]:
    try:
        return function(task), None
    except Exception as error:
        return None, error


def _end_with_parent() -> None:
    """Even when the parent is killed, and in the middle of a task."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
