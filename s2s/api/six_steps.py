"""The six steps of attention in one step of a decoder, as arrays."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from s2s.analysis import six_steps as analysis
from s2s.analysis.pages.notebook import fragment
from s2s.analysis.picture_words import localized
from s2s.analysis.plots.bars import Bars, draw_bars
from s2s.api.keywords import language_of
from s2s.config.pictures import Language

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class SixSteps:
    """What the decoder computes when it says one piece of a translation. `print` it to read it step by step.

    >>> import s2s
    >>> steps = s2s.Translator.load("runs/demo").explain("하나 둘 셋", "three two one", step=2)
    >>> steps.target[steps.step - 1]
    '▁two'
    >>> exponentials = np.exp(steps.scores - steps.scores.max())
    >>> np.allclose(steps.weights, exponentials / exponentials.sum(), atol=1e-6)
    True
    >>> np.allclose(steps.context, steps.weights @ steps.states, atol=1e-5)
    True

    Attributes:
        source: S pieces, the last one `</s>`.
        target: T pieces of the translation, the last one `</s>`.
        step: which of them is said, from 1.
        formula: of the scores.
        query: (H) step 1, the decoder's state, which has read the pieces before.
        states: (S, H) step 1, the encoder's.
        scores: (S) step 2, of each source position.
        weights: (S) step 3, 0 to 1, which sum to 1.
        context: (H) steps 4 and 5, the sum of the weighted states.
        attentional: (O) step 6, what the output layer sees, each -1 to 1.
        next_pieces: step 6, the likeliest next pieces and their probabilities, best first; then the piece that is said.
        without_context: the same with zeros in place of the context vector.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    step: int
    formula: str
    query: Floats
    states: Floats
    scores: Floats
    weights: Floats
    context: Floats
    attentional: Floats
    next_pieces: tuple[analysis.NextPiece, ...]
    without_context: tuple[analysis.NextPiece, ...]
    _text: str

    @classmethod
    def of(cls, steps: analysis.DecoderStep) -> "SixSteps":
        """The steps as arrays."""
        return cls(
            source=tuple(steps.source),
            target=tuple(steps.target),
            step=steps.position + 1,
            formula=steps.attention.formula,
            query=steps.query_H.numpy(),
            states=steps.states_SH.numpy(),
            scores=steps.scores_S.numpy(),
            weights=steps.weights_S.numpy(),
            context=steps.context_H.numpy(),
            attentional=steps.attentional_O.numpy(),
            next_pieces=tuple(steps.with_context),
            without_context=tuple(steps.without_context),
            _text=analysis.six_steps_text(steps),
        )

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        next_pieces = list(zip(self.next_pieces, self.without_context, strict=True))
        return fragment("six_steps.html", steps=self, norm=np.linalg.norm, next_pieces=next_pieces)

    def plot(self, *, title: str | None = None, language: Language | str = Language.en) -> "Figure":
        """Bars: the weight of each source piece, and the likeliest next pieces with the context and without.

        Args:
            title: above it; left out: the piece that is said.
            language: of the axes, en or ko.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        language = language_of(language)
        weights = [float(weight) for weight in self.weights]
        parts = [Bars(localized("attention weight", language), self.source, weights)]
        for name, items in (("with the context", self.next_pieces), ("without the context", self.without_context)):
            likeliest = items[:-1]
            values = [item.probability for item in likeliest]
            parts.append(Bars(localized(name, language), [item.piece for item in likeliest], values))
        if title is None:
            title = localized("step {step} says {piece}", language).format(
                step=self.step, piece=self.target[self.step - 1]
            )
        return draw_bars(parts, title=title)
