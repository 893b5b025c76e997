"""The hypotheses of a beam search as a tree that grows from left to right."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from s2s.analysis.picture_words import localized
from s2s.analysis.plots.figure import BLUE, label, new_figure, printable
from s2s.config.pictures import Language

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STEP_INCHES, _RANK_INCHES = 0.95, 0.5
_HALF_PIECE = 0.36  # of a step: room for the letters of a piece
_GREY = "0.55"


@dataclass(frozen=True)
class BeamNode:
    """One hypothesis at one step.

    Attributes:
        step: from 1.
        rank: among those of its step, from 0.
        parent: the rank at the step before of the hypothesis that it extends; None at the first step.
        piece: its last one.
        total: log probability of all its pieces, in nats.
        score: of a finished hypothesis; NaN for an open one.
        is_best: whether it leads to the translation.
    """

    step: int
    rank: int
    parent: int | None
    piece: str
    total: float
    score: float
    is_best: bool

    @property
    def is_finished(self) -> bool:
        """Whether it has a score."""
        return not math.isnan(self.score)


def draw_beam(nodes: Sequence[BeamNode], *, title: str = "", language: Language = Language.en) -> "Figure":
    """A column for each step; below each piece the total, or in a frame the score of a finished hypothesis."""
    title = printable(" ".join(title.split()))
    step_name = localized("step", language)
    num_steps, num_ranks = max(node.step for node in nodes), max(node.rank for node in nodes) + 1
    with new_figure([title, step_name, *(label(node.piece) for node in nodes)]) as figure:
        figure.set_size_inches(_STEP_INCHES * num_steps, _RANK_INCHES * num_ranks + 0.4)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0.5, num_steps + 0.5)
        axes.set_ylim(num_ranks - 0.4, -0.6)
        for node in nodes:
            colour = BLUE if node.is_best else "0.2"
            if node.parent is not None:
                axes.plot(
                    [node.step - 1 + _HALF_PIECE, node.step - _HALF_PIECE],
                    [node.parent, node.rank],
                    color=BLUE if node.is_best else "0.8",
                    linewidth=2 if node.is_best else 1,
                )
            frame = {"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": colour, "linewidth": 1}
            text = f"{label(node.piece)}\n{node.score if node.is_finished else node.total:.2f}"
            axes.text(
                node.step,
                node.rank,
                text,
                ha="center",
                va="center",
                fontsize=9,
                color=colour,
                bbox=frame if node.is_finished else None,
            )
        axes.spines[:].set_visible(False)
        axes.set_yticks([])
        axes.set_xticks(range(1, num_steps + 1))
        axes.tick_params(length=0, labelsize=9, colors=_GREY)
        axes.set_xlabel(step_name, fontsize=10)
        axes.set_title(title, fontsize=12, pad=10)
    return figure
