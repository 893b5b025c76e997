"""How torch's threads wait: told by the processor time that they burn, which no load of the machine changes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from s2s import openmp
from s2s.openmp import SleepingTeam, waited_s, waits_ns, watch_load
from s2s.workers import all_cores

LIBRARY = openmp._gnu_openmp()
needs_gnu = pytest.mark.skipif(
    LIBRARY is None or all_cores() < 2 or waits_ns() is None or not openmp._OF_THE_USER.isdisjoint(os.environ),
    reason="needs GNU's OpenMP, left as it is, two cores, and a system that tells how long threads waited for a core",
)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def spun_s() -> float:
    """Processor time of this process in a quarter of a second of which it sleeps nearly all."""
    torch.rand(2**20).exp_()
    before_s = time.process_time()
    for _ in range(5):
        torch.rand(2**20).exp_()
        time.sleep(0.05)
    return time.process_time() - before_s


@needs_gnu
@pytest.mark.usefixtures("two_threads")
def test_beside_a_sleeping_team_threads_soon_sleep() -> None:
    if spun_s() < 0.05:
        pytest.skip("threads do not spin here: the environment says so, or there are more of them than cores")
    assert LIBRARY is not None
    asleep_s, awake_s = [], []
    for _ in range(5):  # it leaves nothing behind; other programs may disturb any one of them
        team = SleepingTeam(LIBRARY)
        asleep_s.append(spun_s())
        team.end()
        awake_s.append(spun_s())
    assert min(asleep_s) < max(awake_s) / 2


@needs_gnu
@pytest.mark.usefixtures("two_threads")
def test_a_sleeping_team_changes_no_number() -> None:
    assert LIBRARY is not None
    matrix = torch.randn(301, 307, generator=torch.Generator().manual_seed(3))
    expected = matrix @ matrix.T, matrix.exp().sum()
    team = SleepingTeam(LIBRARY)
    assert torch.equal(matrix @ matrix.T, expected[0])
    assert torch.equal(matrix.exp().sum(), expected[1])
    team.end()


CROWDED = """
import os, time, torch
from s2s.config.training import Device
from s2s.device import choose_device

choose_device(Device.cpu)
numbers = torch.rand(2**20)

def parallel_loops_s(num):
    started_s = time.perf_counter()
    for _ in range(num):
        numbers.exp_()
    return time.perf_counter() - started_s

parallel_loops_s(2)
for thread in os.listdir("/proc/self/task"):  # as if the other cores were taken
    os.sched_setaffinity(int(thread), {min(os.sched_getaffinity(0))})
first_s = parallel_loops_s(10)
end_s = END
while (now_s := parallel_loops_s(10)) > first_s / 2 and time.perf_counter() < end_s:
    pass
print(first_s / now_s)
"""


def gain(monkeypatch: pytest.MonkeyPatch, wait_s: float) -> float:
    """How many times as fast parallel loops become where the threads of a process share a core."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    script = CROWDED.replace("END", f"time.perf_counter() + {wait_s}", 1)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300)
    return float(ended.stdout)


@needs_gnu
@pytest.mark.slow
def test_on_a_busy_machine_threads_soon_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gain(monkeypatch, 60) > 2


def test_what_the_environment_says_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(openmp, "_gnu_openmp", lambda: object())
    monkeypatch.setattr(openmp, "waits_ns", lambda: {"17": 0})
    monkeypatch.setattr(openmp.threading.Thread, "start", lambda thread: started.append(thread.name))
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    watch_load.__wrapped__()
    assert started == []
    monkeypatch.delenv("OMP_WAIT_POLICY")
    watch_load.__wrapped__()
    assert started == ["load"]


def write_waits(folder: Path, waits_ns: dict[str, int]) -> None:
    for thread, waited_ns in waits_ns.items():
        (folder / "task" / thread).mkdir(parents=True, exist_ok=True)
        (folder / "task" / thread / "schedstat").write_text(f"99 {waited_ns} 7\n", encoding="ascii")


def test_a_thread_that_ends_while_they_are_read_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(openmp, "_PROCESS", tmp_path)
    write_waits(tmp_path, {"17": 1_500_000_000, "19": 250_000_000})
    (tmp_path / "task" / "23").mkdir()  # listed, and gone before it is read
    assert waits_ns() == {"17": 1_500_000_000, "19": 250_000_000}


def test_time_without_a_core_is_that_of_threads_there_all_the_time() -> None:
    before = {"17": 1_500_000_000, "19": 250_000_000, "23": 9_000_000_000}
    now = {"17": 1_750_000_000, "19": 500_000_000, "29": 8_000_000_000}  # 23 has ended, 29 begun
    assert waited_s(before, now) == 0.5
    assert waited_s({}, now) == waited_s(before, {}) == 0.0  # nothing is known of one of the times


def test_a_system_that_does_not_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(openmp, "_PROCESS", tmp_path)
    assert waits_ns() is None
    (tmp_path / "task" / "17").mkdir(parents=True)  # a kernel that does not count
    assert waits_ns() is None
    assert openmp._gnu_openmp() is None
