"""The training loop, on one screen (`Trainer.run`), and the steps that it consists of."""

import logging
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from s2s.config.training import MEASURES_OF, Config
from s2s.data.batching import pair_batch
from s2s.data.token_store import TokenStore
from s2s.distributed import Ranks
from s2s.errors import Interrupted, TrainingError
from s2s.files import flush
from s2s.models.model import Model, perplexity
from s2s.runs.checkpoint import checkpoint_path, checkpoints, model_tensors, save_checkpoint, weights_path, with_prefix
from s2s.runs.folder import RunFolder
from s2s.runs.metrics import append_metrics, truncate_metrics
from s2s.training.display import TrainingDisplay
from s2s.training.optim import WeightAverage, build_optimizer, clipped_step, learning_rate
from s2s.training.parallel_loss import ParallelLoss
from s2s.training.progress import Progress, Validation
from s2s.training.random_state import random_state, seed_rank
from s2s.training.resuming import load_newest, load_training, save_training
from s2s.training.signals import deferred_signals
from s2s.training.tensorboard import EventWriter
from s2s.training.updates import Resample, ToBatch, Update, Updates

_logger = logging.getLogger(__name__)
_SYNC_EVERY = {"cpu": 1, "cuda": 25}
"""Steps between two times at which the host reads counts from the device, for which it has to wait for a GPU."""


class Trainer:
    """Trains a model into a run folder, from the state that the folder holds."""

    def __init__(
        self,
        model: Model,
        source: TokenStore,
        target: TokenStore,
        validate: Callable[[], Validation],
        run: RunFolder,
        config: Config,
        device: torch.device,
        autocast: Callable[[], AbstractContextManager[Any]],
        *,
        ranks: Ranks = Ranks(),  # noqa: B008 - immutable
        to_batch: ToBatch = pair_batch,
        resample: Resample | None = None,
    ) -> None:
        self.model, self.validate, self.run_folder, self.config = model, validate, run, config
        self.device, self.autocast, self.ranks = device, autocast, ranks
        training = config.training
        self.updates = Updates(
            source,
            target,
            to_batch,
            training.batch_tokens,
            training.batch_size,
            training.accumulate,
            resample,
            config.seed,
            ranks,
            device,
        )
        self.loss = ParallelLoss(model, ranks)
        self.parameters = list(model.parameters())
        self.optimizer = build_optimizer(self.parameters, config.optim)
        self.average = WeightAverage(self.parameters, config.optim.ema_decay) if config.optim.ema_decay else None
        self.progress = Progress()
        self._window = torch.zeros(2, dtype=torch.float64, device=device)  # nats and tokens of this rank
        self._bad = torch.zeros(2, device=device)  # bad steps in a row, and in all
        self._events: EventWriter | None = None
        self._display: TrainingDisplay | None = None
        self._clock_s = time.perf_counter()

    def run(self) -> str:
        """Train until there is a reason to end; returns the reason.

        Raises:
            Interrupted: after SIGINT or SIGTERM, everything saved.
            TrainingError: the loss is not a number any more; the last good checkpoint is still there.
        """
        training, progress = self.config.training, self.progress
        self._clock_s = time.perf_counter()
        with deferred_signals() as received, self._shown() as self._display, self._event_writer() as self._events:
            for update in self.updates.starting_at(progress.epoch, progress.position):
                self.step(update)
                self._display.step()
                if not self._is_sync_due():
                    continue
                self._count_bad_steps()
                stop_signal = self._synchronize(received)
                if self._is_due(training.log_every):
                    self._display.logged(self._log())
                reason = self.reason_to_end()
                if self._is_due(training.validate_every) or reason:
                    self._validate_and_keep_best()
                    stop_signal = self._synchronize(received)
                    reason = reason or self.reason_to_end()  # once all ranks have the same time
                if self._is_due(training.save_every) or reason or stop_signal:
                    self.save()
                if stop_signal:
                    message = f"stopped at step {progress.step}, all saved; the same command goes on"
                    raise Interrupted(stop_signal, message)
                if reason:
                    return reason
        raise AssertionError("updates never end")

    def reason_to_end(self) -> str | None:
        """Why the run should end now, or None."""
        training, progress = self.config.training, self.progress
        if progress.step >= training.max_steps:
            return f"training.max_steps={training.max_steps} reached"
        if training.max_epochs is not None and progress.epoch >= training.max_epochs:
            return f"training.max_epochs={training.max_epochs} reached"
        if training.max_minutes is not None and progress.elapsed_s >= 60 * training.max_minutes:
            return f"training.max_minutes={training.max_minutes:g} reached"
        if progress.num_waited >= training.patience:
            metric = training.stop_metric.name
            return f"no better {metric} in training.patience={training.patience} validations"
        return None

    def step(self, update: Update) -> None:
        """One update of the weights: loss, gradients, clipping, optimizer, average. The host never waits for a GPU."""
        progress, optim = self.progress, self.config.optim
        self.model.train()
        nats = self._backward_in_memory(update)
        progress.step, progress.epoch, progress.position = progress.step + 1, update.epoch, update.position
        self._set_learning_rate()
        is_bad = clipped_step(self.optimizer, self.parameters, nats, optim.max_grad_norm, self.ranks.sum)
        if self.average is not None:
            self.average.update(progress.step)
        self.optimizer.zero_grad()
        self._bad = torch.stack([(self._bad[0] + 1) * is_bad, self._bad[1] + is_bad])
        num_tokens = update.num_tokens if self.ranks.is_first else 0
        self._window += torch.stack([nats.double().where(~is_bad, 0), (~is_bad) * float(num_tokens)])

    def _backward_in_memory(self, update: Update) -> Tensor:
        """`backward`, in batches that are halved until they fit into memory."""
        while True:
            try:
                return self.backward(update)
            except torch.OutOfMemoryError as error:
                largest = max(len(batch.source_BS) for batch in update.batches)
                if largest == 1 or self.ranks.size > 1:
                    pairs = f"{largest} pairs" if largest > 1 else "a single pair"
                    raise TrainingError(
                        f"out of memory in step {self.progress.step + 1}, with {pairs} at once on each of "
                        f"{self.ranks.size} devices; begin a new run with a lower training.batch_tokens (and a higher "
                        f"training.accumulate) or training.max_pieces, with init_from={self.run_folder.path} to start "
                        "from what was learnt so far"
                    ) from error
            update = update.halves()  # out of the except block, which holds on to the memory of the failed pass
            self.optimizer.zero_grad()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            step, num_pairs = self.progress.step + 1, max(len(batch.source_BS) for batch in update.batches)
            _logger.warning(
                "warning: out of memory in step %d; its batches are halved to %d pairs at most. Lower "
                "training.batch_tokens if this comes often",
                step,
                num_pairs,
            )
            self.progress.deviation = f"its batches were halved to fit into memory in step {step:,}"
            self._write_metrics(step=step, kind="event", event="out of memory", pairs=num_pairs)

    def backward(self, update: Update) -> Tensor:
        """Add the gradients of the mean loss per target token; returns the summed loss of this rank's share in nats."""
        nats = torch.zeros((), device=self.device)
        last = len(update.batches) - 1
        for index, (batch, is_counted) in enumerate(zip(update.batches, update.is_counted, strict=True)):
            # Ranks exchange gradients once per update, in the last backward pass.
            with nullcontext() if index == last else self.loss.no_sync():
                with self.autocast():
                    smoothed_nats, loss_nats = self.loss(batch, self.config.optim.label_smoothing)
                (smoothed_nats * (is_counted / update.num_tokens)).backward()
            nats += loss_nats * is_counted
        return nats

    def _is_due(self, every: int) -> bool:
        return self.progress.step % every == 0

    def _is_sync_due(self) -> bool:
        """Whether anything else may be due; a function of the step, so that all ranks agree."""
        training, progress = self.config.training, self.progress
        periods = _SYNC_EVERY[self.device.type], training.log_every, training.validate_every, training.save_every
        return any(map(self._is_due, periods)) or progress.step >= training.max_steps or progress.position == 0

    def _synchronize(self, received: list[int]) -> int:
        """Agree with the other ranks on the time that has passed and on the signal to stop for; 0 if there is none."""
        seconds = self._lap_s()
        self.progress.window_s += seconds
        number = received[0] if received else 0
        agreed_number, self.progress.elapsed_s = self.ranks.largest([number, self.progress.elapsed_s + seconds])
        return int(agreed_number)

    def _lap_s(self) -> float:
        """Seconds since the last call."""
        before_s, self._clock_s = self._clock_s, time.perf_counter()
        return self._clock_s - before_s

    def _count_bad_steps(self) -> None:
        """Read from the device how many steps were skipped.

        Raises:
            TrainingError: too many in a row.
        """
        limit, progress = self.config.training.max_bad_steps, self.progress
        progress.num_bad_steps, progress.num_skipped_steps = (int(count) for count in self._bad.tolist())
        if progress.num_bad_steps > limit:
            raise TrainingError(
                f"loss or gradient was not finite in {progress.num_bad_steps} steps in a row, up to step "
                f"{progress.step}; {progress.num_skipped_steps} were skipped in all. The last good checkpoint is in "
                f"{self.run_folder.last}: lower optim.learning_rate or optim.max_grad_norm, and add "
                "training.reset_optimizer=true"
            )

    def _set_learning_rate(self) -> None:
        optim = self.config.optim
        rate = learning_rate(
            self.progress.step - self.progress.schedule_start,
            highest=optim.learning_rate,
            schedule=optim.schedule,
            warmup_steps=optim.warmup_steps,
            decay_steps=optim.decay_steps or self.config.training.max_steps,
            plateau_scale=self.progress.plateau.scale,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _validate_and_keep_best(self) -> None:
        """Score the dev set with the averaged weights, and keep them if they are the best so far."""
        progress, optim = self.progress, self.config.optim
        if self.average is not None:
            self.average.swap()
        self.model.eval()
        result = self.ranks.from_first(self.validate)
        score = result.score(self.config.training.stop_metric)
        progress.num_waited += 1
        if score > progress.best_score:
            progress.best_score, progress.best_step, progress.num_waited = score, progress.step, 0
            if self.ranks.is_first:
                scores = {f"dev_{name}": value for name, value in result.scores.items()}
                state = {"step": progress.step, "dev_loss_nats": result.loss_nats, **scores, **result.kept}
                save_checkpoint(weights_path(self.run_folder), with_prefix("model", model_tensors(self.model)), state)
        if self.average is not None:
            self.average.swap()
        progress.plateau.update(result.loss_nats, factor=optim.plateau_factor, patience=optim.plateau_patience)
        progress.elapsed_s += self._lap_s()  # not part of the window, whose speed is that of training
        self._write_metrics(
            kind="dev", loss_nats=result.loss_nats, perplexity=perplexity(result.loss_nats), **result.scores
        )
        if self._display is not None:
            self._display.validated(result)

    def _log(self) -> str:
        """Write a line of training metrics; returns a short form for the progress bar."""
        progress = self.progress
        self._read_window()
        loss_nats = progress.window_nats / progress.window_tokens if progress.window_tokens else math.nan
        units = f"{MEASURES_OF[self.config.task].loss_unit}s"
        tokens_per_s = progress.window_tokens / max(progress.window_s, 1e-9)
        self._write_metrics(
            kind="train",
            loss_nats=loss_nats,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            skipped_steps=progress.num_skipped_steps,
            **{f"{units.replace(' ', '_')}_per_s": round(tokens_per_s)},
        )
        progress.window_nats, progress.window_tokens, progress.window_s = 0.0, 0, 0.0
        self._window.zero_()
        return f"loss {loss_nats:.3f}, {tokens_per_s:,.0f} {units}/s"

    def _read_window(self) -> None:
        nats, num_tokens = self.ranks.sum(self._window).tolist()
        self.progress.window_nats, self.progress.window_tokens = nats, int(num_tokens)

    def _write_metrics(self, **values: Any) -> None:
        if self.ranks.is_first:
            progress = self.progress
            record = {"step": progress.step, "epoch": progress.epoch, **values}
            record["elapsed_s"] = round(progress.elapsed_s, 3)
            append_metrics(self.run_folder.metrics, record)
            if self._events is not None:
                self._events.write(record)

    def _event_writer(self) -> AbstractContextManager[EventWriter | None]:
        """A block with a writer of TensorBoard events, if training.tensorboard is set."""
        if not (self.config.training.tensorboard and self.ranks.is_first):
            return nullcontext()
        return closing(EventWriter(self.run_folder.tensorboard, self.progress.step + 1))

    def save(self) -> None:
        """Write a checkpoint, then delete the oldest ones beyond `training.keep`."""
        self._read_window()
        random_states = self.ranks.gather(random_state(self.device))
        if not self.ranks.is_first:
            return
        run, progress = self.run_folder, self.progress
        if run.metrics.exists():
            flush(run.metrics)  # no line is lost that the checkpoint takes as written
        path = checkpoint_path(run, progress.step)
        save_training(path, self.model, self.optimizer, self.average, progress, self.config, random_states)
        for old in checkpoints(run)[self.config.training.keep :]:
            old.unlink()

    def resume(self) -> bool:
        """Return to the newest undamaged checkpoint; False if there are no checkpoints yet.

        With several ranks, all read the same file.

        Raises:
            CheckpointError: all checkpoints are damaged, or of another model.
        """
        config, ranks, run = self.config, self.ranks, self.run_folder
        newest = ranks.from_first(partial(load_newest, run, self._load))
        if newest is not None:
            if not ranks.is_first:
                self._load(run.last / newest.name)  # the folder may have another path on another machine
            window = [self.progress.window_nats, self.progress.window_tokens] if ranks.is_first else [0, 0]
            self._window.copy_(torch.tensor(window, dtype=torch.float64))
            self._bad.copy_(torch.tensor([self.progress.num_bad_steps, self.progress.num_skipped_steps]))
        elif ranks.rank > 0:
            seed_rank(config.seed, ranks.rank, 0)
        ranks.from_first(partial(truncate_metrics, run.metrics, self.progress.step))
        return newest is not None

    def _load(self, path: Path) -> None:
        self.progress = load_training(path, self.model, self.optimizer, self.average, self.config, self.ranks)

    def _shown(self) -> TrainingDisplay:
        max_epochs, steps_of_epochs = self.config.training.max_epochs, None
        if max_epochs is not None:
            steps_of_epochs = max_epochs * self.updates.num_in_epoch
        return TrainingDisplay(
            self.config, self.progress, self.run_folder, steps_of_epochs, is_shown=self.ranks.is_first
        )
