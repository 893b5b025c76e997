"""How torch's threads wait for one another on a CPU: awake on a quiet machine, asleep on a busy one.

At the end of every parallel loop, thousands of times a second, each thread waits for the slowest. GNU's OpenMP lets it
spin for some 20 ms before it sleeps, which is fastest as long as every thread has a core. Where another program takes
one of two cores, the thread that spins holds the core that the other one needs, and training falls to a twentieth.

GNU's OpenMP itself spins a thousandth of that while it has more threads than there are cores. So while threads wait for
cores, one team of threads more than torch needs is kept, which sleeps. Unlike with fewer threads, no sum changes.
"""

import ctypes
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import torch

_OF_THE_USER = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
"""Variables that say how to wait; where one is set, it is obeyed."""
_PROCESS = Path("/proc/self")  # of Linux
_PERIOD_S = 1.0
_CROWDED = 0.35
"""Seconds that threads may wait for a core in each second. Measured: 0.1 to 0.2 on a quiet machine, spinning or
not; beside one busy program 1.05 if they spin, and 0.6 to 0.8 if they do not."""


@cache  # once a process
def watch_load() -> None:
    """From now on let torch's threads wait as suits the load; does nothing where that cannot be told or changed."""
    library = _gnu_openmp()
    if library is None or torch.get_num_threads() == 1 or not _OF_THE_USER.isdisjoint(os.environ):
        return
    if waits_ns() is not None:
        threading.Thread(target=_watch, args=(library,), name="load", daemon=True).start()


def _watch(library: ctypes.CDLL) -> None:
    team: SleepingTeam | None = None
    before_s, before_ns = time.monotonic(), waits_ns() or {}
    while True:
        time.sleep(_PERIOD_S)
        now_s, now_ns = time.monotonic(), waits_ns() or {}
        is_crowded = waited_s(before_ns, now_ns) > _CROWDED * (now_s - before_s)
        before_s, before_ns = now_s, now_ns
        if is_crowded and team is None:
            team = SleepingTeam(library)
        elif team is not None and not is_crowded:
            team.end()
            team = None


def waits_ns() -> dict[str, int] | None:
    """Nanoseconds in which each thread there is could have run and had no core, by its id.

    None where the system does not tell.
    """
    waits = {}
    try:
        for task in (_PROCESS / "task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended since
                waits[task.name] = int((task / "schedstat").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return waits or None  # some thread reads this: without any, the kernel does not count


def waited_s(before_ns: Mapping[str, int], now_ns: Mapping[str, int]) -> float:
    """Seconds by which the waits grew, over the threads that were there both times."""
    return sum(now_ns[task] - before_ns[task] for task in now_ns.keys() & before_ns.keys()) / 1e9


def _gnu_openmp() -> ctypes.CDLL | None:
    """The OpenMP library that is loaded, if it is GNU's: torch's own copy where there are several."""
    try:
        lines = (_PROCESS / "maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    paths = {line.split(maxsplit=5)[5] for line in lines if "libgomp" in line}
    path = max(paths, key=lambda path: "torch" in path, default=None)
    return None if path is None else ctypes.CDLL(path)


class SleepingTeam:
    """Threads that OpenMP counts and that do nothing, from construction to `end`."""

    def __init__(self, library: ctypes.CDLL) -> None:
        # With torch's own threads, one more than there are cores.
        num_threads = max(2, library.omp_get_num_procs() - torch.get_num_threads() + 2)
        self._is_over, self._has_begun = threading.Event(), threading.Event()
        # A team belongs to the thread that started it, and ends with it.
        self._leader = threading.Thread(target=self._lead, args=(library, num_threads), name="team", daemon=True)
        self._leader.start()
        self._has_begun.wait()

    def _lead(self, library: ctypes.CDLL, num_threads: int) -> None:
        # What the compiler makes of a parallel block: here each thread asks for its number, and that is all.
        library.GOMP_parallel(library.omp_get_thread_num, None, num_threads, 0)
        self._has_begun.set()
        self._is_over.wait()

    def end(self) -> None:
        """Let the threads go."""
        self._is_over.set()
        self._leader.join()
