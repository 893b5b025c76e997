"""TODO: say what s2s.training.progress is."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from s2s.config.training import StopMetric
from s2s.models.model import perplexity
from s2s.training.optim import Plateau


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        step: updates made, and steps skipped for a loss that was not finite.
        epoch: passes over the corpus completed.
        position: batches of this epoch used.
        elapsed_s: seconds of training over all starts, validation included.
        window_nats: summed loss since the last line of metrics.
        window_tokens: target tokens, or texts, since then.
        window_s: seconds since then.
        num_bad_steps: steps in a row that were skipped for a loss or gradient that was not finite.
        num_skipped_steps: all steps that were skipped for that.
        best_score: best value of the stop metric (higher is better; a loss counts negative).
        best_step: step of `best_score`.
        num_waited: validations since then.
        schedule_start: step at which the learning rate's schedule began; after 0, the optimizer was begun anew then.
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

    def to_json(self) -> dict[str, Any]:
        """A JSON-able copy."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> "Progress":
        """What `to_json` made."""
        return cls(**{**state, "plateau": Plateau(**state["plateau"])})


@dataclass(frozen=True)
class Validation:
    """How well a model does on the dev set.

    Attributes:
        loss_nats: cross-entropy a target token, or a text.
        scores: by their names, all of which are those of stop metrics: `bleu` of greedy translations, 0 to 100; or of
            labels `accuracy` and `f1`, likewise.
    """

    loss_nats: float
    scores: Mapping[str, float]

    def score(self, metric: StopMetric) -> float:
        """The value of a stop metric, turned so that higher is better."""
        match metric:
            case StopMetric.loss:
                return -self.loss_nats
            case StopMetric.perplexity:
                return -perplexity(self.loss_nats)
            case StopMetric.bleu | StopMetric.accuracy | StopMetric.f1:
                return self.scores[metric.name]
