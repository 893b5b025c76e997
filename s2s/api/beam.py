"""How the beam grew: every hypothesis that a beam search kept, step by step."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from s2s.analysis.pages.notebook import fragment
from s2s.analysis.plots.beam_tree import BeamNode, draw_beam
from s2s.api.keywords import language_of
from s2s.api.translation import Translation
from s2s.config.pictures import Language
from s2s.data.vocabulary.subwords import Subwords
from s2s.decoding.search.backpointers import Backpointers
from s2s.text_tables import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_X, _Y = 92, 46  # pixels between steps, and between hypotheses


@dataclass(frozen=True, eq=False)
class BeamStep:
    """The hypotheses that a step of the search kept, in the order of their log probability.

    Attributes:
        pieces: K of them, the last one of each hypothesis.
        texts: K of them, what each hypothesis says so far.
        origins: (K) which hypothesis of the step before each one extends, from 0.
        log_probabilities: (K) of the last piece given those before, in nats.
        totals: (K) log probability of all pieces so far, in nats.
        scores: (K) of hypotheses that are finished; NaN for those still open.
    """

    pieces: tuple[str, ...]
    texts: tuple[str, ...]
    origins: NDArray[np.intp]
    log_probabilities: NDArray[np.float64]
    totals: NDArray[np.float64]
    scores: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Beam:
    """Every hypothesis that a beam search kept on its way to a translation.

    >>> import s2s
    >>> beam = s2s.Translator.load("runs/demo").beam("하나 둘", beam_size=3)
    >>> len(beam.steps[0].pieces)
    3
    >>> bool(beam.steps[-1].totals.max() <= beam.steps[0].totals.max())
    True
    >>> len(beam.best) == len(beam.translation.pieces)
    True

    Attributes:
        source: the sentence.
        steps: one for each piece of the longest hypothesis.
        best: at each step the hypothesis, from 0, that became the translation.
        translation: the best finished hypothesis.
    """

    source: str
    steps: tuple[BeamStep, ...]
    best: tuple[int, ...]
    translation: Translation

    def __repr__(self) -> str:
        rows: list[list[object]] = [["step", "", "so far", "last piece", "total", "score"]]
        for number, step in enumerate(self.steps, start=1):
            for rank, text in enumerate(step.texts):
                score = "" if math.isnan(step.scores[rank]) else f"{step.scores[rank]:.3f}"
                on_way = "*" if number <= len(self.best) and self.best[number - 1] == rank else ""
                cells = [f"{step.log_probabilities[rank]:.3f}", f"{step.totals[rank]:.3f}", score]
                rows.append(["" if rank else number, on_way, text, *cells])
        return f"Beam of {self.source!r}; * leads to the translation:\n{table(rows, '><<>')}"

    def _repr_html_(self) -> str:
        nodes = self._nodes()
        most = max(len(step.pieces) for step in self.steps)
        placed = [
            {
                "x": _X * node.step - _X // 2,
                "y": _Y * node.rank + 26,
                "piece": node.piece,
                "text": self.steps[node.step - 1].texts[node.rank],
                "number": node.score if node.is_finished else node.total,
                "is_finished": node.is_finished,
                "is_best": node.is_best,
                "parent": None
                if node.parent is None
                else {"x": _X * (node.step - 1) - _X // 2, "y": _Y * node.parent + 26},
            }
            for node in nodes
        ]
        return fragment(
            "beam.html", nodes=placed, width=_X * len(self.steps), height=_Y * most + 10, translation=self.translation
        )

    def _nodes(self) -> list[BeamNode]:
        return [
            BeamNode(
                number,
                rank,
                int(step.origins[rank]) if number > 1 else None,
                piece,
                float(step.totals[rank]),
                float(step.scores[rank]),
                number <= len(self.best) and self.best[number - 1] == rank,
            )
            for number, step in enumerate(self.steps, start=1)
            for rank, piece in enumerate(step.pieces)
        ]

    def plot(self, *, title: str | None = None, language: Language | str = Language.en) -> "Figure":
        """The tree of hypotheses, step by step from left to right.

        Args:
            title: above it; left out: the source.
            language: of the axes, en or ko.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return draw_beam(self._nodes(), title=self.source if title is None else title, language=language_of(language))


def grown_beam(source: str, found: Sequence[Backpointers], subwords: Subwords, translation: Translation) -> Beam:
    """What a beam search of one sentence chose at each step, as arrays.

    Args:
        found: at least one step.
        subwords: of the target.
        translation: the best one.
    """
    steps: list[BeamStep] = []
    number_of: dict[int, int] = {0: 0}  # of each beam of the step before, its place among the hypotheses kept
    ids: list[list[int]] = [[]]
    for position in found:
        total_K = position.total_BK[0]
        kept = [int(beam) for beam in np.argsort(-total_K, kind="stable") if total_K[beam] > -math.inf]
        origins = [number_of[int(position.origin_BK[0, beam])] for beam in kept]
        tokens = [int(position.token_BK[0, beam]) for beam in kept]
        ids = [[*ids[origin], token] for origin, token in zip(origins, tokens, strict=True)]
        score_K = position.score_BK[0, kept]
        steps.append(
            BeamStep(
                tuple(subwords.pieces(tokens)),
                tuple(subwords.decode(each) for each in ids),
                np.array(origins, dtype=np.intp),
                position.log_probability_BK[0, kept].astype(np.float64),
                total_K[kept].astype(np.float64),
                np.where(score_K > -math.inf, score_K, math.nan).astype(np.float64),
            )
        )
        number_of = {beam: number for number, beam in enumerate(kept)}
    return Beam(source, tuple(steps), _way_to_best(steps), translation)


def _way_to_best(steps: Sequence[BeamStep]) -> tuple[int, ...]:
    """The place at each step of the hypothesis whose score is best, the first of equals."""
    ends = [
        (float(score), -number, rank)
        for number, step in enumerate(steps)
        for rank, score in enumerate(step.scores)
        if not math.isnan(score)
    ]
    if not ends:
        return ()
    _, negative, rank = max(ends, key=lambda end: (end[0], end[1], -end[2]))
    way = []
    for number in range(-negative, -1, -1):
        way.append(rank)
        rank = int(steps[number].origins[rank])
    return tuple(reversed(way))
