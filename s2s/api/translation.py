"""A translation, with its score and its pieces."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from s2s.analysis.pages.notebook import fragment
from s2s.data.word_alignment import Link
from s2s.decoding.postprocessing import NBestList


@dataclass(frozen=True, eq=False)
class Translation:
    """One translation of a sentence.

    >>> import s2s
    >>> best, second = s2s.Translator.load("runs/demo").translate("하나 둘", num_best=2)
    >>> best.score >= second.score
    True
    >>> best.log_probabilities.shape == (len(best.pieces),)
    True

    Attributes:
        text: the translation.
        score: by which translations are ranked, higher is better: the mean log probability of a piece in nats, unless
            length options or mbr say otherwise.
        pieces: T of them, `</s>` at the end unless the longest length cut it off; "▁" (U+2581) stands for the space
            before a word.
        log_probabilities: (T) of each piece given those before it, in nats.
        alignment: links (i, j) between word i of the source and word j of the text, from 0; None unless asked for.
    """

    text: str
    score: float
    pieces: tuple[str, ...]
    log_probabilities: NDArray[np.float64]
    alignment: tuple[Link, ...] | None = None

    @property
    def log_probability(self) -> float:
        """Of the whole translation, in nats."""
        return float(self.log_probabilities.sum())

    def __repr__(self) -> str:
        return f"Translation({self.text!r}, score={self.score:.4f})"

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return fragment("translation.html", translation=self)


def translations_of(found: NBestList) -> list[Translation]:
    """The translations of a line, the best first."""
    alignments = found.alignments or [None] * len(found.texts)
    return [
        Translation(
            text,
            hypothesis.score,
            (*pieces, "</s>") if hypothesis.has_end else pieces,
            np.array(hypothesis.token_log_probabilities),
            alignment,
        )
        for text, hypothesis, pieces, alignment in zip(
            found.texts, found.hypotheses, found.pieces, alignments, strict=True
        )
    ]
