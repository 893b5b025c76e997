"""How runs learnt: loss and scores over the updates of the weights, as charts and as a picture."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from s2s.analysis.pages.svg_chart import ChartLine, line_chart
from s2s.analysis.picture_words import localized
from s2s.analysis.plots.line_plots import Curve, Panel, draw_panels
from s2s.config.pictures import Language
from s2s.config.training import Measures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STEP = "updates of the weights"


@dataclass(frozen=True)
class CurveOf:
    """What is known of a run's learning.

    Attributes:
        name: for the legend.
        rows: its metrics, see `read_metrics`.
        measures: of its task.
    """

    name: str
    rows: Sequence[Mapping[str, Any]]
    measures: Measures

    def points(self, kind: str, measure: str) -> list[tuple[float, float]]:
        """Step and value of each row of a kind that has the measure; null is NaN."""
        return [
            (float(row["step"]), math.nan if row[measure] is None else float(row[measure]))
            for row in self.rows
            if row["kind"] == kind and measure in row
        ]


def svg_curves(curves: Sequence[CurveOf]) -> list[Markup]:
    """A chart of the dev loss, with the training loss of a single run beside it, and one of each dev score."""
    names = [each.name for each in curves] if len(curves) > 1 else ["dev set"]

    def dev_lines(measure: str) -> list[ChartLine]:
        lines = zip(names, curves, strict=True)
        return [ChartLine(name, index, each.points("dev", measure)) for index, (name, each) in enumerate(lines)]

    losses = dev_lines("loss_nats")
    if len(curves) == 1:
        losses.append(ChartLine("training", 1, curves[0].points("train", "loss_nats")))
    charts = [
        line_chart(losses, x_name=_STEP, y_name=f"loss (nats a {curves[0].measures.loss_unit})", is_x_from_zero=True)
    ]
    for measure, title in curves[0].measures.dev.items():
        charts.append(line_chart(dev_lines(measure), x_name=_STEP, y_name=f"dev {title}", is_x_from_zero=True))
    return charts


def draw_curves(curves: Sequence[CurveOf], *, title: str = "", language: Language = Language.en) -> "Figure":
    """A panel of losses (the dev set's; of a single run also that of training), and one of each dev score."""
    measures = curves[0].measures
    unit = localized(measures.loss_unit, language)
    loss_name = localized("loss (nats a {unit})", language).format(unit=unit)
    panels = [Panel("", localized(_STEP, language), loss_name, _losses(curves, language), is_x_from_zero=True)]
    for measure, name in measures.dev.items():
        names = [each.name for each in curves] if len(curves) > 1 else [localized("dev set", language)]
        lines = [
            _curve(name, each.points("dev", measure), index)
            for index, (name, each) in enumerate(zip(names, curves, strict=True))
        ]
        y_name = localized(f"dev {name}", language)
        panels.append(Panel("", localized(_STEP, language), y_name, lines, is_x_from_zero=True))
    return draw_panels(panels, title=title)


def _losses(curves: Sequence[CurveOf], language: Language) -> list[Curve]:
    if len(curves) > 1:
        return [_curve(each.name, each.points("dev", "loss_nats"), index) for index, each in enumerate(curves)]
    [only] = curves
    return [
        _curve(localized("dev set", language), only.points("dev", "loss_nats"), 0),
        _curve(localized("training", language), only.points("train", "loss_nats"), 1),
    ]


def _curve(name: str, points: Sequence[tuple[float, float]], colour: int) -> Curve:
    return Curve(name, [x for x, _ in points], [y for _, y in points], colour=colour)
