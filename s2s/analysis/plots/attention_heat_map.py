"""TODO: say what s2s.analysis.plots.attention_heat_map is."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from s2s.analysis.plots.figure import (
    _COLOURS,
    Label,
    _tidy,
    empty_figure,
    save_figure,
    shorten,
    typeset,
    write,
    write_ticks,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FIXED_TEXT = "source target attention weight 0.25"  # the letters of what every picture says besides


@dataclass(frozen=True, slots=True)
class _Texts:
    source: list[Label]
    target: list[Label]
    title: Label
    plain: Path  # the font of all that every picture says


def plot_attention(
    weights_TS: NDArray[np.floating[Any]],
    source_words: Sequence[str],
    target_words: Sequence[str],
    path: Path,
    *,
    title: str = "",
) -> None:
    """Draw attention as a heat map, source words across the top and target words down, as .png, .svg or .pdf.

    Args:
        weights_TS: a row for each target word; 0 to 1.
        path: the file to write; its folder is made if need be.

    Raises:
        MissingExtraError: matplotlib is not installed, or no font here can draw Korean.
        ConfigError: the file's suffix names another format.
        ValueError: the weights are not finite, or of another shape than the words ask for.
    """
    figure = empty_figure(path)
    _check_weights(weights_TS, len(source_words), len(target_words))
    _draw_attention(figure, weights_TS, _typeset_all(source_words, target_words, title))
    save_figure(figure, path)


def _check_weights(weights_TS: NDArray[np.floating[Any]], num_source: int, num_target: int) -> None:
    if weights_TS.shape != (num_target, num_source) or weights_TS.size == 0:
        raise ValueError(
            f"expected weights of shape (target words, source words) = ({num_target}, {num_source}), at least 1 x 1, "
            f"got {weights_TS.shape}"
        )
    if not np.isfinite(weights_TS).all():
        raise ValueError("expected finite weights, got NaN or infinity")


def _typeset_all(source: Sequence[str], target: Sequence[str], title: str) -> _Texts:
    """Cut long words and find the fonts of all texts together, so that they share one if any font holds all."""
    words = [shorten(_tidy(word)) for word in [*source, *target]]
    *labels, heading, plain = typeset([*words, " ".join(title.split()), _FIXED_TEXT])
    labels = [Label(shorten(label.text), label.font) for label in labels]  # again: an escape is longer than its letter
    return _Texts(labels[: len(source)], labels[len(source) :], heading, plain.font)


def _draw_attention(figure: "Figure", weights_TS: NDArray[np.floating[Any]], texts: _Texts) -> None:
    """Fill the figure with square cells; labels, title and colour bar stand outside it, as far as they need."""
    cell_inches = _cell_inches(*weights_TS.shape)
    height, width = (num_words * cell_inches for num_words in weights_TS.shape)
    points = min(13.0, 36 * cell_inches)  # half a cell: lines slanted by 45 degrees stand 0.7 cells apart
    figure.set_size_inches(width, height)

    axes = figure.add_axes((0, 0, 1, 1))
    cells = axes.pcolormesh(weights_TS, cmap=_COLOURS, vmin=0, vmax=1, edgecolors="white", linewidth=2 * cell_inches)
    axes.invert_yaxis()
    axes.spines[:].set_color("0.6")
    _label_words(axes, texts, points)
    # In letters that an eye can read even beside 200 words; 8 of them to the inch, and the margins count.
    heading = "\n".join(textwrap.wrap(texts.title.text, width=int(8 * (width + 2))))
    write(axes.set_title(heading, pad=12), texts.title.font, max(points, 9) + 3)

    bar_height = max(height, 1.7)  # inches: room for its own label beside a picture of few words
    bar_axes = figure.add_axes((1 + 0.25 / width, 1 - bar_height / height, 0.16 / width, bar_height / height))
    bar = figure.colorbar(cells, cax=bar_axes, ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.outline.set_visible(False)
    write(bar_axes.set_ylabel("attention weight"), texts.plain, max(points, 9))
    write_ticks(bar_axes, texts.plain, max(points, 9) - 1)


def _label_words(axes: "Axes", texts: _Texts, points: float) -> None:
    """Write the source words slanted across the top, so that long ones do not meet, and the target words down."""
    axes.xaxis.set_label_position("top")
    axes.tick_params(length=0, bottom=False, labelbottom=False, labeltop=True)
    axes.set_xticks(np.arange(len(texts.source)) + 0.5, labels=[label.text for label in texts.source])
    axes.set_yticks(np.arange(len(texts.target)) + 0.5, labels=[label.text for label in texts.target])
    for text, label in zip(axes.get_xticklabels(), texts.source, strict=True):
        write(text, label.font, points)
        text.set(rotation=45, rotation_mode="anchor", ha="left", va="center")
    for text, label in zip(axes.get_yticklabels(), texts.target, strict=True):
        write(text, label.font, points)
    for axis_name in (axes.set_xlabel("source", labelpad=8), axes.set_ylabel("target", labelpad=8)):
        write(axis_name, texts.plain, max(points, 9) + 1)


def _cell_inches(num_source: int, num_target: int) -> float:
    """The side of a cell: half an inch for a few words, a quarter from 40 on; the picture ends at 30 inches."""
    longer = max(num_source, num_target)
    return min(0.5, max(10 / longer, 0.25), 30 / longer)
