"""What is shown of training: a line for each validation, and in a terminal a bar with the best score and expected end.

Where stderr is not a terminal the lines are those of a log.
"""

import logging
import math
import sys
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from s2s.config.training import MEASURES_OF, Config, StopMetric
from s2s.runs.folder import RunFolder
from s2s.runs.metrics import read_metrics
from s2s.training.forecast import expected_end, steps_within
from s2s.training.progress import Progress, Validation

_logger = logging.getLogger(__name__)


class TrainingDisplay:
    """Shows training in a `with` block.

    Args:
        config: of the run.
        progress: of the run; it is read again whenever something is shown.
        run: whose metrics hold the validations before this start.
        steps_of_epochs: steps until training.max_epochs is reached, None without that limit.
        is_shown: False for ranks that show nothing.
    """

    def __init__(
        self, config: Config, progress: Progress, run: RunFolder, steps_of_epochs: int | None, *, is_shown: bool
    ) -> None:
        self._config, self._progress, self._steps_of_epochs = config, progress, steps_of_epochs
        is_terminal = sys.stderr.isatty()
        self._is_shown, self._is_logged = is_shown and is_terminal, is_shown and not is_terminal
        self._steps: list[int] = []
        self._scores: list[float] = []
        self._logged = ""
        for row in read_metrics(run.metrics) if self._is_shown else []:
            if row["kind"] == "dev":
                self._add(row["step"], Validation(math.inf if row["loss_nats"] is None else row["loss_nats"], row))
        self._bar: tqdm[Any] = tqdm(
            total=self._expected_steps() if self._is_shown else None,
            initial=progress.step,
            desc="training",
            unit="step",
            smoothing=0,  # the pace since the start, with validations
            dynamic_ncols=True,
            file=sys.stderr,
            disable=not self._is_shown,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._bar.total = self._progress.step
        self._bar.close()

    def step(self) -> None:
        """A step was made."""
        self._bar.update()

    def logged(self, text: str) -> None:
        """Show a line of training metrics in a short form, the best score so far, and the expected end."""
        self._logged = text
        self._refresh()

    def validated(self, result: Validation) -> None:
        """Show a validation in a line of its own."""
        titles = MEASURES_OF[self._config.task].dev
        scores = ", ".join(f"{titles[name]} {value:.2f}" for name, value in result.scores.items())
        line = f"step {self._progress.step:,}: dev loss {result.loss_nats:.3f} nats, {scores}"
        if self._is_logged:
            _logger.info(line)
        if self._is_shown:
            self._write_line(line, result)

    def _write_line(self, line: str, result: Validation) -> None:
        progress, training = self._progress, self._config.training
        self._add(progress.step, result)
        best = "the best so far" if progress.num_waited == 0 else f"best {self._best()} at step {progress.best_step:,}"
        line += f", {best}"
        num_left = (training.patience - progress.num_waited) * training.validate_every
        if num_left and progress.step + num_left < self._limit():
            time_left = tqdm.format_interval(num_left * progress.elapsed_s / progress.step)
            line += f"; may end early, at step {progress.step + num_left:,}, in {time_left}"
        tqdm.write(line, file=sys.stderr)
        self._refresh()

    def _refresh(self) -> None:
        if self._is_shown:
            best = f"best {self._best()}" if self._scores else ""
            self._bar.total = self._expected_steps()
            self._bar.set_postfix_str(", ".join(text for text in (best, self._logged) if text))

    def _add(self, step: int, result: Validation) -> None:
        self._steps.append(step)
        self._scores.append(result.score(self._config.training.stop_metric))

    def _best(self) -> str:
        metric, best = self._config.training.stop_metric, abs(self._progress.best_score)
        if metric in (StopMetric.loss, StopMetric.perplexity):
            return f"{metric.name} {best:.3f}"
        return f"{MEASURES_OF[self._config.task].dev[metric.name]} {best:.2f}"

    def _limit(self) -> int:
        """The step with which the run ends, early stopping aside."""
        training, progress = self._config.training, self._progress
        limits = [training.max_steps, self._steps_of_epochs]
        if training.max_minutes is not None:
            limits.append(steps_within(training.max_minutes, progress.step, progress.elapsed_s))
        return min(limit for limit in limits if limit is not None)

    def _expected_steps(self) -> int | None:
        """The step with which the run is expected to end; None where nothing is known yet."""
        training, progress = self._config.training, self._progress
        if training.max_minutes is not None and not progress.elapsed_s:
            return None
        num_more = expected_end(self._scores, training.patience) - len(self._scores)
        last = self._steps[-1] if self._steps else 0
        return max(progress.step, min(self._limit(), last + num_more * training.validate_every))
