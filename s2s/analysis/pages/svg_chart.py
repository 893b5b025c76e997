"""Line charts as SVG inside a page: letters are text, and each point says its value to whoever points at it."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from s2s.analysis.pages.page import render

_WIDTH, _HEIGHT = 640, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 610, 12, 284  # of the frame
_MOST_MARKS = 40  # more would run into a band
_MOST_POINTS = 400  # of more, every k-th is drawn


@dataclass(frozen=True)
class ChartLine:
    """A line of a chart.

    Attributes:
        name: plain text.
        style: a number; lines of one number look alike in all charts.
        points: (x, y) in the order of x; where y is NaN, the line has a gap.
    """

    name: str
    style: int
    points: Sequence[tuple[float, float]]


def line_chart(lines: Sequence[ChartLine], *, x_name: str, y_name: str, is_x_from_zero: bool = False) -> Markup:
    """A chart with axes, and its legend under it; a sentence where there is nothing to draw.

    Args:
        x_name, y_name: what the axes show.
        is_x_from_zero: the x axis begins at 0, wherever the lines do.
    """
    lines = [dataclasses.replace(line, points=_thinned(line.points)) for line in lines]
    finite = [point for line in lines for point in line.points if math.isfinite(point[1])]
    if not finite:
        return Markup('<p class="hint">Nothing to draw yet.</p>')
    x_ticks, y_ticks = ticks([*[0.0] * is_x_from_zero, *(x for x, _ in finite)]), ticks([y for _, y in finite])

    def left_of(x: float) -> float:
        return _LEFT + (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0]) * (_RIGHT - _LEFT)

    def top_of(y: float) -> float:
        return _BOTTOM - (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (_BOTTOM - _TOP)

    def path_of(points: Sequence[tuple[float, float]]) -> str:
        """The line, broken where a value is missing."""
        path, is_down = "", False
        for x, y in points:
            is_known = math.isfinite(y)
            if is_known:
                path += f"{'L' if is_down else 'M'}{left_of(x):.1f} {top_of(y):.1f}"
            is_down = is_known
        return path

    return render(
        "line_chart.html",
        lines=lines,
        x_name=x_name,
        y_name=y_name,
        x_ticks=x_ticks,
        y_ticks=y_ticks,
        left_of=left_of,
        top_of=top_of,
        path_of=path_of,
        width=_WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        right=_RIGHT,
        top=_TOP,
        bottom=_BOTTOM,
        most_marks=_MOST_MARKS,
    )


def ticks(values: Sequence[float], most: int = 6) -> list[float]:
    """Round numbers, 1, 2 or 5 times a power of ten apart, that hold all values between them; at least two."""
    low, high = min(values), max(values)
    size = max(abs(low), abs(high), 1e-9)
    span = high - low if high - low > 1e-9 * size else size  # values that are all the same need some room too
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * number for number in range(first, max(last, first + 1) + 1)]


def _thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """Every k-th point, and the last one."""
    stride = -(-len(points) // _MOST_POINTS) or 1
    return [*points[:-1:stride], *points[-1:]]
