"""TODO: say what s2s.analysis.plots.learning_curve_plot is."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from s2s.analysis.plots.figure import BLUE, VERMILION, empty_figure, lay_grid, save_figure, typeset, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CURVE_TEXT = "loss on the dev set (nats a) training (minutes) best: 0123456789.−"  # likewise


def plot_curve(
    minutes_N: Sequence[float],
    loss_nats_N: Sequence[float],
    score_N: Sequence[float],
    path: Path,
    *,
    best: int | None = None,
    title: str = "",
    score_name: str = "BLEU",
    unit: str = "target token",
) -> None:
    """Draw a score and the loss on the dev set over the minutes of training, one above the other.

    Args:
        loss_nats_N: NaN leaves a gap.
        score_N: the higher the better.
        path: the file to write; its folder is made if need be.
        best: the point to mark.
        score_name: what the score is called.
        unit: what the loss is a mean over.

    Raises:
        MissingExtraError: matplotlib is not installed, or no font here can draw Korean.
        ConfigError: the file's suffix names another format.
    """
    figure = empty_figure(path)
    heading, plain = typeset([" ".join(title.split()), _CURVE_TEXT + score_name + unit])
    figure.set_size_inches(7, 5.5)
    upper, lower = figure.subplots(2, 1, sharex=True)
    _draw_curve(upper, minutes_N, score_N, f"{score_name} on the dev set", BLUE, "o", plain.font)
    _draw_curve(lower, minutes_N, loss_nats_N, f"loss on the dev set\n(nats a {unit})", VERMILION, "s", plain.font)
    write(lower.set_xlabel("training (minutes)", labelpad=6), plain.font, 11)
    lower.set_xlim(left=0)
    if best is not None:
        _mark(upper, minutes_N[best], score_N[best], f"best: {score_N[best]:.2f}", plain.font)
        _mark(lower, minutes_N[best], loss_nats_N[best], f"{loss_nats_N[best]:.3f}", plain.font)
    write(upper.set_title(heading.text, pad=12), heading.font, 12)
    save_figure(figure, path)


def _draw_curve(
    axes: "Axes",
    minutes_N: Sequence[float],
    values_N: Sequence[float],
    name: str,
    colour: str,
    marker: str,
    font: Path,
) -> None:
    """One curve with its points, over a light grid; the name of its axis has its colour too."""
    points = 4.0 if len(minutes_N) <= 60 else 0.0  # more would run into a band
    axes.plot(minutes_N, values_N, color=colour, marker=marker, markersize=points, linewidth=1.6)
    axes.margins(y=0.12)
    write(axes.set_ylabel(name, color=colour, labelpad=8), font, 11)
    lay_grid(axes, font)


def _mark(axes: "Axes", minutes: float, value: float, text: str, font: Path) -> None:
    """A ring around a point, and what it is, on the side where there is room."""
    axes.plot([minutes], [value], marker="o", markersize=10, color="black", fillstyle="none", markeredgewidth=1.4)
    is_right = minutes > sum(axes.get_xlim()) / 2
    low, high = axes.get_ylim()
    is_high = value > (low + high) / 2
    note = axes.annotate(
        text,
        (minutes, value),
        xytext=(-10 if is_right else 10, -12 if is_high else 12),
        textcoords="offset points",
        ha="right" if is_right else "left",
        va="top" if is_high else "bottom",
    )
    write(note, font, 10)
