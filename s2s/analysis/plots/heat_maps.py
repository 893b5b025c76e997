"""Heat maps side by side that share their rows and columns: what several units do at each piece of a sentence.

U rows (units), S columns (positions).
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from s2s.analysis.plots.figure import SHARE_COLOURS, check_drawable, new_figure, printable, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NUM_COLUMNS = 2
_SIGNED_COLOURS = "PuOr"  # told apart from those of shares by people who see few colours
_NUM_SHADES = 20  # a step in each is still seen, and a PNG stays small


@dataclass(frozen=True)
class HeatMap:
    """One map.

    Attributes:
        title: what is shown.
        values_US: any finite numbers.
        is_share: values are from 0 to 1; else colours are those of values around 0, up to the largest in size.
    """

    title: str
    values_US: NDArray[np.floating[Any]]
    is_share: bool


def plot_heat_maps(
    maps: Sequence[HeatMap],
    rows: Sequence[str],
    columns: Sequence[str],
    path: Path,
    *,
    title: str = "",
    divided_after: int | None = None,
) -> None:
    """Draw maps into a file, .png, .svg or .pdf; see `draw_heat_maps`.

    Raises:
        S2SError: see `save_figure`.
    """
    check_drawable(path)
    figure = draw_heat_maps(maps, rows, columns, title=title, divided_after=divided_after)
    save_figure(figure, path, has_few_colours=True)


def draw_heat_maps(
    maps: Sequence[HeatMap],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str = "",
    divided_after: int | None = None,
) -> "Figure":
    """Maps two in a row, with the same names of rows and of columns.

    Args:
        maps: at least one.
        divided_after: rows above a line between two groups; left out: there is none.

    Raises:
        S2SError: see `new_figure`.
    """
    rows, columns, title = list(map(printable, rows)), list(map(printable, columns)), printable(" ".join(title.split()))
    width, height = max(3.0, 0.3 * len(columns)), max(1.5, 0.21 * len(rows))  # inches of a map
    num_rows = -(-len(maps) // _NUM_COLUMNS)
    with new_figure([*rows, *columns, title, *(heat_map.title for heat_map in maps)]) as figure:
        figure.set_size_inches(_NUM_COLUMNS * (width + 1.6), num_rows * (height + 1.3))
        grid = figure.subplots(num_rows, _NUM_COLUMNS, squeeze=False).flatten()
        for axes, heat_map in zip(grid, maps, strict=False):
            _draw(figure, axes, heat_map, rows, columns)
            if divided_after is not None:
                axes.axhline(divided_after, color="black", linewidth=1.2)
        for axes in grid[len(maps) :]:
            axes.set_axis_off()
        figure.tight_layout(w_pad=2, h_pad=1.5)
        heading = textwrap.wrap(title, width=int(16 * (width + 1)))
        figure.suptitle("\n".join(heading), y=1.0, va="bottom", fontsize=12)
    return figure


def _draw(figure: "Figure", axes: "Axes", heat_map: HeatMap, rows: Sequence[str], columns: Sequence[str]) -> None:
    from matplotlib import colormaps

    values_US = heat_map.values_US
    assert values_US.shape == (len(rows), len(columns)), f"{values_US.shape} is no map of {len(rows)} x {len(columns)}"
    most = 1.0 if heat_map.is_share else float(np.abs(values_US).max()) or 1.0
    cells = axes.pcolormesh(
        values_US,
        cmap=colormaps[SHARE_COLOURS if heat_map.is_share else _SIGNED_COLOURS].resampled(_NUM_SHADES),
        vmin=0 if heat_map.is_share else -most,
        vmax=most,
        edgecolors="white",
        linewidth=0.4,
    )
    axes.invert_yaxis()
    axes.spines[:].set_color("0.6")
    axes.tick_params(length=0)
    axes.set_xticks(
        np.arange(len(columns)) + 0.5,
        labels=columns,
        fontsize=9,
        rotation=60,
        rotation_mode="anchor",
        ha="right",
        va="center",
    )
    axes.set_yticks(np.arange(len(rows)) + 0.5, labels=rows, fontsize=9)
    axes.set_title(heat_map.title, pad=6, fontsize=11)
    bar = figure.colorbar(cells, ax=axes, fraction=0.05, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8)
