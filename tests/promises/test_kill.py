"""A training process that is killed at any moment, or whose disk is full, loses nothing."""

import json
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from processes import ROOT, environment, losses
from s2s.runs.checkpoint import checkpoints, load_checkpoint, weights_path
from s2s.runs.folder import RunFolder
from s2s.runs.metrics import read_metrics
from tiny_runs import TINY, file_options

pytestmark = pytest.mark.slow
NUM_STEPS = 150
NUM_KILLS = 12
TIMEOUT_S = 300  # of a machine with much else to do


def start(options: list[str], run: Path, set_up: Callable[[], None] | None = None) -> "subprocess.Popen[bytes]":
    command = [sys.executable, str(ROOT / "scripts/train.py"), *options, f"run={run}"]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT, env=environment(), preexec_fn=set_up
    )


def finish(process: "subprocess.Popen[bytes]") -> tuple[int, str]:
    """How a process ended, and what it said."""
    _, err = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, err.decode()


def wait(process: "subprocess.Popen[bytes]", until: Callable[[], bool]) -> bool:
    """Look every millisecond; False when the process ended first."""
    end_s = time.monotonic() + TIMEOUT_S
    while not until():
        if process.poll() is not None:
            return False
        assert time.monotonic() < end_s
        time.sleep(0.001)
    return True


def metrics(run: Path) -> list[dict[str, Any]]:
    """Every line of metrics, without what is measured by a clock."""
    rows = read_metrics(run / "metrics.jsonl")
    return [{name: row[name] for name in row if name not in ("elapsed_s", "target_tokens_per_s")} for row in rows]


def assert_same_tensors(one: Path, other: Path) -> None:
    """Both checkpoints hold the same bits."""
    found, expected = load_checkpoint(one)[0], load_checkpoint(other)[0]
    assert found.keys() == expected.keys()
    assert [name for name in found if not torch.equal(found[name], expected[name])] == []


def assert_same_run(run: Path, reference: Path) -> None:
    """Same metrics, weights and files; no left-overs."""
    assert metrics(run) == metrics(reference)
    found, expected = checkpoints(RunFolder(run)), checkpoints(RunFolder(reference))
    assert [path.name for path in found] == [path.name for path in expected]
    for one, other in zip(found, expected, strict=True):
        assert_same_tensors(one, other)
    assert_same_tensors(weights_path(RunFolder(run)), weights_path(RunFolder(reference)))
    assert {path.relative_to(run) for path in run.rglob("*")} == {
        path.relative_to(reference) for path in reference.rglob("*")
    }


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """A run that was never stopped, and its options: it saves after every step."""
    folder = tmp_path_factory.mktemp("unbroken")
    tiny = [option for option in TINY if "save_every" not in option]
    limits = [f"training.max_steps={NUM_STEPS}", "training.save_every=1"]
    options = [*file_options(folder / "corpus"), *tiny, *limits]
    code, err = finish(start(options, folder / "run"))
    assert code == 0, err
    return options, folder / "run"


def logged_step(run: Path) -> int:
    """The step of the last complete line of metrics, 0 where there is none."""
    rows = losses(run)
    return rows[-1][0] if rows else 0


def kill_early(process: "subprocess.Popen[bytes]", run: Path, generator: random.Random) -> None:
    """While Python and torch are being imported, or the corpus is being read."""
    time.sleep(generator.uniform(0.1, 3))


def kill_while_training(process: "subprocess.Popen[bytes]", run: Path, generator: random.Random) -> None:
    """Some steps further, at no particular point."""
    aim = logged_step(run) + generator.randint(2, 12)
    wait(process, lambda: logged_step(run) >= aim)
    time.sleep(generator.uniform(0, 0.02))


def kill_while_saving(process: "subprocess.Popen[bytes]", run: Path, generator: random.Random) -> None:
    """Some steps further, when a file of a checkpoint is half written."""
    aim = logged_step(run) + generator.randint(2, 12)
    wait(process, lambda: logged_step(run) >= aim)
    wait(process, lambda: any((run / "last").glob("*.part")))


def test_a_run_that_is_killed_again_and_again_is_the_unbroken_run(
    unbroken: tuple[list[str], Path], tmp_path: Path
) -> None:
    options, reference = unbroken
    run, generator = tmp_path / "run", random.Random(7)
    moments = [kill_early] * 3 + [kill_while_training] * 4 + [kill_while_saving] * 5
    assert len(moments) == NUM_KILLS
    generator.shuffle(moments)
    num_parts = 0
    for moment in moments:
        process = start(options, run)
        moment(process, run, generator)
        process.kill()
        code, err = finish(process)
        assert code == -signal.SIGKILL, f"it ended before it was killed: {err}"
        num_parts += any((run / "last").glob("*.part"))
    assert num_parts >= 2, "hardly a kill fell into the saving of a checkpoint"
    code, err = finish(start(options, run))
    assert code == 0, err
    assert "going on at step" in err
    assert_same_run(run, reference)


def test_a_run_killed_at_any_moment_goes_on_to_the_same_end(tmp_path: Path) -> None:
    """At each flush, rename and removal, from the first file of the run to its last."""
    limits = ["training.max_steps=4", "training.log_every=1", "training.validate_every=3", "training.save_every=2"]
    options = [*file_options(tmp_path / "corpus"), *TINY, *limits]
    (tmp_path / "runs").mkdir()
    command = [sys.executable, str(ROOT / "tests/killing.py"), str(tmp_path / "runs"), *options]
    ended = subprocess.run(command, capture_output=True, cwd=ROOT, env=environment(), timeout=3600)
    log = (tmp_path / "runs" / "log").read_text()
    assert ended.returncode == 0, ended.stderr.decode() + log
    whole, *others = (json.loads(line) for line in ended.stdout.splitlines())
    assert whole["outcome"] is not None, log
    assert len(others) >= 60
    only_parts = [each["left"] for each in others if each["left"] and all(".part" in name for name in each["left"])]
    assert only_parts, "no kill fell into the writing of the first file"
    differing = [(each["moment"], each["left"], each["code"]) for each in others if each["outcome"] != whole["outcome"]]
    assert differing == [], log


def test_a_full_disk_is_told_of_and_the_run_goes_on(unbroken: tuple[list[str], Path], tmp_path: Path) -> None:
    options, reference = unbroken
    run = tmp_path / "run"
    process = start(options, run)
    wait(process, lambda: logged_step(run) >= 10)
    process.kill()
    finish(process)
    before = checkpoints(RunFolder(run))
    limit = before[0].stat().st_size // 2

    def leave_no_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    code, err = finish(start(options, run, leave_no_room))
    assert code == 1
    assert "Traceback" not in err
    error = err[err.index("error: ") :].strip()
    assert len(error.splitlines()) <= 2
    assert "cannot be written" in error
    assert "make room and give the same command" in error
    assert checkpoints(RunFolder(run)) == before
    assert list(run.rglob("*.part")) == []
    load_checkpoint(before[0])
    code, err = finish(start(options, run))
    assert code == 0, err
    assert_same_run(run, reference)
