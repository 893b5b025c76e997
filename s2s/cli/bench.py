"""`s2s bench`: how close training and translation come to what the machine can do, and how far a run came when."""

import json
import logging
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from s2s.analysis.decoding_speed import bench_decoding
from s2s.analysis.learning_curve import Point, best_index, read_curve
from s2s.analysis.plots.learning_curve_plot import plot_curve
from s2s.analysis.training_speed import TrainingSpeed, bench_training
from s2s.cli.commands import Command
from s2s.config.commands import BenchConfig, BenchTask
from s2s.config.training import MEASURES_OF, Measures, StopMetric
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import load_config

_logger = logging.getLogger(__name__)


def bench(config: BenchConfig) -> None:
    """Measure what was asked for: a table on stderr, one JSON object on stdout."""
    match config.measure:
        case BenchTask.train:
            result = bench_training(config)
        case BenchTask.decode:
            result = bench_decoding(config)
        case BenchTask.curve:
            result = show_curve(config)
    json.dump(result, sys.stdout)
    print()


def show_curve(config: BenchConfig) -> TrainingSpeed:
    """The validations of a run as a table, with the best one marked, and as a picture where one was asked for."""
    run = RunFolder.existing(config.run)
    points, options = read_curve(run), load_config(run.config)
    metric, measures = options.training.stop_metric, MEASURES_OF[options.task]
    best = best_index(points, metric)
    rows = [_point_row(point, index == best) for index, point in enumerate(points)]
    if config.output is not None:
        _draw_curve(points, best, metric, measures, Path(config.output), title=run.path.name)
        _logger.info("drawn in %s", config.output)
    heads = "".join(f" {f'dev {title}':>12}" for title in measures.dev.values())
    _logger.info("%8s %8s %6s %9s%s", "minutes", "step", "epoch", "dev loss", heads)
    for row in rows:
        loss = "-" if row["loss_nats"] is None else f"{row['loss_nats']:.3f}"
        scores = "".join(f" {row[name]:12.2f}" for name in measures.dev)
        mark = f"  best {metric.name}" if row["is_best"] else ""
        _logger.info("%8.2f %8d %6d %9s%s%s", row["minutes"], row["step"], row["epoch"], loss, scores, mark)
    return {"run": str(run.path), "stop_metric": metric.name, "points": rows}


def _draw_curve(
    points: Sequence[Point], best: int | None, metric: StopMetric, measures: Measures, path: Path, *, title: str
) -> None:
    """Draw the loss, and of the scores the stop metric; where that is no score, the first of them."""
    name = metric.name if metric.name in measures.dev else next(iter(measures.dev))
    plot_curve(
        [point.minutes for point in points],
        [point.validation.loss_nats for point in points],
        [point.validation.scores[name] for point in points],
        path,
        best=best,
        title=title,
        score_name=measures.dev[name],
        unit=measures.unit,
    )


def _point_row(point: Point, is_best: bool) -> TrainingSpeed:
    loss_nats = point.validation.loss_nats
    return {
        "minutes": round(point.minutes, 3),
        "step": point.step,
        "epoch": point.epoch,
        "loss_nats": loss_nats if math.isfinite(loss_nats) else None,
        **point.validation.scores,
        "is_best": is_best,
    }


COMMAND = Command(bench, BenchConfig, first_word="measure")
