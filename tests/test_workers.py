import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import pytest
from conftest import ROOT, environment
from tasks import killed, names_of_modules, odd_ones_only, squared_by

from s2s.data import workers
from s2s.data.workers import Workers
from s2s.errors import DataError


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
        assert "s2s.data.workers" in modules
        assert "torch" not in modules
        assert "main has None" in modules
    with pytest.raises(DataError, match="was killed; is memory short"), Workers() as pool:
        list(pool.in_order(killed, range(2)))


def test_preparing_needs_no_torch() -> None:
    """Each process would take seconds and hundreds of megabytes for it."""
    code = "import sys, s2s.data.prepare; sys.exit('torch' in sys.modules or 'hydra' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment())


ORPHANS = """
import os, sys, time
sys.path.insert(0, {tests!r})
from s2s.data import workers
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
    until_s = time.monotonic() + 30
    while any(Path(f"/proc/{number}").exists() for number in numbers):
        assert time.monotonic() < until_s
        time.sleep(0.05)
