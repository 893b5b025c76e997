"""Which words of a translation belong to which words of its source."""

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from wcwidth import wcswidth

from s2s.analysis.pages.notebook import fragment
from s2s.analysis.plots.word_links import draw_links
from s2s.data.word_alignment import Link, format_pharaoh
from s2s.text_tables import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMN, _GAP = 8, 18  # pixels of a letter, and between words


@dataclass(frozen=True, eq=False)
class Alignment:
    """Links between the words of a sentence and those of its translation.

    >>> import s2s
    >>> alignment = s2s.Translator.load("runs/demo").align(("하나 둘", "two one"))
    >>> alignment.links[0][1], len(alignment.links)
    (0, 2)
    >>> alignment.matrix.shape
    (2, 2)

    Attributes:
        source: I words, which white space separates.
        target: J words.
        links: (i, j), sorted: target word j translates source word i; both count from 0.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    links: tuple[Link, ...]

    @property
    def matrix(self) -> NDArray[np.bool_]:
        """(J, I), True at links."""
        matrix_JI = np.zeros((len(self.target), len(self.source)), dtype=np.bool_)
        for source, target in self.links:
            matrix_JI[target, source] = True
        return matrix_JI

    def __str__(self) -> str:
        """Pharaoh `i-j`, as other programs read it."""
        return format_pharaoh(self.links)

    def __repr__(self) -> str:
        rows = [[self.source[i], "–", self.target[j]] for i, j in sorted(self.links, key=lambda link: link[1])]
        return f"Alignment {self}" + (f"\n{table(rows)}" if rows else "")

    def _repr_html_(self) -> str:
        middles = [_middles(words) for words in (self.source, self.target)]
        width = max([64.0, *(side[-1] + 64 for side in middles if side)])
        return fragment(
            "alignment.html",
            width=int(width),
            source=list(zip(self.source, middles[0], strict=True)),
            target=list(zip(self.target, middles[1], strict=True)),
            links=[(middles[0][i], middles[1][j]) for i, j in self.links],
            pharaoh=str(self),
        )

    def plot(self, *, title: str = "") -> "Figure":
        """The words of both sides, one above the other, with a line for each link.

        Args:
            title: above it.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return draw_links(self.source, self.target, self.links, title=title)


def _middles(words: tuple[str, ...]) -> list[float]:
    """Where the middle of each word is, in pixels from the left."""
    widths = [_COLUMN * max(1, wcswidth(word)) for word in words]
    starts = accumulate((width + _GAP for width in widths), initial=10)
    return [start + width / 2 for start, width in zip(starts, widths, strict=False)]
