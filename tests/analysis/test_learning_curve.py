"""The dev scores of a run over time."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from browser import svg_texts
from processes import Caller
from s2s.analysis.learning_curve import Point, best_index, read_curve
from s2s.config.training import Config, StopMetric
from s2s.errors import ConfigError, RunError
from s2s.runs.folder import RunFolder
from s2s.runs.metrics import read_metrics
from s2s.runs.saved_config import load_config, save_config
from s2s.training.progress import Validation
from tiny_runs import compose

DEV: list[dict[str, Any]] = [
    {"step": 10, "epoch": 0, "kind": "dev", "loss_nats": 3.5, "perplexity": 33.1, "bleu": 0.25, "elapsed_s": 30.0},
    {"step": 20, "epoch": 1, "kind": "dev", "loss_nats": 2.0, "perplexity": 7.4, "bleu": 30.0, "elapsed_s": 66.0},
    {"step": 30, "epoch": 2, "kind": "dev", "loss_nats": 1.9, "perplexity": 6.7, "bleu": 30.0, "elapsed_s": 90.0},
    {"step": 40, "epoch": 2, "kind": "dev", "loss_nats": None, "perplexity": None, "bleu": 0.0, "elapsed_s": 120.0},
]
OTHERS = [
    {"step": 5, "epoch": 0, "kind": "train", "loss_nats": 5.0, "elapsed_s": 15.0},
    {"step": 25, "epoch": 1, "kind": "event", "event": "out of memory", "pairs": 8, "elapsed_s": 80.0},
]


def written(folder: Path, rows: list[dict[str, Any]], end: str = "") -> RunFolder:
    """A run folder with these lines of metrics."""
    run = RunFolder(folder / "run")
    run.path.mkdir()
    save_config(Config(), run.config)
    run.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows) + end)
    return run


def test_the_validations_are_read(tmp_path: Path) -> None:
    """The last line of a run that is still writing is cut."""
    points = read_curve(written(tmp_path, [*OTHERS, *DEV], '{"step": 50, "kind": "de'))
    assert [(point.minutes, point.step, point.epoch) for point in points] == [
        (0.5, 10, 0),
        (1.1, 20, 1),
        (1.5, 30, 2),
        (2.0, 40, 2),
    ]
    assert points[1].validation == Validation(2.0, {"bleu": 30.0})
    assert math.isnan(points[3].validation.loss_nats)


def test_the_best_is_the_first_of_equals_as_in_training() -> None:
    points = [
        Point(0, 0, 0, Validation(loss, {"bleu": bleu})) for loss, bleu in ((2.0, 30.0), (1.9, 30.0), (math.nan, 0.0))
    ]
    assert best_index(points, StopMetric.bleu) == 0
    assert best_index(points, StopMetric.loss) == best_index(points, StopMetric.perplexity) == 1
    assert best_index(points[2:], StopMetric.loss) is None


def test_the_command_prints_a_table_and_one_object(
    tmp_path: Path, call_command: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    run = written(tmp_path, [*OTHERS, *DEV])
    caplog.set_level("INFO")
    ended = call_command("bench", "curve", f"run={run.path}")
    assert ended.code == 0, ended.err
    result = json.loads(ended.out)
    assert result.keys() == {"run", "stop_metric", "points"}
    assert result["points"][1] == {
        "minutes": 1.1,
        "step": 20,
        "epoch": 1,
        "loss_nats": 2.0,
        "bleu": 30.0,
        "is_best": True,
    }
    assert [point["is_best"] for point in result["points"]] == [False, True, False, False]
    assert result["points"][3]["loss_nats"] is None
    table = [line.split() for line in caplog.messages]
    assert table == [
        ["minutes", "step", "epoch", "dev", "loss", "dev", "BLEU"],
        ["0.50", "10", "0", "3.500", "0.25"],
        ["1.10", "20", "1", "2.000", "30.00", "best", "bleu"],
        ["1.50", "30", "2", "1.900", "30.00"],
        ["2.00", "40", "2", "-", "0.00"],
    ]


@pytest.mark.parametrize(("metric", "title"), [("f1", "F1"), ("accuracy", "accuracy"), ("loss", "accuracy")])
def test_all_scores_of_a_classifier_are_shown(
    labelled_run: Path, tmp_path: Path, call_command: Caller, caplog: pytest.LogCaptureFixture, metric: str, title: str
) -> None:
    caplog.set_level("INFO")
    run = shutil.copytree(labelled_run, tmp_path / "run")
    options = load_config(run / "config.yaml")
    options.training.stop_metric = StopMetric[metric]
    save_config(options, run / "config.yaml")
    ended = call_command("bench", "curve", f"run={run}", f"output={tmp_path / 'curve.svg'}")
    assert ended.code == 0, ended.err
    validations = [row for row in read_metrics(run / "metrics.jsonl") if row["kind"] == "dev"]
    points = json.loads(ended.out)["points"]
    assert [(point["accuracy"], point["f1"]) for point in points] == [
        (row["accuracy"], row["f1"]) for row in validations
    ]
    heads = next(line.split() for line in caplog.messages if "minutes" in line)
    assert heads == ["minutes", "step", "epoch", "dev", "loss", "dev", "accuracy", "dev", "F1"]
    assert f"best {metric}" in caplog.text
    written = svg_texts(tmp_path / "curve.svg")
    assert f"{title} on the dev set" in written
    assert "(nats a text)" in written


def test_a_real_run_has_a_curve_and_a_picture_of_it(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "curve.png"
    ended = call_command("bench", "curve", f"run={tiny_run}", f"output={picture}")
    assert ended.code == 0, ended.err
    assert [point["step"] for point in json.loads(ended.out)["points"]] == [6, 12]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_what_is_no_run_is_named(tmp_path: Path, tiny_run: Path, call_command: Caller) -> None:
    ended = call_command("bench", "curve", f"run={tmp_path / 'none'}")
    assert ended.code == 1
    assert ended.out == b""
    assert "none does not exist" in ended.err
    with pytest.raises(RunError, match=r"no validation yet.*training\.validate_every"):
        read_curve(written(tmp_path, OTHERS))
    shutil.copytree(tiny_run, tmp_path / "damaged")
    (tmp_path / "damaged" / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(RunError, match=r"metrics\.jsonl: expected the metrics of a run"):
        read_curve(RunFolder(tmp_path / "damaged"))


def test_only_a_curve_is_drawn() -> None:
    with pytest.raises(ConfigError, match=r"output=x\.png is the picture of measure=curve, not of measure=train"):
        compose("bench", "output=x.png")
