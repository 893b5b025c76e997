"""Going on with a run with other options than those it was begun with, through the command."""

import errno
import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from processes import Caller
from s2s import device as device_module
from s2s.config.training import Precision
from s2s.runs.checkpoint import checkpoints, load_checkpoint
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import load_config
from s2s.tasks import translation
from tiny_runs import TINY, file_options

pytestmark = pytest.mark.slow  # every one trains for seconds

Run = tuple[list[str], Path]


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the time of so small a run is that of drawing its attention."""
    monkeypatch.setattr(translation, "plot_attention", lambda *_: None)


@pytest.fixture
def begun(tiny_run: Path, tmp_path: Path) -> Run:
    """The options of a run of 12 steps, and a folder of it that may be changed."""
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    return [*file_options(tmp_path / "corpus"), *TINY, f"run={run}", "training.max_steps=12"], run


def last_step(run: Path) -> int:
    """The step of the newest checkpoint."""
    step: int = load_checkpoint(checkpoints(RunFolder(run))[0])[1]["progress"]["step"]
    return step


def test_what_may_change_is_listed(begun: Run, call_command: Caller, caplog: pytest.LogCaptureFixture) -> None:
    options, run = begun
    caplog.set_level("INFO")
    other = ["training.max_steps=14", "training.log_every=1", "training.keep=5", "search=greedy", "device=auto"]
    if not torch.cuda.is_available():
        other += ["precision=fp32"]  # what it was settled as: not another one
    ended = call_command("train", *options, *other)
    assert ended.code == 0, ended.err
    told = next(text for text in caplog.messages if "goes on with other options" in text)
    for change in ("max_steps: 12 -> 14", "log_every: 2 -> 1", "keep: 2 -> 5", "strategy: beam -> greedy"):
        assert change in told
    assert "device: cpu -> auto" in told
    assert "precision" not in told
    assert last_step(run) == 14
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps[-3:] == [13, 14, 14]


REFUSED = {
    "seed=2": "seed: 1 -> 2",
    "model.layers=2": "model.layers: 1 -> 2",
    "model.dropout=0.3": "model.dropout: 0.1 -> 0.3",
    "subwords.vocabulary_size=50": "subwords.vocabulary_size: 60 -> 50",
    "data.max_words=99": "data.max_words: 100 -> 99",
    "training.batch_tokens=100": "training.batch_tokens: 200 -> 100",
    "training.accumulate=2": "training.accumulate: 1 -> 2",
    "training.max_pieces=99": "training.max_pieces: 256 -> 99",
    "training.stop_metric=loss": "training.stop_metric: bleu -> loss",
}


def test_what_may_not_change_is_named(begun: Run, call_command: Caller) -> None:
    options, run = begun
    ended = call_command("train", *options, *REFUSED, "training.max_steps=14")
    assert ended.code == 1
    for change in REFUSED.values():
        assert change in ended.err
    assert "max_steps" not in ended.err
    assert "reset_optimizer" not in ended.err
    assert (last_step(run), load_config(run / "config.yaml").seed) == (12, 1)


def test_another_optimizer_needs_to_be_asked_for(
    begun: Run, call_command: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    options, run = begun
    other = [*options, "training.max_steps=16", "optim=plateau", "optim.label_smoothing=0.2"]
    ended = call_command("train", *other)
    assert ended.code == 1
    assert "optim.schedule: inverse_sqrt -> plateau; optim.label_smoothing: 0.1 -> 0.2" in ended.err
    assert "training.reset_optimizer=true allows other options under optim" in ended.err
    caplog.set_level("INFO")
    ended = call_command("train", *other, "training.reset_optimizer=true")
    assert ended.code == 0, ended.err
    assert "the optimizer and its schedule begin anew at step 12" in caplog.text
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    rates = {row["step"]: row["learning_rate"] for row in rows if row["kind"] == "train"}
    assert [rates[14], rates[16]] == pytest.approx([2e-3 * 2 / 4, 2e-3])  # warm-up of 4 steps, once more


def test_a_reset_optimizer_is_not_reset_again(
    begun: Run, call_command: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    """The same command, given once more, goes on as any other does."""
    options, run = begun
    other = [*options, "optim.learning_rate=0.001", "training.reset_optimizer=true"]
    assert call_command("train", *other, "training.max_steps=14").code == 0
    caplog.set_level("INFO")
    assert call_command("train", *other, "training.max_steps=16").code == 0
    assert "going on at step 14" in caplog.text
    assert "begin anew" not in caplog.text
    assert load_checkpoint(checkpoints(RunFolder(run))[0])[1]["progress"]["schedule_start"] == 12


def test_the_end_of_a_cosine_stays_where_it_was(tmp_path: Path, call_command: Caller) -> None:
    run = tmp_path / "run"
    options = [*file_options(tmp_path / "corpus"), *TINY, f"run={run}", "optim=cosine"]
    assert call_command("train", *options, "training.max_steps=6").code == 0
    assert load_config(run / "config.yaml").optim.decay_steps == 6
    assert call_command("train", *options, "training.max_steps=8").code == 0
    assert load_config(run / "config.yaml").optim.decay_steps == 6
    assert last_step(run) == 8
    ended = call_command("train", *options, "training.max_steps=9", "optim.decay_steps=9")
    assert ended.code == 1
    assert "optim.decay_steps: 6 -> 9" in ended.err


def test_a_cosine_that_ends_within_its_warm_up(tmp_path: Path, call_command: Caller) -> None:
    """The options that it leaves are such as may be read again."""
    run = tmp_path / "run"
    options = [*file_options(tmp_path / "corpus"), *TINY, f"run={run}", "optim=cosine", "training.max_steps=2"]
    for _ in range(2):
        ended = call_command("train", *options)
        assert ended.code == 0, ended.err
    assert load_config(run / "config.yaml").optim.decay_steps == 5


def measured(fp32: float, bf16: float) -> Callable[..., float]:
    """A `matrix_rate` that comes out so."""
    return lambda kind, *_, **__: bf16 if kind is torch.bfloat16 else fp32


@pytest.mark.parametrize(("first", "second"), [("fp32", "bf16"), pytest.param("bf16", "fp32", marks=pytest.mark.slow)])
def test_auto_precision_keeps_what_the_run_began_with(
    tmp_path: Path, call_command: Caller, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    run = tmp_path / "run"
    options = [*file_options(tmp_path / "corpus"), *TINY, f"run={run}", "precision=auto"]
    rates: dict[str, Any] = {"fp32": measured(2e9, 1e9), "bf16": measured(1e9, 2e9)}
    monkeypatch.setattr(device_module, "cpu_has", lambda _: True)
    monkeypatch.setattr(device_module, "matrix_rate", rates[first])
    assert call_command("train", *options, "training.max_steps=4").code == 0
    monkeypatch.setattr(device_module, "matrix_rate", rates[second])
    ended = call_command("train", *options, "training.max_steps=6")
    assert ended.code == 0, ended.err
    assert load_config(run / "config.yaml").precision is Precision[first]
    assert call_command("train", *options, "training.max_steps=8", f"precision={second}").code == 0
    assert load_config(run / "config.yaml").precision is Precision[second]


def test_a_file_system_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As NFS answers for a folder; a lock that is held is still an error."""

    def flock(handle: int, how: int) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", flock)
    with RunFolder(tmp_path / "run").locked():
        assert "cannot be locked here" in caplog.text


def test_a_run_in_bf16_is_not_changed_unasked_where_there_is_none(
    tmp_path: Path, call_command: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    options = [*file_options(tmp_path / "corpus"), *TINY, f"run={run}"]
    assert call_command("train", *options, "training.max_steps=2").code == 0
    config = run / "config.yaml"
    _checksum, _, text = config.read_text().partition("\n")
    config.write_text(text.replace("precision: fp32", "precision: bf16"))
    monkeypatch.setattr(device_module, "cpu_has", lambda _: False)
    ended = call_command("train", *options, "training.max_steps=4", "precision=auto")
    assert ended.code == 1
    assert "began in bf16, which this machine lacks: give precision=fp32" in ended.err
    assert call_command("train", *options, "training.max_steps=4", "precision=fp32").code == 0


def test_a_start_that_trained_nothing_binds_to_nothing(tmp_path: Path, call_command: Caller) -> None:
    """A mistyped file leaves a folder behind, which the next command may fill with other options and other text."""
    run = tmp_path / "run"
    options = [*file_options(tmp_path / "corpus"), *TINY, f"run={run}", "training.max_steps=2"]
    missing = tmp_path / "corpus" / "nope.ko"
    ended = call_command("train", *options, f"data.train=[{missing},{missing}]")
    assert ended.code == 1
    assert "nope.ko" in ended.err
    ended = call_command("train", *options, "model.layers=2", "subwords.vocabulary_size=50")
    assert ended.code == 0, ended.err
    assert load_config(run / "config.yaml").model.layers == 2
    ended = call_command("train", *options)
    assert ended.code == 1
    assert "model.layers: 2 -> 1" in ended.err


def test_where_a_run_came_from_stays_what_it_was(tmp_path: Path, tiny_run: Path, call_command: Caller) -> None:
    options = [*file_options(tmp_path / "corpus"), *TINY, f"run={tmp_path / 'run'}"]
    assert call_command("train", *options, f"init_from={tiny_run}", "training.max_steps=2").code == 0
    assert call_command("train", *options, "init_from=elsewhere", "training.max_steps=3").code == 0
    assert load_config(tmp_path / "run" / "config.yaml").init_from == tiny_run.name
