"""How likely a model finds a given translation."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from s2s.analysis.pages.notebook import fragment
from s2s.analysis.picture_words import localized
from s2s.analysis.plots.line_plots import Curve, Panel, draw_panels
from s2s.api.keywords import language_of
from s2s.config.pictures import Language
from s2s.text_tables import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Score:
    """The probability that a model gives to a translation of a sentence.

    >>> import s2s
    >>> score = s2s.Translator.load("runs/demo").score(("하나 둘", "two one"))
    >>> score.pieces[-1], score.log_probability < 0
    ('</s>', True)
    >>> bool(np.isclose(score.log_probability, score.log_probabilities.sum()))
    True

    Attributes:
        source, target: the pair.
        pieces: T of the target, `</s>` at the end unless it was cut.
        log_probabilities: (T) of each piece given the source and the pieces before, in nats; -inf where a target
            cannot be written with the pieces that the model knows.
    """

    source: str
    target: str
    pieces: tuple[str, ...]
    log_probabilities: NDArray[np.float64]

    @property
    def log_probability(self) -> float:
        """Of the whole translation, in nats."""
        return float(self.log_probabilities.sum())

    @property
    def mean(self) -> float:
        """The mean log probability of a piece, in nats; 0 where there is none."""
        return self.log_probability / max(1, len(self.log_probabilities))

    def __repr__(self) -> str:
        rows = [self.pieces, [f"{value:.3f}" for value in self.log_probabilities]]
        head = f"Score {self.log_probability:.3f} nats, {self.mean:.3f} a piece: {self.source} → {self.target}"
        return f"{head}\n{table(rows, '>')}" if self.pieces else head

    def _repr_html_(self) -> str:
        values = [(float(value), float(np.exp(value))) for value in self.log_probabilities]
        return fragment("score.html", score=self, values=values)

    def plot(self, *, title: str | None = None, language: Language | str = Language.en) -> "Figure":
        """The log probability of each piece.

        Args:
            title: above it; left out: the translation.
            language: of the axis, en or ko.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        places = [float(place) for place in range(len(self.pieces))]
        panel = Panel(
            "",
            "",
            localized("log probability of each piece (nats)", language_of(language)),
            [Curve("", places, self.log_probabilities.tolist(), dash="")],
            x_ticks=places,
            x_tick_names=self.pieces,
        )
        return draw_panels([panel], title=self.target if title is None else title)
