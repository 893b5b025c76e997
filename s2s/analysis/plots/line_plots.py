"""Measured curves with their spread, in one panel or in several with one legend below them all.

N points of a curve, P panels.
"""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from s2s.analysis.plots.figure import COLOURS, check_drawable, lay_grid, new_figure, printable, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

MARKERS = "osD^vPX"
"""One for each colour, for those who see none, and for print."""
Dash = Literal["-", "--", ":", "-.", ""]
"""As matplotlib writes them; the empty one draws points alone."""
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_STEPS = (1, 2, 5, 10, 20, 50, 100)  # a double has 632 powers of ten
_MOST_TICKS = 8
_FEW_POINTS = 25
_PANEL_INCHES = (4.8, 3.3)


@dataclass(frozen=True)
class Curve:
    """One curve.

    Attributes:
        name: for the legend; lines of one name in several panels share an entry and should look alike.
        x_N, y_N: its points; what is not finite, or not positive on a logarithmic axis, leaves a gap.
        low_N, high_N: ends of its spread at each point; empty: none is drawn.
        colour: index into COLOURS, counted round.
    """

    name: str
    x_N: Sequence[float]
    y_N: Sequence[float]
    low_N: Sequence[float] = ()
    high_N: Sequence[float] = ()
    colour: int = 0
    dash: Dash = "-"


@dataclass(frozen=True)
class Panel:
    """Curves over one pair of axes.

    Attributes:
        title: above it; may be empty.
        x_name, y_name: what the axes show, with units.
        x_ticks: numbers to name along the x axis; empty: matplotlib's choice.
        y_limits: ends of the y axis; left out: what the curves need.
        is_x_from_zero: the x axis begins at 0, wherever the curves do.
    """

    title: str
    x_name: str
    y_name: str
    lines: Sequence[Curve]
    is_x_log: bool = False
    is_y_log: bool = False
    x_ticks: Sequence[float] = ()
    x_tick_names: Sequence[str] = ()
    y_limits: tuple[float, float] | None = None
    is_x_from_zero: bool = False


def plot_panels(panels: Sequence[Panel], path: Path, *, title: str = "", num_columns: int = 2) -> None:
    """Draw panels into a file, .png, .svg or .pdf; see `draw_panels`.

    Raises:
        S2SError: see `save_figure`.
    """
    check_drawable(path)
    save_figure(draw_panels(panels, title=title, num_columns=num_columns), path, has_few_colours=True)


def draw_panels(panels: Sequence[Panel], *, title: str = "", num_columns: int = 2) -> "Figure":
    """Panels side by side, so many in a row, with a title above them all; it may be empty.

    Raises:
        S2SError: see `new_figure`.
    """
    columns = min(num_columns, len(panels))
    rows = -(-len(panels) // columns)
    texts = [text for panel in panels for text in (panel.title, panel.x_name, panel.y_name)]
    texts += [printable(line.name) for panel in panels for line in panel.lines]
    texts += [name for panel in panels for name in panel.x_tick_names]
    title = printable(" ".join(title.split()))
    with new_figure([*texts, title]) as figure:
        figure.set_size_inches(columns * _PANEL_INCHES[0], rows * _PANEL_INCHES[1])
        grid = figure.subplots(rows, columns, squeeze=False).flatten()
        for axes, panel in zip(grid, panels, strict=False):
            _draw_panel(axes, panel)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        figure.tight_layout(w_pad=2.5, h_pad=2)
        if any(line.name for panel in panels for line in panel.lines):
            _add_legend(figure)
        heading = textwrap.wrap(title, width=int(11 * figure.get_size_inches()[0]))
        figure.suptitle("\n".join(heading), y=1.0, va="bottom", fontsize=12)
    return figure


def _draw_panel(axes: "Axes", panel: Panel) -> None:
    if panel.is_x_log:
        axes.set_xscale("log")
    if panel.is_y_log:
        axes.set_yscale("log", nonpositive="mask")
    for line in panel.lines:
        _draw_line(axes, line)
    if panel.y_limits is not None:
        axes.set_ylim(panel.y_limits)
    if panel.is_x_from_zero:
        axes.set_xlim(left=0)
    _name_ticks(axes, panel)
    lay_grid(axes)
    axes.set_title(panel.title, pad=8, fontsize=11)
    axes.set_xlabel(panel.x_name, labelpad=5, fontsize=10)
    axes.set_ylabel(panel.y_name, labelpad=5, fontsize=10)


def _draw_line(axes: "Axes", line: Curve) -> None:
    colour = COLOURS[line.colour % len(COLOURS)]
    has_points = line.dash == "" or len(line.x_N) <= _FEW_POINTS
    axes.plot(
        line.x_N,
        line.y_N,
        color=colour,
        linestyle=line.dash or "none",
        linewidth=1.6,
        marker=MARKERS[line.colour % len(MARKERS)] if has_points else "",
        markersize=4.5,
        label=printable(line.name),
    )
    if line.low_N and has_points:
        axes.vlines(line.x_N, line.low_N, line.high_N, color=colour, linewidth=1.2)
    elif line.low_N:
        axes.fill_between(line.x_N, line.low_N, line.high_N, color=colour, alpha=0.18, linewidth=0)


def _name_ticks(axes: "Axes", panel: Panel) -> None:
    """Powers of ten with raised digits, which fonts hold as characters; and the ticks that were asked for."""
    from matplotlib.ticker import NullLocator

    if panel.is_y_log:
        exponents = _round_exponents(*axes.get_ylim())
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_yticks([10.0**exponent for exponent in exponents], labels=[_power(each) for each in exponents])
    if panel.x_ticks:
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(panel.x_ticks, labels=panel.x_tick_names or [f"{value:g}" for value in panel.x_ticks])


def _round_exponents(low: float, high: float) -> range:
    """Exponents of powers of ten between two numbers: multiples of 1, 2, 5 or 10 ..., a few of them."""
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    step = next(step for step in _STEPS if last - first <= _MOST_TICKS * step)
    return range(-(-first // step) * step, last + 1, step)


def _power(exponent: int) -> str:
    """10⁻²⁰ for -20."""
    return "10" + str(exponent).translate(_SUPERSCRIPTS)


def _add_legend(figure: "Figure") -> "Legend":
    """Each name once, below all panels, where no curve is."""
    pairs = [pair for axes in figure.axes for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    handles = {name: handle for handle, name in pairs}
    width = figure.get_size_inches()[0]
    columns = max(1, min(len(handles), int(width * 10 / (max(map(len, handles)) + 8))))
    return figure.legend(
        list(handles.values()),
        list(handles),
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=columns,
        frameon=False,
        handlelength=3,
        fontsize=10,
    )
