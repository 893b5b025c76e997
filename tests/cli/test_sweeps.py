"""Sweeps: names of folders on paper, then jobs through the real command."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from processes import ROOT, Caller, environment, run_command
from s2s.cli.sweeps import folder_name, sweep_folder, swept_options
from tiny_runs import TINY, file_options


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ([], ""),
        ([("seed", "2"), ("model", "gru")], "model-gru+seed-2"),
        ([("optim.learning_rate", "1e-3")], "optim.learning_rate-1e-3"),
    ],
)
def test_a_folder_says_what_is_swept(options: list[tuple[str, str]], name: str) -> None:
    assert folder_name(options) == name


def test_what_is_lost_from_a_name_is_made_up_for_by_a_hash() -> None:
    names = {folder_name([("data.train", f"[/data/{name}/a.ko,/data/{name}/a.en]")]) for name in ("x y", "x/y", "x,y")}
    assert len(names) == 3
    assert all(re.fullmatch(r"data\.train--data-x-y-a\.ko-data-x-y-a\.en-\+[0-9a-f]{8}", name) for name in names)


@given(st.lists(st.tuples(st.sampled_from(["seed", "model.x", "한"]), st.text(max_size=300)), min_size=1, max_size=3))
def test_any_name_can_be_typed_and_stored(options: list[tuple[str, str]]) -> None:
    name = folder_name(options)
    assert len(name.encode()) < 200
    assert "/" not in name
    assert name not in (".", "..")
    assert shlex.split(f"run=runs/{name}") == [f"run=runs/{name}"]
    (override,) = OverridesParser.create().parse_overrides([f"run=runs/{name}"])
    assert override.value() == f"runs/{name}"


@given(st.tuples(st.text(max_size=200), st.text(max_size=200)))
def test_two_jobs_never_share_a_folder(values: tuple[str, str]) -> None:
    assert (folder_name([("x", values[0])]) == folder_name([("x", values[1])])) == (values[0] == values[1])


@pytest.mark.parametrize(
    ("overrides", "swept", "added"),
    [
        ("model=rnn,gru", {"model"}, []),
        ("model=rnn seed=range(1,4)", {"seed"}, []),
        ("seed=1,2 data.train=[a,b]", {"seed"}, []),
        ("x=1,2 run=r", {"x"}, ["hydra.sweep.dir=r"]),
        ("seed=1,2 run=r/${seed}", {"seed"}, []),
        ("seed=1,2 data=files", {"seed"}, ["hydra.sweep.dir=runs/files-sweep"]),
        ("data=files,phrasebook", {"data"}, ["hydra.sweep.dir=runs/sweep"]),
        ("run=a,b", {"run"}, []),
        ("seed=1,2 run=r hydra.sweep.dir=s", {"seed"}, []),
        ("run=r seed=1", set(), []),
    ],
)
def test_what_is_swept_and_where(overrides: str, swept: set[str], added: list[str]) -> None:
    assert swept_options(overrides.split()) == swept
    assert sweep_folder(overrides.split()) == added


@pytest.mark.slow
def test_a_sweep_has_a_folder_with_a_run_for_each_job(tmp_path: Path, call_command: Caller) -> None:
    command = [
        "-m",
        "model=gru",
        "seed=1,2",
        f"run={tmp_path / 'sweep'}",
        *file_options(tmp_path / "corpus"),
        *TINY,
    ]
    ended = call_command("train", *command, "training.max_steps=2")
    assert ended.code == 0, ended.err
    names = {path.parent.name for path in (tmp_path / "sweep").glob("*/summary.json")}
    assert names == {"seed-1", "seed-2"}
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "sweep").rglob("metrics.jsonl")}
    (tmp_path / "sweep" / "seed-2" / "summary.json").unlink()  # as if it had been stopped before its end
    ended = call_command("train", *command, "training.max_steps=2")
    assert ended.code == 0, ended.err
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "sweep").rglob("metrics.jsonl")}
    assert (tmp_path / "sweep" / "seed-2" / "summary.json").exists()


@pytest.mark.slow
def test_a_swept_run_is_the_folder_itself(
    tmp_path: Path, call_command: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = [*file_options(tmp_path / "corpus"), *TINY, "training.max_steps=1"]
    assert call_command("train", "-m", "run=a,b", *options).code == 0
    assert {path.parent.name for path in tmp_path.rglob("summary.json")} == {"a", "b"}


@pytest.mark.slow
def test_a_job_that_fails_stops_no_other(tmp_path: Path, call_command: Caller) -> None:
    options = [*file_options(tmp_path / "corpus"), *TINY, "training.max_steps=1", f"run={tmp_path / 'sweep'}"]
    ended = call_command("train", "-m", "training.keep=0,1", *options)
    assert ended.code == 2
    assert "training.keep must be" in ended.err
    assert json.loads((tmp_path / "sweep" / "training.keep-1" / "summary.json").read_text())["test"]


JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
SUBMITIT = ["hydra/launcher=submitit_local"]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [JOBLIB, SUBMITIT], ids=["joblib", "submitit"])
def test_a_launcher_trains_the_same_runs(tmp_path: Path, call_command: Caller, launcher: list[str]) -> None:
    """One of three jobs fails; the others end as they do one after another, and the exit code tells."""
    options = [*file_options(tmp_path / "corpus"), *TINY, "training.max_steps=4", "training.keep=0,1,2"]
    ended = run_command("train", "-m", *launcher, *options, f"run={tmp_path / 'launched'}")
    assert ended.code == 2, ended.err
    assert "a job of the sweep ended with exit code 2" in ended.err
    assert "Traceback" not in ended.err
    assert call_command("train", "-m", *options, f"run={tmp_path / 'plain'}").code == 2
    for name in ("training.keep-1", "training.keep-2"):
        plain, launched = (tmp_path / kind / name for kind in ("plain", "launched"))
        assert (launched / "summary.json").read_text() == (plain / "summary.json").read_text()
        assert (launched / "config.yaml").read_text() == (plain / "config.yaml").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_jobs_of_joblib_save_when_the_sweep_is_stopped(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """Two jobs are at work and the third never begins. A terminal sends SIGINT to all processes, `kill` to one."""
    options = [*file_options(tmp_path / "corpus"), *TINY, "training.save_every=100000", "training.max_steps=100000"]
    command = [
        sys.executable,
        ROOT / "scripts/train.py",
        "-m",
        *JOBLIB,
        *options,
        "seed=1,2,3",
        f"run={tmp_path / 's'}",
    ]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, start_new_session=True, cwd=ROOT)
    until_s = time.monotonic() + 120
    while len(list((tmp_path / "s").glob("*/metrics.jsonl"))) < 2:
        assert time.monotonic() < until_s
        assert process.poll() is None
        time.sleep(0.05)
    if number is signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == code, err.decode()
    assert err.decode().count("all saved; the same command goes on") == 2
    assert len(list((tmp_path / "s").glob("seed-*/last/*.safetensors"))) == 2
    assert not (tmp_path / "s" / "seed-3").exists()
    time.sleep(2)
    with pytest.raises(ProcessLookupError):  # no process of the sweep is left
        os.killpg(process.pid, signal.SIGTERM)
