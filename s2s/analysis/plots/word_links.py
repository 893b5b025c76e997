"""The words of a sentence above those of its translation, with lines between those that belong together."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wcwidth import wcswidth

from s2s.analysis.plots.figure import BLUE, label, new_figure, printable
from s2s.data.word_alignment import Link

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMN_INCHES, _GAP_INCHES = 0.11, 0.25  # of a letter, and between words


def draw_links(source: Sequence[str], target: Sequence[str], links: Sequence[Link], *, title: str = "") -> "Figure":
    """A line for each link (i, j) between source word i and target word j, from 0."""
    sides = [[label(word) for word in words] for words in (source, target)]
    title = printable(" ".join(title.split()))
    middles, ends = zip(*map(_places, sides), strict=True)
    with new_figure([text for words in sides for text in words] + [title]) as figure:
        figure.set_size_inches(max(*ends, 1.0), 1.5)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, max(*ends, 1.0))
        axes.set_ylim(0, 1)
        for words, places, height, side in zip(sides, middles, (0.85, 0.15), ("bottom", "top"), strict=True):
            for word, place in zip(words, places, strict=True):
                axes.text(place, height, word, ha="center", va=side, fontsize=13)
        for first, second in links:
            axes.plot([middles[0][first], middles[1][second]], [0.8, 0.2], color=BLUE, linewidth=1.6)
        axes.set_title(title, fontsize=12, pad=16)
    return figure


def _places(words: Sequence[str]) -> tuple[list[float], float]:
    """Where the middle of each word is, and where all of them end, in inches."""
    middles, left = [], 0.1
    for word in words:
        width = _COLUMN_INCHES * max(1, wcswidth(word))
        middles.append(left + width / 2)
        left += width + _GAP_INCHES
    return middles, left
