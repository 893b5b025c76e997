"""TensorBoard events, read back with TensorBoard's own reader."""

import sys
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from s2s.errors import MissingExtraError
from s2s.training.tensorboard import EventWriter

Curves = dict[str, list[tuple[int, float]]]


def record(step: int, kind: str, **values: Any) -> dict[str, Any]:
    return {"step": step, "epoch": 0, "kind": kind, **values, "elapsed_s": 0.5}


def write(folder: Path, next_step: int, *records: dict[str, Any]) -> None:
    writer = EventWriter(folder, next_step)
    for row in records:
        writer.write(row)
    writer.close()


def read(folder: Path) -> Curves:
    """(step, value) of each curve, as TensorBoard shows them."""
    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_metrics_become_curves(tmp_path: Path) -> None:
    rows = [
        record(2, "train", loss_nats=4.5, learning_rate=0.25, target_tokens_per_s=1000),
        record(4, "train", loss_nats=3.5, learning_rate=0.5, target_tokens_per_s=2000),
        record(4, "dev", loss_nats=3.75, perplexity=None, bleu=12.5),
    ]
    write(tmp_path, 0, *rows)
    assert read(tmp_path) == {
        "train/loss_nats": [(2, 4.5), (4, 3.5)],
        "train/learning_rate": [(2, 0.25), (4, 0.5)],
        "train/target_tokens_per_s": [(2, 1000), (4, 2000)],
        "dev/loss_nats": [(4, 3.75)],
        "dev/bleu": [(4, 12.5)],
    }


def test_a_run_that_goes_on_shows_no_step_twice(tmp_path: Path) -> None:
    """Killed after step 6, with a checkpoint of step 4: steps 5 and 6 are taken again."""
    losses = [record(step, "train", loss_nats=float(10 - step)) for step in (2, 4, 6)]
    write(tmp_path, 0, *losses)
    again = [record(step, "train", loss_nats=float(20 - step)) for step in (6, 8)]
    write(tmp_path, 5, *again)
    assert read(tmp_path) == {"train/loss_nats": [(2, 8), (4, 6), (6, 14), (8, 12)]}


def test_events_are_there_before_the_end(tmp_path: Path) -> None:
    """A killed run closes nothing."""
    writer = EventWriter(tmp_path, 0)
    writer.write(record(2, "train", loss_nats=4.5))
    assert read(tmp_path) == {"train/loss_nats": [(2, 4.5)]}
    writer.close()


def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"s2s\[tensorboard\]"):
        EventWriter(tmp_path, 0)
    assert list(tmp_path.iterdir()) == []
