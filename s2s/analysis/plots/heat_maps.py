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

from s2s.analysis.plots.figure import Label, empty_figure, save_figure, typeset, write, write_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NUM_COLUMNS = 2
_SHARES, _SIGNED = "Blues", "PuOr"  # told apart by people who see few colours
_NUM_SHADES = 20  # a step in each is still seen, and a PNG stays small
_NUMBER_TEXT = "-−.0123456789"


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
    """Draw maps two in a row, with the same names of rows and of columns, as .png, .svg or .pdf.

    Args:
        path: the file to write; its folder is made if need be.
        divided_after: rows above a line between two groups; left out: there is none.

    Raises:
        MissingExtraError: matplotlib is not installed, or no font here can draw Korean.
        ConfigError: the file's suffix names another format.
    """
    figure = empty_figure(path)
    width, height = max(3.0, 0.3 * len(columns)), max(1.5, 0.21 * len(rows))  # inches of a map
    num_rows = -(-len(maps) // _NUM_COLUMNS)
    figure.set_size_inches(_NUM_COLUMNS * (width + 1.6), num_rows * (height + 1.3))
    grid = figure.subplots(num_rows, _NUM_COLUMNS, squeeze=False).flatten()
    row_labels, column_labels = typeset(rows), typeset(columns)
    for axes, heat_map in zip(grid, maps, strict=False):
        _draw(figure, axes, heat_map, row_labels, column_labels)
        if divided_after is not None:
            axes.axhline(divided_after, color="black", linewidth=1.2)
    for axes in grid[len(maps) :]:
        axes.set_axis_off()
    (heading,) = typeset([" ".join(title.split())])
    lines = textwrap.wrap(heading.text, width=int(16 * (width + 1)))
    figure.tight_layout(w_pad=2, h_pad=1.5)
    write(figure.suptitle("\n".join(lines), y=1.0, va="bottom"), heading.font, 12)
    save_figure(figure, path, has_few_colours=True)


def _draw(figure: "Figure", axes: "Axes", heat_map: HeatMap, rows: Sequence[Label], columns: Sequence[Label]) -> None:
    from matplotlib import colormaps

    values_US = heat_map.values_US
    assert values_US.shape == (len(rows), len(columns)), f"{values_US.shape} is no map of {len(rows)} x {len(columns)}"
    most = 1.0 if heat_map.is_share else float(np.abs(values_US).max()) or 1.0
    cells = axes.pcolormesh(
        values_US,
        cmap=colormaps[_SHARES if heat_map.is_share else _SIGNED].resampled(_NUM_SHADES),
        vmin=0 if heat_map.is_share else -most,
        vmax=most,
        edgecolors="white",
        linewidth=0.4,
    )
    axes.invert_yaxis()
    axes.spines[:].set_color("0.6")
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(len(columns)) + 0.5, labels=[label.text for label in columns])
    axes.set_yticks(np.arange(len(rows)) + 0.5, labels=[label.text for label in rows])
    for tick, label in zip(axes.get_xticklabels(), columns, strict=True):
        write(tick, label.font, 9)
        tick.set(rotation=60, rotation_mode="anchor", ha="right", va="center")
    for tick, label in zip(axes.get_yticklabels(), rows, strict=True):
        write(tick, label.font, 9)
    heading, plain = typeset([heat_map.title, _NUMBER_TEXT])
    write(axes.set_title(heading.text, pad=6), heading.font, 11)
    bar = figure.colorbar(cells, ax=axes, fraction=0.05, pad=0.02)
    bar.outline.set_visible(False)
    write_ticks(bar.ax, plain.font, 8)
