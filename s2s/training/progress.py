"""How far a run has come, and how well its model does on the dev set."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from s2s.config.training import StopMetric
from s2s.models.model import perplexity
from s2s.training.optim import Plateau

T = TypeVar("T")


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        step: updates made, including steps that were skipped since the loss or a gradient was not finite.
        epoch: completed passes over the corpus.
        position: batches used in this epoch.
        elapsed_s: seconds of training over all starts, validation included.
        window_nats: summed loss since the last line of metrics.
        window_tokens: target tokens, or texts, since then.
        window_s: seconds since then.
        num_bad_steps: steps skipped in a row, up to now.
        num_skipped_steps: steps skipped in all.
        best_score: best value of the stop metric (higher is better; a loss counts negative).
        best_step: step of `best_score`.
        num_waited: validations since then.
        schedule_start: step at which the learning-rate schedule began; above 0, the optimizer was reset then.
        plateau: state of the plateau schedule.
        deviation: what happened on the way that no command repeats, such as other options; empty if nothing did.
    """

    step: int = 0
    epoch: int = 0
    position: int = 0
    elapsed_s: float = 0.0
    window_nats: float = 0.0
    window_tokens: int = 0
    window_s: float = 0.0
    num_bad_steps: int = 0
    num_skipped_steps: int = 0
    best_score: float = -math.inf
    best_step: int = -1
    num_waited: int = 0
    schedule_start: int = 0
    plateau: Plateau = field(default_factory=Plateau)
    deviation: str = ""

    @classmethod
    def from_json(cls, state: Any) -> "Progress":
        """The progress whose `dataclasses.asdict` this is.

        Raises:
            KeyError, TypeError, ValueError: it is none; a value is missing, or of another type, or below its range.
        """
        return _from_json(cls, {**state, "plateau": _from_json(Plateau, state["plateau"])})


def _from_json(kind: type[T], state: Any) -> T:
    for item in fields(kind):  # type: ignore[arg-type]  # a dataclass
        value = state[item.name]
        if type(value) is not item.type and not (item.type is float and type(value) is int):
            raise TypeError(f"{item.name} is {value!r}")
        if item.type is int and value < -1:
            raise ValueError(f"{item.name} is {value}")
    return kind(**state)


@dataclass(frozen=True)
class Validation:
    """The loss and the scores of a model on the dev set.

    Attributes:
        loss_nats: cross-entropy per target token, or per text.
        scores: by the name of their stop metric, 0 to 100: `bleu` of greedy translations, or `accuracy` and `f1` of
            labels.
        kept: what else to save beside the weights if they are the best, as JSON.
    """

    loss_nats: float
    scores: Mapping[str, float]
    kept: Mapping[str, Any] = field(default_factory=dict)

    def score(self, metric: StopMetric) -> float:
        """The value of a stop metric, negated where lower is better."""
        match metric:
            case StopMetric.loss:
                return -self.loss_nats
            case StopMetric.perplexity:
                return -perplexity(self.loss_nats)
            case StopMetric.bleu | StopMetric.accuracy | StopMetric.f1:
                return self.scores[metric.name]
