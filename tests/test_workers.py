import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import pytest

from processes import ROOT, environment
from s2s import workers
from s2s.errors import DataError
from s2s.workers import Workers
from tasks import killed, names_of_modules, odd_ones_only, squared_by
from tiny_runs import TINY


@pytest.fixture(params=[1, 2])
def num_cores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(workers, "num_cores", lambda: request.param)
    return int(request.param)


def failing_after(numbers: list[int]) -> Iterator[int]:
    yield from numbers
    raise DataError("no more to read")


def test_results_come_in_order_and_errors_in_their_turn(num_cores: int) -> None:
    with Workers() as pool:
        results = list(pool.in_order(squared_by, range(9)))
        assert [square for square, _ in results] == [0, 1, 4, 9, 16, 25, 36, 49, 64]
        assert ({pid for _, pid in results} == {os.getpid()}) == (num_cores == 1)
        assert [square for square, _ in islice(pool.in_order(squared_by, count()), 3)] == [0, 1, 4]  # without an end
        assert [square for square, _ in pool.in_order(squared_by, [])] == []
        seen = pool.in_order(odd_ones_only, failing_after([1, 3, 4, 5]))
        assert [next(seen), next(seen)] == [1, 3]
        with pytest.raises(DataError, match="4 is even"):
            next(seen)
        seen = pool.in_order(odd_ones_only, failing_after([1, 3, 5]))
        assert [next(seen), next(seen), next(seen)] == [1, 3, 5]
        with pytest.raises(DataError, match="no more to read"):
            next(seen)


def test_a_quota_of_cores(tmp_path: Path) -> None:
    file = tmp_path / "cpu.max"
    assert workers._quota(file) == sys.maxsize
    for text, num in (("max 100000", sys.maxsize), ("250000 100000", 2), ("50000 100000", 1)):
        file.write_text(f"{text}\n")
        assert workers._quota(file) == num
    assert 1 <= workers.num_cores() <= 16


def test_one_task_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "num_cores", lambda: 2)
    with Workers() as pool:
        assert list(pool.in_order(squared_by, [7])) == [(49, os.getpid())]
        with pytest.raises(DataError, match="no more to read"):
            list(pool.in_order(squared_by, failing_after([])))


def test_a_killed_process_is_an_error_and_processes_have_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor do they run the script that started this one."""
    monkeypatch.setattr(workers, "num_cores", lambda: 1 + 1)
    with Workers() as pool:
        modules = next(iter(pool.in_order(names_of_modules, range(2))))
        assert "s2s.workers" in modules
        assert "torch" not in modules
        assert "main has None" in modules
    with pytest.raises(DataError, match="was killed; is memory short"), Workers() as pool:
        list(pool.in_order(killed, range(2)))


def test_preparing_needs_no_torch() -> None:
    """Each process would take seconds and hundreds of megabytes for it."""
    code = "import sys, s2s.data.prepare; sys.exit('torch' in sys.modules or 'hydra' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment())


def wait_for_end(processes: list[int]) -> None:
    until_s = time.monotonic() + 30
    while any(Path(f"/proc/{number}").exists() for number in processes):
        assert time.monotonic() < until_s
        time.sleep(0.05)


ORPHANS = """
import os, sys, time
sys.path.insert(0, {tests!r})
from s2s import workers
from tasks import told
workers.num_cores = lambda: 2
with workers.Workers() as pool:
    list(pool.in_order(told, [{folder!r}] * 2))
"""


@pytest.mark.slow
def test_processes_end_with_their_parent_even_when_it_is_killed(tmp_path: Path) -> None:
    code = ORPHANS.format(tests=str(ROOT / "tests"), folder=str(tmp_path))
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment(), stderr=subprocess.PIPE)
    while len(list(tmp_path.iterdir())) < 2:
        assert parent.poll() is None
        time.sleep(0.05)
    parent.kill()
    parent.communicate()
    numbers = [int(path.name) for path in tmp_path.iterdir()]
    wait_for_end(numbers)


def children(number: int) -> list[int]:
    """Processes that a process has started, and those that these have started."""
    found: list[int] = []
    for path in Path(f"/proc/{number}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found += [child, *children(child)]
    return found


def heed_sigint() -> None:
    """As at a terminal: a shell has its background jobs ignore SIGINT, which children inherit."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("stage", "part"), [("reading", "text-*.part/train.*"), ("encoding", "ids-*.part")])
@pytest.mark.parametrize("wait_s", [0.0, 0.2])
def test_a_signal_to_all_processes_ends_preparation(
    tmp_path: Path, number: int, stage: str, part: str, wait_s: float
) -> None:
    if workers.num_cores() == 1:
        pytest.skip("there are no other processes on one core")
    names = [str(tmp_path / name) for name in ("train.a", "train.b")]
    for name in names:
        Path(name).write_text("".join(f"{index % 97} birds and {index % 89} cats\n" for index in range(400_000)))
    options = ["data=files", f"data.train=[{','.join(names)}]", f"data.cache={tmp_path / 'cache'}", "data.clean=false"]
    command = [sys.executable, "scripts/train.py", *options, *TINY, f"run={tmp_path / 'run'}"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=heed_sigint,
    )
    root = tmp_path / "cache" / "prepared"
    while not list(root.glob(part)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    time.sleep(wait_s)
    started = children(process.pid)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=30)
    notes = b"learning subwords from ", b"cut ", b"fitted to "
    told = [line for line in err.splitlines() if not line.startswith(notes)]
    assert (process.returncode, out, len(told)) == (128 + number, b"", 1), (stage, err)
    assert told[0].startswith(b"interrupted before the first step: "), (stage, err)
    assert list(root.glob("*.part")) == []
    assert list(root.glob("*.new")) == []
    assert [path for path in root.glob("ids-*") if path.suffix != ".lock"] == []
    if wait_s:
        assert len(started) >= 2
    wait_for_end(started)
