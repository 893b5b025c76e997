"""How well a run did on its dev set, over the time that it has trained."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from s2s.config.training import MEASURES_OF, StopMetric
from s2s.errors import RunError
from s2s.runs.folder import RunFolder
from s2s.runs.metrics import read_metrics
from s2s.runs.saved_config import load_config
from s2s.training.progress import Validation


@dataclass(frozen=True)
class Point:
    """One validation.

    Attributes:
        minutes: of training until then, over all starts, validations included.
        step: updates made.
        epoch: passes over the corpus completed.
        validation: what came of it; a loss that was not finite is NaN.
    """

    minutes: float
    step: int
    epoch: int
    validation: Validation


def read_curve(run: RunFolder) -> list[Point]:
    """Every validation of a run so far, at least one.

    Raises:
        RunError: there is none yet, or the options or metrics cannot be read.
    """
    names = MEASURES_OF[load_config(run.config).task].dev
    try:
        points = [
            Point(
                row["elapsed_s"] / 60,
                row["step"],
                row["epoch"],
                Validation(
                    math.nan if row["loss_nats"] is None else float(row["loss_nats"]),
                    {name: float(row[name]) for name in names},
                ),
            )
            for row in read_metrics(run.metrics)
            if row["kind"] == "dev"
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{run.metrics}: expected the metrics of a run, but they cannot be read: {error!r}") from error
    if not points:
        raise RunError(f"{run.metrics} tells of no validation yet: train longer, or lower training.validate_every")
    return points


def best_index(points: Sequence[Point], metric: StopMetric) -> int | None:
    """Which point has the best value, the first one of equals, as the run itself decides; None if all are NaN."""
    scores = [point.validation.score(metric) for point in points]
    known = [score for score in scores if not math.isnan(score)]
    return scores.index(max(known)) if known else None
