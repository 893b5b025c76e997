"""Where a model looks while it translates a sentence."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from s2s.analysis.attention import WordAttention
from s2s.analysis.pages.notebook import fragment
from s2s.analysis.plots.attention_heat_map import draw_attention
from s2s.api.keywords import language_of
from s2s.config.pictures import Language
from s2s.text_tables import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """How much each word of a translation attends to each word of the source.

    >>> import s2s
    >>> attention = s2s.Translator.load("runs/demo").attention("하나 둘 셋")
    >>> attention.source
    ('하나', '둘', '셋', '</s>')
    >>> attention.weights.shape == (len(attention.target), len(attention.source))
    True

    Attributes:
        source: I words (or pieces, where these were asked for), and `</s>`, the end, unless ends=False.
        target: J words of the translation, in the same way.
        weights: (J, I), a row for each target word, each weight 0 to 1. With `</s>`, rows sum to 1.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: NDArray[np.floating[Any]]

    def __repr__(self) -> str:
        rows = [
            [word, *(f"{100 * weight:.0f}" for weight in row)]
            for word, row in zip(self.target, self.weights, strict=True)
        ]
        return f"Attention in percent, source words across:\n{table([['', *self.source], *rows])}"

    def _repr_html_(self) -> str:
        words = WordAttention(list(self.source), list(self.target), self.weights)
        return fragment("notebook_attention.html", sentence=words)

    def plot(self, *, title: str = "", language: Language | str = Language.en) -> "Figure":
        """A heat map, source words across and target words down.

        Args:
            title: above it.
            language: of the axes, en or ko.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return draw_attention(self.weights, self.source, self.target, title=title, language=language_of(language))
