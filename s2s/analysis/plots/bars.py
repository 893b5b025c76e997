"""Shares as bars, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from s2s.analysis.plots.figure import BLUE, label, lay_grid, new_figure, printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BAR_INCHES = 0.3


@dataclass(frozen=True)
class Bars:
    """Named shares, the first one on top.

    Attributes:
        title: what the shares are of.
        names: of the bars.
        values: from 0 to 1.
    """

    title: str
    names: Sequence[str]
    values: Sequence[float]


def draw_bars(parts: Sequence[Bars], *, title: str = "") -> "Figure":
    """Groups of bars beside each other."""
    texts = [text for part in parts for text in (part.title, *map(printable, part.names))]
    title = printable(" ".join(title.split()))
    most = max(len(part.names) for part in parts)
    with new_figure([*texts, title]) as figure:
        figure.set_size_inches(3.4 * len(parts), max(1.8, _BAR_INCHES * most + 0.9))
        for axes, part in zip(figure.subplots(1, len(parts), squeeze=False).flatten(), parts, strict=True):
            places = range(len(part.names))
            axes.barh(places, part.values, height=0.7, color=BLUE)
            axes.set_yticks(places, labels=[label(name) for name in part.names])
            axes.set_ylim(most - 0.5, -0.5)  # bars are equally thick in all groups
            axes.set_xlim(0, 1)
            axes.set_title(part.title, fontsize=11, pad=8)
            lay_grid(axes)
            axes.grid(False, axis="y")
        figure.tight_layout(w_pad=2)
        figure.suptitle(title, y=1.0, va="bottom", fontsize=12)
    return figure
