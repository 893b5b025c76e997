"""The training loop, on one screen (`Trainer.run`), and the steps that it is made of.

Everything that decides the next loss is in the checkpoint: weights, optimizer, average, random state, and `Progress`.
So a run that was stopped, by whatever, goes on as if nothing had happened.
"""

import dataclasses
import json
import logging
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from s2s.config import Config, StopMetric
from s2s.data.batching import Batch, batch_indices, read_batch
from s2s.data.store import TokenStore
from s2s.errors import CheckpointError, Interrupted, TrainingError
from s2s.files import write_text
from s2s.models.loss import perplexity
from s2s.models.seq2seq import Seq2Seq
from s2s.runs import RunFolder
from s2s.training.checkpoint import (
    checkpoint_path,
    checkpoints,
    load_checkpoint,
    load_optimizer,
    load_weights,
    model_tensors,
    optimizer_tensors,
    save_checkpoint,
    weights_path,
    with_prefix,
    without_prefix,
)
from s2s.training.optim import Plateau, WeightAverage, build_optimizer, learning_rate

_logger = logging.getLogger(__name__)


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        step: updates made, and steps skipped for a loss that was not finite.
        epoch: passes over the corpus completed.
        position: batches of this epoch used.
        elapsed_s: seconds of training over all starts, validation included.
        window_nats: summed loss since the last line of metrics.
        window_tokens: target tokens since then.
        window_s: seconds since then.
        num_bad_steps: steps in a row that were skipped for a loss or gradient that was not finite.
        best_score: best value of the stop metric (higher is better; a loss counts negative).
        best_step: step of `best_score`.
        num_waited: validations since then.
    """

    step: int = 0
    epoch: int = 0
    position: int = 0
    elapsed_s: float = 0.0
    window_nats: float = 0.0
    window_tokens: int = 0
    window_s: float = 0.0
    num_bad_steps: int = 0
    best_score: float = -math.inf
    best_step: int = -1
    num_waited: int = 0
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
        loss_nats: cross-entropy a target token.
        bleu: of greedy translations, 0 to 100.
    """

    loss_nats: float
    bleu: float


class Trainer:
    """Trains a model into a run folder, from wherever the folder stands."""

    def __init__(
        self,
        model: Seq2Seq,
        source: TokenStore,
        target: TokenStore,
        validate: Callable[[], Validation],
        run: RunFolder,
        config: Config,
        device: torch.device,
        autocast: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        self.model, self.source, self.target = model, source, target
        self.measure, self.run_folder, self.config = validate, run, config
        self.device, self.autocast = device, autocast
        parameters = list(model.parameters())
        self.optimizer = build_optimizer(parameters, config.optim)
        self.average = WeightAverage(parameters, config.optim.ema_decay) if config.optim.ema_decay else None
        self.progress = Progress()
        self._ticked_s = time.perf_counter()

    def run(self) -> str:
        """Train until there is a reason to end; returns the reason.

        Raises:
            Interrupted: after SIGINT or SIGTERM, everything saved.
            TrainingError: the loss is no longer a number; the last good checkpoint is still there.
        """
        training = self.config.training
        self._ticked_s = time.perf_counter()
        with _stop_signals() as stop, self._progress_bar() as bar:
            for batch in self._batches():
                self.step(batch)
                bar.update()
                if self._is_due(training.log_every):
                    bar.set_postfix_str(self._log())
                    bar.total = self._expected_steps()
                reason = self.reason_to_end()
                if self._is_due(training.validate_every) or reason:
                    self._validate()
                    reason = reason or self.reason_to_end()
                if self._is_due(training.save_every) or reason or stop:
                    self.save()
                if reason:
                    return reason
                if stop:
                    raise Interrupted(
                        stop[0], f"stopped at step {self.progress.step}, all saved; the same command goes on"
                    )
        raise AssertionError("batches never end")

    def reason_to_end(self) -> str | None:
        """Why the run should end now, or None."""
        training, progress = self.config.training, self.progress
        if progress.step >= training.max_steps:
            return f"training.max_steps={training.max_steps} reached"
        if training.max_minutes is not None and progress.elapsed_s >= 60 * training.max_minutes:
            return f"training.max_minutes={training.max_minutes:g} reached"
        if progress.num_waited >= training.patience:
            metric = training.stop_metric.name
            return f"no better {metric} in training.patience={training.patience} validations"
        return None

    def _batches(self) -> Iterator[Batch]:
        """Batches from where the run stands, epoch after epoch; `progress` moves before a batch is handed out."""
        lengths, budget = (self.source.lengths, self.target.lengths), self.config.training.batch_tokens
        while True:
            epoch = batch_indices(*lengths, batch_tokens=budget, seed=self.config.seed, epoch=self.progress.epoch)
            for indices in epoch[self.progress.position :]:
                self.progress.position += 1
                yield read_batch(self.source, self.target, indices).to(self.device)
            self.progress.epoch, self.progress.position = self.progress.epoch + 1, 0

    def step(self, batch: Batch) -> None:
        """One update of the weights: loss, gradients, clipping, optimizer, average."""
        optim, progress = self.config.optim, self.progress
        self.model.train()
        with self.autocast():
            loss = self.model.loss(batch, optim.label_smoothing)
        (loss.smoothed_nats / batch.num_tokens).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), optim.max_grad_norm or math.inf)
        progress.step += 1
        if self._is_finite(norm, loss.loss_nats):
            self._set_learning_rate()
            self.optimizer.step()
            if self.average is not None:
                self.average.update(progress.step)
            progress.window_nats += float(loss.loss_nats)
            progress.window_tokens += batch.num_tokens
        self.optimizer.zero_grad()
        progress.window_s += self._tick_s()

    def _is_finite(self, norm: Tensor, loss_nats: Tensor) -> bool:
        """Whether a step may be taken; too many in a row that may not are an error."""
        if math.isfinite(float(norm)) and math.isfinite(float(loss_nats)):
            self.progress.num_bad_steps = 0
            return True
        self.progress.num_bad_steps += 1
        limit = self.config.training.max_bad_steps
        if self.progress.num_bad_steps > limit:
            raise TrainingError(
                f"loss or gradient was not finite in {limit + 1} steps in a row, up to step {self.progress.step}; the "
                f"last good checkpoint is in {self.run_folder.last}: lower optim.learning_rate or optim.max_grad_norm"
            )
        return False

    def _set_learning_rate(self) -> None:
        optim = self.config.optim
        rate = learning_rate(
            self.progress.step,
            highest=optim.learning_rate,
            schedule=optim.schedule,
            warmup_steps=optim.warmup_steps,
            decay_steps=optim.decay_steps or self.config.training.max_steps,
            plateau_scale=self.progress.plateau.scale,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _validate(self) -> None:
        """Score the dev set with the averaged weights, and keep them where they are the best so far."""
        progress, training = self.progress, self.config.training
        if self.average is not None:
            self.average.swap()
        self.model.eval()
        result = self.measure()
        score = result.bleu if training.stop_metric is StopMetric.bleu else -result.loss_nats
        progress.num_waited += 1
        if score > progress.best_score:
            progress.best_score, progress.best_step, progress.num_waited = score, progress.step, 0
            kept = {"step": progress.step, "dev_loss_nats": result.loss_nats, "dev_bleu": result.bleu}
            save_checkpoint(weights_path(self.run_folder), with_prefix("model", model_tensors(self.model)), kept)
        if self.average is not None:
            self.average.swap()
        optim = self.config.optim
        progress.plateau.update(result.loss_nats, factor=optim.plateau_factor, patience=optim.plateau_patience)
        self._tick_s()
        self._write_metrics(
            kind="dev", loss_nats=result.loss_nats, perplexity=perplexity(result.loss_nats), bleu=result.bleu
        )

    def _log(self) -> str:
        """Write a line of training metrics; returns it short, for the progress bar."""
        progress = self.progress
        loss_nats = progress.window_nats / progress.window_tokens if progress.window_tokens else math.nan
        tokens_per_s = progress.window_tokens / max(progress.window_s, 1e-9)
        rate = self.optimizer.param_groups[0]["lr"]
        self._write_metrics(
            kind="train", loss_nats=loss_nats, learning_rate=rate, target_tokens_per_s=round(tokens_per_s)
        )
        progress.window_nats, progress.window_tokens, progress.window_s = 0.0, 0, 0.0
        return f"loss {loss_nats:.3f}, {tokens_per_s:,.0f} target tokens/s"

    def _write_metrics(self, **values: Any) -> None:
        progress = self.progress
        record = {"step": progress.step, "epoch": progress.epoch, **values, "elapsed_s": round(progress.elapsed_s, 3)}
        # JSON has no NaN: a window whose steps were all skipped, or a model gone astray, has no loss.
        finite = {key: None if value != value or value == math.inf else value for key, value in record.items()}
        with open(self.run_folder.metrics, "a", encoding="utf-8") as file:
            file.write(json.dumps(finite, allow_nan=False) + "\n")

    def save(self) -> None:
        """Write a checkpoint, then drop the oldest ones beyond `training.keep`."""
        tensors = with_prefix("model", model_tensors(self.model))
        tensors |= with_prefix("optimizer", optimizer_tensors(self.optimizer))
        if self.average is not None:
            names = model_tensors(self.model)
            tensors |= with_prefix("average", dict(zip(names, self.average.averages, strict=True)))
        tensors |= {"random.cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            tensors |= {"random.cuda": torch.cuda.get_rng_state(self.device)}
        save_checkpoint(checkpoint_path(self.run_folder, self.progress.step), tensors, self.progress.to_json())
        for path in checkpoints(self.run_folder)[self.config.training.keep :]:
            path.unlink()

    def resume(self) -> bool:
        """Go back to the newest checkpoint that is whole; False where there is none yet.

        Raises:
            CheckpointError: there are some, and none is whole.
        """
        found = checkpoints(self.run_folder)
        for path in found:
            try:
                tensors, state = load_checkpoint(path)
            except CheckpointError as error:
                path.rename(path.with_suffix(".damaged"))  # kept for a look, and out of the way of the ones to come
                _logger.warning("warning: %s; set aside as %s.damaged, trying the one before", error, path.stem)
                continue
            self._restore(tensors, state, path)
            return True
        if found:
            raise CheckpointError(
                f"{self.run_folder.last}: none of the {len(found)} checkpoints can be read (they are set aside as "
                "*.damaged): restore one from a copy, or give the same command again to start from the beginning"
            )
        self._rewind_metrics()
        return False

    def _restore(self, tensors: dict[str, Tensor], state: dict[str, Any], path: Path) -> None:
        load_weights(self.model, without_prefix("model", tensors), path)
        load_optimizer(self.optimizer, without_prefix("optimizer", tensors))
        if self.average is not None:
            averages = without_prefix("average", tensors)
            self.average.averages = [averages[name].to(self.device) for name in model_tensors(self.model)]
        torch.set_rng_state(tensors["random.cpu"])
        if self.device.type == "cuda" and "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"], self.device)
        self.progress = Progress.from_json(state)
        self._rewind_metrics()

    def _rewind_metrics(self) -> None:
        """Drop lines of steps after the checkpoint, and a last line that was cut: those steps will be taken again."""
        if not self.run_folder.metrics.exists():
            return
        kept, text = [], self.run_folder.metrics.read_text(encoding="utf-8")
        for line in text.split("\n")[:-1]:
            try:
                if json.loads(line)["step"] <= self.progress.step:
                    kept.append(f"{line}\n")
            except (ValueError, KeyError, TypeError):
                continue
        if "".join(kept) != text:
            write_text(self.run_folder.metrics, "".join(kept))

    def _tick_s(self) -> float:
        """Seconds since the last tick, which are added to the time that the run has taken."""
        now_s = time.perf_counter()
        seconds, self._ticked_s = now_s - self._ticked_s, now_s
        self.progress.elapsed_s += seconds
        return seconds

    def _is_due(self, every: int) -> bool:
        return self.progress.step % every == 0

    def _expected_steps(self) -> int:
        """Steps that the limits allow at the present speed."""
        training, progress = self.config.training, self.progress
        if training.max_minutes is None:
            return training.max_steps
        return min(training.max_steps, math.ceil(progress.step * 60 * training.max_minutes / progress.elapsed_s))

    def _progress_bar(self) -> "tqdm[Any]":
        """Step, loss, speed and time left; silent when stderr is not a terminal."""
        return tqdm(
            total=self.config.training.max_steps,
            initial=self.progress.step,
            desc="training",
            unit="step",
            dynamic_ncols=True,
            disable=None,
        )


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """A list that SIGINT or SIGTERM adds itself to, for the loop to look at; a second signal stops at once."""
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if received:
            raise Interrupted(number, "stopped at once, at the second signal; the last checkpoint is still there")
        received.append(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
