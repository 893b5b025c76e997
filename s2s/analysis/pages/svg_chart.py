"""ChartLine charts as SVG inside a page: letters are text, and each point says its value to whoever points at it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from s2s.analysis.plots.figure import COLOURS

_DASHES = ("none", "7 3", "2 3", "9 3 2 3")
_MARKS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
    "M-3.5-3.5h7v7h-7z",
    "M0-4.6 4.4 3.4h-8.8z",
    "M0-5 5 0 0 5-5 0z",
    "M0 4.6-4.4-3.4h8.8z",
)
_WIDTH, _HEIGHT = 640, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 30, 12, 56
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


@dataclass(frozen=True)
class _Frame:
    """What part of the plane is shown."""

    low_x: float
    high_x: float
    low_y: float
    high_y: float

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies in the picture."""
        right = (x - self.low_x) / (self.high_x - self.low_x)
        up = (y - self.low_y) / (self.high_y - self.low_y)
        return _LEFT + right * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM)


def line_chart(lines: Sequence[ChartLine], *, x_name: str, y_name: str) -> str:
    """A chart with axes, and its legend under it; a sentence where there is nothing to draw."""
    lines = [ChartLine(line.name, line.style, _thinned(line.points)) for line in lines]
    finite = [point for line in lines for point in line.points if math.isfinite(point[1])]
    if not finite:
        return '<p class="hint">Nothing to draw yet.</p>'
    x_ticks, y_ticks = ticks([x for x, _ in finite]), ticks([y for _, y in finite])
    frame = _Frame(x_ticks[0], x_ticks[-1], y_ticks[0], y_ticks[-1])
    middle, centre = (_LEFT + _WIDTH - _RIGHT) / 2, (_TOP + _HEIGHT - _BOTTOM) / 2
    named = f'role="img" aria-label="{escape(y_name)} by {escape(x_name)}"'
    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" {named}>',
        *(_tick(frame, x, frame.low_y, is_upright=True) for x in x_ticks),
        *(_tick(frame, frame.low_x, y, is_upright=False) for y in y_ticks),
        f'<text class="axis" x="{middle}" y="{_HEIGHT - 8}">{escape(x_name)}</text>',
        f'<text class="axis" transform="translate(18 {centre}) rotate(-90)">{escape(y_name)}</text>',
        *(_drawn(line, frame) for line in lines),
        "</svg>",
    ]
    return "\n".join([*parts, legend([(line.name, line.style) for line in lines if line.points])])


def legend(names: Sequence[tuple[str, int]]) -> str:
    """Names, each with a piece of its line."""
    items = "".join(f"<li>{swatch(style)} {escape(name)}</li>" for name, style in names)
    return f'<ul class="legend">{items}</ul>'


def swatch(style: int) -> str:
    """A piece of a line."""
    line = f'<line x1="0" y1="7" x2="34" y2="7" {_stroke(style)}/>'
    return f'<svg class="swatch" viewBox="0 0 34 14" aria-hidden="true">{line}{_mark(style, 17, 7, "")}</svg>'


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


def _tick(frame: _Frame, x: float, y: float, *, is_upright: bool) -> str:
    """A line across the chart, and its number at the axis."""
    left, bottom = frame.place(x, y)
    end = f'x2="{left:.1f}" y2="{_TOP}"' if is_upright else f'x2="{_WIDTH - _RIGHT}" y2="{bottom:.1f}"'
    place = f'x="{left:.1f}" y="{bottom + 20:.1f}"' if is_upright else f'x="{left - 7:.1f}" y="{bottom + 4:.1f}"'
    name = f"{round(x if is_upright else y, 10):g}"
    text = f'<text class="{"x" if is_upright else "y"}" {place}>{name}</text>'
    return f'<line class="grid" x1="{left:.1f}" y1="{bottom:.1f}" {end}/>{text}'


def _drawn(line: ChartLine, frame: _Frame) -> str:
    """The line, broken where a value is missing, and a mark at each of not too many points."""
    path, is_down = [], False
    for x, y in line.points:
        is_known = math.isfinite(y)
        if is_known:
            left, top = frame.place(x, y)
            path.append(f"{'L' if is_down else 'M'}{left:.1f} {top:.1f}")
        is_down = is_known
    parts = [f'<path d="{"".join(path)}" fill="none" {_stroke(line.style)}/>']
    if len(line.points) <= _MOST_MARKS:
        known = [point for point in line.points if math.isfinite(point[1])]
        parts += [_mark(line.style, *frame.place(x, y), f"{line.name}: {x:g}, {y:.4g}") for x, y in known]
    return "".join(parts)


def _stroke(style: int) -> str:
    colour, dash = COLOURS[style % len(COLOURS)], _DASHES[style % len(_DASHES)]
    return f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"'


def _mark(style: int, left: float, top: float, text: str) -> str:
    colour, shape = COLOURS[style % len(COLOURS)], _MARKS[style % len(_MARKS)]
    title = f"<title>{escape(text)}</title>" if text else ""
    return f'<path d="{shape}" transform="translate({left:.1f} {top:.1f})" fill="{colour}">{title}</path>'
