"""When a run is expected to end: by its limits, or by early stopping, judged from the learning curve so far."""

import math
from collections.abc import Sequence
from itertools import accumulate

_SHARE_LEFT = 0.01
"""Of all that was gained: with less than that left to gain, the best score is expected to have come."""


def earliest_end(scores: Sequence[float], patience: int) -> int:
    """The validation, counted from 1, with which early stopping ends the run if none is better from now on.

    Args:
        scores: of the validations so far, higher is better; the first one may be worse than any.
        patience: validations without a better score.
    """
    return (scores.index(max(scores)) if scores else 0) + 1 + patience


def expected_end(scores: Sequence[float], patience: int) -> int:
    """The validation, counted from 1, with which early stopping is expected to end the run.

    The best score so far is taken to approach its limit as 1 - r ** n does, with the r that the last three equally
    spaced points give; what comes after the last of them sums up to a geometric series.
    """
    end = earliest_end(scores, patience)
    best = list(accumulate(scores, max))
    if len(best) < 3:  # too early to say more than that it is not over yet
        return max(end, len(best) + 1 + patience)
    spacing = (len(best) - 1) // 2
    before, recent = (best[-1 - n * spacing] - best[-1 - (n + 1) * spacing] for n in (1, 0))
    if not recent > 0:  # nor where a loss was not finite
        return end
    ratio = min(recent / before if before else math.inf, 0.9)  # of the gains over two spans; a limit must exist
    left = recent * ratio / (1 - ratio)
    enough = _SHARE_LEFT * (best[-1] - best[0])
    num_more = math.ceil(spacing * math.log(enough / left) / math.log(ratio)) if left > enough else 0
    return max(end, len(best) + num_more + patience)


def steps_within(minutes: float, step: int, elapsed_s: float) -> int | None:
    """The step at which so many minutes of training will have passed, at the pace so far; None before the first."""
    return math.ceil(step * 60 * minutes / elapsed_s) if elapsed_s else None
