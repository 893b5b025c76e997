"""Several ranks learn what one process learns, and end together."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from processes import ROOT, environment, losses, wait_for_step
from s2s.data.batching import labelled_batch, pair_batch
from s2s.data.token_store import TokenStore
from s2s.distributed import Ranks, connected, take_gpu
from s2s.errors import RankEnded, TrainingError
from s2s.training.updates import Updates, prefetched
from tiny_runs import TINY, file_options

CPU = torch.device("cpu")

# ----------------------------------------------------------------------------------------------------------------------
# Sharing out


def updates(ranks: Ranks, batch_tokens: int = 60, accumulate: int = 1) -> Updates:
    generator = np.random.default_rng(5)
    sides = ([generator.integers(4, 99, size=1 + n % 9).tolist() for n in range(50)] for _ in range(2))
    source, target = (TokenStore(side, 99) for side in sides)
    return Updates(source, target, pair_batch, batch_tokens, None, accumulate, None, 3, ranks, CPU)


def one_epoch(made: Updates) -> list[Any]:
    found = []
    for update in made.starting_at(0, 0):
        found.append(update)
        if update.epoch == 1:
            return found
    raise AssertionError


@given(size=st.integers(1, 5), batch_tokens=st.integers(1, 200), accumulate=st.integers(1, 3))
@pytest.mark.slow
def test_the_shares_of_the_ranks_make_up_the_batch(size: int, batch_tokens: int, accumulate: int) -> None:
    whole = one_epoch(updates(Ranks(), batch_tokens, accumulate))
    shares = [one_epoch(updates(Ranks(rank, size), batch_tokens, accumulate)) for rank in range(size)]
    for index, update in enumerate(whole):
        assert all(share[index].num_tokens == update.num_tokens for share in shares)
        for number, batch in enumerate(update.batches):
            expected = sorted(tuple(row[row != 0].tolist()) for row in batch.target_out_BT)
            found: list[tuple[int, ...]] = []
            for share in shares:
                if share[index].is_counted[number]:
                    found += [tuple(row[row != 0].tolist()) for row in share[index].batches[number].target_out_BT]
                else:
                    assert len(share[index].batches[number].source_BS) == 1  # a stand-in
            assert sorted(found) == expected


@pytest.mark.parametrize("size", [1, 3])
def test_texts_with_labels_are_shared_out_and_counted_by_the_text(size: int) -> None:
    texts, labels = TokenStore([[4] * (1 + n % 5) for n in range(20)], 9), TokenStore([[n % 3] for n in range(20)], 3)
    shares = [
        one_epoch(Updates(texts, labels, labelled_batch, 999, 7, 1, None, 3, Ranks(rank, size), CPU))
        for rank in range(size)
    ]
    assert sorted(update.num_tokens for update in shares[0]) == [6, 7, 7]
    said = [
        label for share in shares for update in share for label in update.batches[0].target_out_BT.flatten().tolist()
    ]
    assert sorted(said) == sorted(n % 3 for n in range(20))


def test_shares_hold_about_as_many_tokens() -> None:
    """Of sentences in the order of their length every second one; so shares differ by a sentence at most."""
    for pair in zip(*(one_epoch(updates(Ranks(rank, 2), 200)) for rank in (0, 1)), strict=True):
        widest = max(batch.target_out_BT.shape[1] for update in pair for batch in update.batches)
        tokens = [sum(batch.num_tokens for batch in update.batches) for update in pair]
        assert abs(tokens[0] - tokens[1]) <= widest


def test_one_process_is_the_only_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    with connected(CPU) as ranks:
        assert (ranks.rank, ranks.size, ranks.is_first) == (0, 1, True)
        assert ranks.largest([1, -2.5]) == [1, -2.5]
        assert ranks.gather("a") == ["a"]
        assert ranks.from_first(lambda: 7) == 7
        assert float(ranks.sum(torch.tensor(3.0))) == 3


def test_each_rank_needs_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setenv("LOCAL_RANK", "1")
    take_gpu()
    assert taken == [1]
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(TrainingError, match=r"there are 2: start torchrun with --nproc-per-node=2, or give device=cpu"):
        take_gpu()


def test_a_rank_that_ends_with_the_first_takes_its_exit_code() -> None:
    assert RankEnded(143).exit_code == 143


def test_reading_ahead_changes_no_item_and_passes_errors_on() -> None:
    assert list(zip(range(5), prefetched(iter(range(100)), 3), strict=False)) == [(n, n) for n in range(5)]

    def broken() -> Any:
        yield 1
        raise OSError("gone")

    items = prefetched(broken(), 2)
    assert next(items) == 1
    with pytest.raises(OSError, match="gone"):
        next(items)


# ----------------------------------------------------------------------------------------------------------------------
# Real ranks


def torchrun(size: int, *options: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={size}", "--standalone"]
    command += [str(ROOT / "scripts/train.py"), *options]
    env = {**environment(), "PYTHONWARNINGS": "default"}  # those of torchrun itself are not ours
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=env, start_new_session=True
    )


def finish(process: "subprocess.Popen[bytes]") -> str:
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err.decode()
    assert out == b""
    return err.decode()


def losses_by_line(run: Path) -> dict[tuple[int, str], float]:
    rows = losses(run)
    found = {(step, kind): loss for step, kind, loss in rows}
    assert len(found) == len(rows), "a line stands twice"
    return found


def assert_gone(process: "subprocess.Popen[bytes]") -> None:
    """No process of the session is left."""
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    corpus = file_options(tmp_path_factory.mktemp("corpus"))
    return [*corpus, *TINY, "model.dropout=0", "training.max_steps=60", "training.accumulate=2"]


@pytest.fixture(scope="module")
def alone(options: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process."""
    run = tmp_path_factory.mktemp("alone") / "run"
    command = [sys.executable, str(ROOT / "scripts/train.py"), *options, f"run={run}"]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=environment())
    return run


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3])
def test_ranks_learn_what_one_process_learns(options: list[str], alone: Path, tmp_path: Path, size: int) -> None:
    told = finish(torchrun(size, *options, f"run={tmp_path / 'run'}"))
    assert f"repeat this run, here or anywhere, with\n  torchrun --nproc-per-node={size} --no-python s2s train " in told
    assert losses_by_line(tmp_path / "run") == pytest.approx(losses_by_line(alone), abs=1e-5)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {path.name for path in alone.iterdir()}


@pytest.mark.slow
def test_a_batch_of_fewer_sentences_than_ranks(options: list[str], tmp_path: Path) -> None:
    few = [*options, "training.batch_tokens=1", "training.max_steps=6"]
    finish(torchrun(2, *few, f"run={tmp_path / 'two'}"))
    finish(torchrun(1, *few, f"run={tmp_path / 'one'}"))
    assert losses_by_line(tmp_path / "two") == pytest.approx(losses_by_line(tmp_path / "one"), abs=1e-5)


@pytest.mark.slow
def test_stopped_ranks_end_together_and_go_on_exactly(options: list[str], tmp_path: Path) -> None:
    """With dropout: every rank has random numbers of its own, which come back as well."""
    options = [*options, "model.dropout=0.3", "subwords.sampling=true"]
    finish(torchrun(2, *options, f"run={tmp_path / 'whole'}"))
    process = torchrun(2, *options, f"run={tmp_path / 'broken'}")
    wait_for_step(tmp_path / "broken", 10)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "all saved; the same command goes on" in err.decode()
    assert_gone(process)
    assert max(step for step, _ in losses_by_line(tmp_path / "broken")) < 60
    assert "going on at step" in finish(torchrun(2, *options, f"run={tmp_path / 'broken'}"))
    assert losses_by_line(tmp_path / "broken") == losses_by_line(tmp_path / "whole")


@pytest.mark.slow
def test_another_number_of_ranks_may_go_on(options: list[str], alone: Path, tmp_path: Path) -> None:
    """Without dropout the losses are those of any number of ranks, but for rounding."""
    run = tmp_path / "run"
    for size, steps in ((2, 20), (3, 40), (1, 60)):
        told = finish(torchrun(size, *options, f"run={run}", f"training.max_steps={steps}"))
    assert "no one command repeats this run: it went on with other options at step 40" in told
    found, expected = losses_by_line(run), losses_by_line(alone)
    assert {key: found[key] for key in expected} == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
def test_a_killed_rank_takes_the_others_along(options: list[str], alone: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = torchrun(2, *options, f"run={run}", "training.max_steps=100000")
    wait_for_step(run, 10)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True)
    os.kill(int(children.stdout.split()[-1]), signal.SIGKILL)
    _, err = process.communicate(timeout=90)
    assert process.returncode != 0, err.decode()
    assert_gone(process)
    finish(torchrun(2, *options, f"run={run}"))
    found, expected = losses_by_line(run), losses_by_line(alone)
    assert {key: found[key] for key in expected if key in found} == pytest.approx(expected, abs=1e-5)


def wait_until_gone(process: "subprocess.Popen[bytes]", timeout_s: float) -> None:
    """Wait until no process of the session is left, but for those that have ended and that nobody has asked about."""
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        left = subprocess.run(["ps", "-o", "stat=", "-s", str(process.pid)], capture_output=True, text=True)
        if all(state.startswith("Z") for state in left.stdout.split()):
            return
        time.sleep(0.2)
    raise AssertionError(f"still there: {left.stdout}")


@pytest.mark.slow
@pytest.mark.parametrize("step", [0, 10], ids=["while it starts", "while it trains"])
def test_ranks_end_with_a_launcher_that_is_killed(options: list[str], alone: Path, tmp_path: Path, step: int) -> None:
    """And the run goes on afterwards: nobody holds its lock."""
    run = tmp_path / "run"
    process = torchrun(2, *options, f"run={run}", "training.max_steps=100000")
    if step:
        wait_for_step(run, step)
    else:
        while len(subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True).stdout.split()) < 2:
            time.sleep(0.05)
        time.sleep(0.5)
    process.kill()
    wait_until_gone(process, timeout_s=60)
    process.communicate()
    finish(torchrun(2, *options, f"run={run}"))
    found, expected = losses_by_line(run), losses_by_line(alone)
    assert {key: found[key] for key in expected if key in found} == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
def test_an_error_of_the_first_rank_ends_all(options: list[str], alone: Path, tmp_path: Path) -> None:
    process = torchrun(2, *options, f"run={alone}", "seed=5")
    _, err = process.communicate(timeout=90)
    assert process.returncode != 0
    assert "seed: 1 -> 5" in err.decode()
    assert_gone(process)
