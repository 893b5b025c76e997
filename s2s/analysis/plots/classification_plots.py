"""Pictures of how good a classifier is: which labels it confuses, and whether its probabilities can be trusted.

C classes, M bins of confidence.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from wcwidth import wcswidth

from s2s.analysis.plots.figure import BLUE, SHARE_COLOURS, check_drawable, label, lay_grid, new_figure, save_figure
from s2s.evaluation.classification import Bin

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GREY = "0.45"
_MOST_NUMBERED = 20  # classes: among more, the numbers in the cells could not be read
_NUMBERED_INCHES, _NAMED_INCHES = 0.9, 0.25  # the least room for a number in a cell, and for a label beside it
_MOST_INCHES = 20  # of a side, so that a picture of a thousand classes can be drawn and looked at
_COLUMN_INCHES = 0.09  # of a letter of 10 points


def plot_confusion(confusion_CC: Sequence[Sequence[int]], names: Sequence[str], path: Path) -> None:
    """Draw how many texts of each label (down) were given each label (across), as .png, .svg or .pdf.

    The colour is the share of the row, so that a rare label is seen as well as a frequent one. Among many labels the
    cells have no numbers, and among more (80 or so) the axes no names.

    Raises:
        S2SError: see `save_figure`.
    """
    check_drawable(path)
    counts_CC = np.asarray(confusion_CC)
    shares_CC = counts_CC / np.maximum(counts_CC.sum(axis=1, keepdims=True), 1)
    has_numbers = len(names) <= _MOST_NUMBERED
    side = min(max(2.5, len(names) * (_NUMBERED_INCHES if has_numbers else _NAMED_INCHES)), _MOST_INCHES)
    labels = [label(name) for name in names]
    with new_figure(labels) as figure:
        figure.set_size_inches(side + 1.2, side)
        axes = figure.add_subplot()
        cells = axes.imshow(shares_CC, cmap=SHARE_COLOURS, vmin=0, vmax=1)
        axes.tick_params(length=0)
        _name_cells(axes, labels, side / len(names))
        if has_numbers:
            for (row, column), share in np.ndenumerate(shares_CC):
                colour = "white" if share > 0.6 else "black"
                number = f"{counts_CC[row, column]:,}"
                axes.text(column, row, number, ha="center", va="center", color=colour, fontsize=11)
        axes.set_xlabel("given label", labelpad=8, fontsize=11)
        axes.set_ylabel("true label", labelpad=8, fontsize=11)
        bar = figure.colorbar(cells, ax=axes, ticks=[0, 0.5, 1])
        bar.outline.set_visible(False)
        bar.ax.set_ylabel("share of the true label's texts", fontsize=9)
        bar.ax.tick_params(labelsize=9)
    save_figure(figure, path)


def _name_cells(axes: "Axes", labels: Sequence[str], cell_inches: float) -> None:
    """Write the labels along both axes, upright across where they would meet; none where they could not be read."""
    if cell_inches < _NAMED_INCHES:
        axes.set(xticks=[], yticks=[])
        return
    is_upright = max(map(wcswidth, labels)) * _COLUMN_INCHES > cell_inches
    axes.set_xticks(range(len(labels)), labels=labels, fontsize=10, rotation=90 if is_upright else 0)
    axes.set_yticks(range(len(labels)), labels=labels, fontsize=10)


def plot_reliability(bins_M: Sequence[Bin], path: Path) -> None:
    """Draw accuracy over confidence, and below it how many texts there are of each, as .png, .svg or .pdf.

    A point on the diagonal: of the texts labelled with a probability of 0.8, 80 % are labelled rightly.

    Raises:
        S2SError: see `save_figure`.
    """
    check_drawable(path)
    filled = [each for each in bins_M if each.num_texts]
    with new_figure() as figure:
        figure.set_size_inches(5, 5.5)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        upper.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1.2)
        confidences, accuracies = [each.confidence for each in filled], [each.accuracy for each in filled]
        upper.plot(confidences, accuracies, color=BLUE, marker="o", linewidth=1.6)
        upper.set_ylim(0, 1.02)
        middles = [(each.low + each.high) / 2 for each in bins_M]
        width = 0.9 * (bins_M[0].high - bins_M[0].low)
        lower.bar(middles, [each.num_texts for each in bins_M], width=width, color=BLUE)
        lower.set_xlim(0, 1.02)
        upper.set_ylabel("accuracy", labelpad=8, fontsize=11)
        lower.set_ylabel("texts", labelpad=8, fontsize=11)
        lower.set_xlabel("confidence (probability of the given label)", labelpad=6, fontsize=11)
        for axes in (upper, lower):
            lay_grid(axes)
    save_figure(figure, path)
