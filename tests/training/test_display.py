"""What a terminal shows of training; elsewhere validations are logged."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from s2s.config.training import Config, StopMetric, TrainingConfig
from s2s.runs.folder import RunFolder
from s2s.training import display as display_module
from s2s.training.display import TrainingDisplay
from s2s.training.progress import Progress, Validation
from terminals import Terminal

TRAINING = TrainingConfig(max_steps=10_000, validate_every=100, patience=5)


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    stream = Terminal()
    monkeypatch.setattr(display_module, "sys", SimpleNamespace(stderr=stream))  # pytest exchanges sys.stderr itself
    return stream


def validated(progress: Progress, bleu: float, *, step: int) -> Validation:
    """What the training loop does to the progress with a validation."""
    progress.step, progress.elapsed_s, progress.num_waited = step, step / 10, progress.num_waited + 1
    if bleu > progress.best_score:
        progress.best_score, progress.best_step, progress.num_waited = bleu, step, 0
    return Validation(2.0, {"bleu": bleu})


def display(folder: Path, progress: Progress, training: TrainingConfig = TRAINING) -> TrainingDisplay:
    return TrainingDisplay(Config(training=training), progress, RunFolder(folder), None, is_shown=True)


def test_every_validation_is_a_line(tmp_path: Path, stderr: Terminal) -> None:
    progress = Progress()
    with display(tmp_path, progress) as shown:
        shown.validated(validated(progress, 12.5, step=100))
        shown.validated(validated(progress, 12.25, step=200))
        shown.logged("loss 1.500")
    lines = stderr.getvalue().replace("\r", "\n").split("\n")
    # 10 steps a second: five validations of 100 steps each are 50 seconds.
    first, second = (next(line for line in lines if line.startswith(f"step {step}")) for step in (100, 200))
    assert first == "step 100: dev loss 2.000 nats, BLEU 12.50, the best so far; may end early, at step 600, in 00:50"
    assert second.endswith("BLEU 12.25, best BLEU 12.50 at step 100; may end early, at step 600, in 00:40")
    assert "best BLEU 12.50, loss 1.500" in stderr.getvalue()


def test_a_loss_is_better_the_lower_it_is(tmp_path: Path, stderr: Terminal) -> None:
    progress = Progress(step=100, best_score=-1.75, best_step=50, num_waited=1)
    training = TrainingConfig(stop_metric=StopMetric.loss)
    with display(tmp_path, progress, training) as shown:
        shown.validated(Validation(2.0, {"bleu": 3.0}))
    assert "best loss 1.750 at step 50" in stderr.getvalue()


@pytest.mark.parametrize(
    ("training", "progress", "expected"),
    [
        (TRAINING, Progress(), 600),  # early stopping: the first validation is the best so far, and five follow
        (TrainingConfig(max_steps=300, validate_every=100), Progress(), 300),
        (TrainingConfig(max_minutes=2), Progress(step=50, elapsed_s=30), 200),
        (TrainingConfig(max_minutes=2), Progress(), None),
    ],
)
def test_the_bar_ends_where_the_run_is_expected_to(
    tmp_path: Path, stderr: Terminal, training: TrainingConfig, progress: Progress, expected: int | None
) -> None:
    with display(tmp_path, progress, training) as shown:
        assert shown._bar.total == expected


def test_epochs_are_a_limit_too(tmp_path: Path, stderr: Terminal) -> None:
    with TrainingDisplay(Config(), Progress(), RunFolder(tmp_path), 77, is_shown=True) as shown:
        assert shown._bar.total == 77


def test_a_run_that_goes_on_remembers_its_learning_curve(tmp_path: Path, stderr: Terminal) -> None:
    rows = [
        {"step": 100 * n, "kind": "dev", "loss_nats": 1.0, "bleu": bleu, "elapsed_s": n}
        for n, bleu in enumerate([8, 24, 28], 1)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    progress = Progress(step=300, best_score=28, best_step=300, elapsed_s=30)
    with display(tmp_path, progress) as shown:
        # Gains of 16 and 4: 4/3 are left, under 1 % of 20 after two more; then five without a better one.
        assert shown._bar.total == 100 * (3 + 2 + 5)


@pytest.mark.parametrize("is_first", [True, False])
def test_elsewhere_validations_are_logged_by_the_first_rank(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, is_first: bool
) -> None:
    caplog.set_level(logging.INFO, "s2s")
    stream = Terminal(is_terminal=False)
    monkeypatch.setattr(display_module, "sys", SimpleNamespace(stderr=stream))  # pytest exchanges sys.stderr itself
    progress = Progress()
    with TrainingDisplay(Config(training=TRAINING), progress, RunFolder(tmp_path), None, is_shown=is_first) as shown:
        shown.step()
        shown.validated(validated(progress, 12.5, step=100))
        shown.logged("loss 1.500")
    assert stream.getvalue() == ""
    assert caplog.messages == ["step 100: dev loss 2.000 nats, BLEU 12.50"] * is_first
