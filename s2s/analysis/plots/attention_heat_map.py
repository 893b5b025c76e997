"""Attention as a heat map: which source words each target word attends to.

S source words, T target words.
"""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from s2s.analysis.picture_words import localized
from s2s.analysis.plots.figure import SHARE_COLOURS, check_drawable, label, new_figure, printable, save_figure
from s2s.config.pictures import Language

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_attention(
    weights_TS: NDArray[np.floating[Any]],
    source_words: Sequence[str],
    target_words: Sequence[str],
    path: Path,
    *,
    title: str = "",
    language: Language = Language.en,
) -> None:
    """Draw attention into a file, .png, .svg or .pdf; see `draw_attention`.

    Raises:
        S2SError: see `save_figure`.
    """
    check_drawable(path)
    save_figure(draw_attention(weights_TS, source_words, target_words, title=title, language=language), path)


def draw_attention(
    weights_TS: NDArray[np.floating[Any]],
    source_words: Sequence[str],
    target_words: Sequence[str],
    *,
    title: str = "",
    language: Language = Language.en,
) -> "Figure":
    """Attention as a heat map, source words across the top and target words down.

    Args:
        weights_TS: a row for each target word; 0 to 1.
        title: above it; may be empty.
        language: of the axes.

    Raises:
        S2SError: see `new_figure`.
        ValueError: the weights are not finite, or of another shape than the words ask for.
    """
    if weights_TS.shape != (len(target_words), len(source_words)) or weights_TS.size == 0:
        raise ValueError(
            f"expected weights of shape (target words, source words) = ({len(target_words)}, {len(source_words)}), at "
            f"least 1 x 1, got {weights_TS.shape}"
        )
    if not np.isfinite(weights_TS).all():
        raise ValueError("expected finite weights, got NaN or infinity")
    source, target = ([label(word) for word in words] for words in (source_words, target_words))
    title = printable(" ".join(title.split()))
    axis_names = [localized(name, language) for name in ("source", "target", "attention weight")]
    with new_figure([*source, *target, title, *axis_names]) as figure:
        _draw(figure, weights_TS, source, target, title, axis_names)
    return figure


def _draw(
    figure: "Figure",
    weights_TS: NDArray[np.floating[Any]],
    source: Sequence[str],
    target: Sequence[str],
    title: str,
    axis_names: Sequence[str],
) -> None:
    """Fill the figure with square cells; labels, title and colour bar stand outside it, as far as they need."""
    # Half an inch for a few words, a quarter from 40 on; the picture ends at 30 inches.
    longer = max(weights_TS.shape)
    cell_inches = min(0.5, max(10 / longer, 0.25), 30 / longer)
    height, width = (num_words * cell_inches for num_words in weights_TS.shape)
    points = min(13.0, 36 * cell_inches)  # half a cell: lines slanted by 45 degrees stand 0.7 cells apart
    figure.set_size_inches(width, height)

    axes = figure.add_axes((0, 0, 1, 1))
    cells = axes.pcolormesh(
        weights_TS, cmap=SHARE_COLOURS, vmin=0, vmax=1, edgecolors="white", linewidth=2 * cell_inches
    )
    axes.invert_yaxis()
    axes.spines[:].set_color("0.6")
    axes.xaxis.set_label_position("top")
    axes.tick_params(length=0, bottom=False, labelbottom=False, labeltop=True)
    # Slanted, so that long words do not meet.
    axes.set_xticks(
        np.arange(len(source)) + 0.5,
        labels=source,
        fontsize=points,
        rotation=45,
        rotation_mode="anchor",
        ha="left",
        va="center",
    )
    axes.set_yticks(np.arange(len(target)) + 0.5, labels=target, fontsize=points)
    source_name, target_name, weight_name = axis_names
    axes.set_xlabel(source_name, labelpad=8, fontsize=max(points, 9) + 1)
    axes.set_ylabel(target_name, labelpad=8, fontsize=max(points, 9) + 1)
    # In letters that an eye can read even beside 200 words; 8 of them to the inch, and the margins count.
    heading = "\n".join(textwrap.wrap(title, width=int(8 * (width + 2))))
    axes.set_title(heading, pad=12, fontsize=max(points, 9) + 3)

    bar_height = max(height, 1.7)  # inches: room for its own label beside a picture of few words
    bar_axes = figure.add_axes((1 + 0.25 / width, 1 - bar_height / height, 0.16 / width, bar_height / height))
    bar = figure.colorbar(cells, cax=bar_axes, ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.outline.set_visible(False)
    bar_axes.set_ylabel(weight_name, fontsize=max(points, 9))
    bar_axes.tick_params(labelsize=max(points, 9) - 1)
