"""The training loop, on one screen (`Trainer.run`), and the steps that it is made of.

Everything that decides the next loss is in the checkpoint: weights, optimizer, average, random states, and `Progress`.
So a run that was stopped, by whatever, goes on as if nothing had happened.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from s2s.config.optim import OptimConfig
from s2s.config.options import flatten
from s2s.config.training import MEASURES_OF, Config, Task
from s2s.data.token_store import TokenStore
from s2s.distributed import Ranks
from s2s.errors import CheckpointError, DamagedCheckpointError, Interrupted, TrainingError
from s2s.files import flush
from s2s.models.model import Model, perplexity
from s2s.runs.checkpoint import (
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
from s2s.runs.folder import RunFolder
from s2s.runs.metrics import rewind_metrics, write_metrics
from s2s.training.optim import Plateau, WeightAverage, build_optimizer, clipped_step, learning_rate
from s2s.training.parallel_loss import ParallelLoss
from s2s.training.progress import Progress, Validation
from s2s.training.random_state import random_state, seed_rank, set_random_state
from s2s.training.signals import stop_signals
from s2s.training.tensorboard import EventWriter
from s2s.training.updates import Recut, Update, Updates

_logger = logging.getLogger(__name__)
_LOOK_EVERY = {"cpu": 1, "cuda": 25}
"""Steps between two looks at what the device has counted: a look makes a GPU wait for the host."""


class Trainer:
    """Trains a model into a run folder, from wherever the folder stands."""

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
        recut: Recut | None = None,
    ) -> None:
        self.model, self.measure, self.run_folder, self.config = model, validate, run, config
        self.device, self.autocast, self.ranks = device, autocast, ranks
        training = config.training
        self.updates = Updates(
            source,
            target,
            training.batch_tokens,
            training.accumulate,
            config.seed,
            ranks,
            device,
            recut,
            batch_size=training.batch_size,
            is_labelled=config.task is Task.classify,
        )
        self.loss = ParallelLoss(model, ranks)
        self.parameters = list(model.parameters())
        self.optimizer = build_optimizer(self.parameters, config.optim)
        self.average = WeightAverage(self.parameters, config.optim.ema_decay) if config.optim.ema_decay else None
        self.progress = Progress()
        self._window = torch.zeros(2, dtype=torch.float64, device=device)  # nats and tokens of this rank
        self._bad = torch.zeros(2, device=device)  # bad steps in a row, and in all
        self._events: EventWriter | None = None
        self._ticked_s = time.perf_counter()

    def run(self) -> str:
        """Train until there is a reason to end; returns the reason.

        Raises:
            Interrupted: after SIGINT or SIGTERM, everything saved.
            TrainingError: the loss is no longer a number; the last good checkpoint is still there.
        """
        training, progress = self.config.training, self.progress
        self._ticked_s = time.perf_counter()
        with stop_signals() as received, self._progress_bar() as bar, self._event_writer():
            for update in self.updates.starting_at(progress.epoch, progress.position):
                self.step(update)
                bar.update()
                if not self._is_time_to_look():
                    continue
                self._count_bad_steps()
                stop_signal = self._agree(received)
                if self._is_due(training.log_every):
                    bar.set_postfix_str(self._log())
                    bar.total = self._expected_steps()
                reason = self.reason_to_end()
                if self._is_due(training.validate_every) or reason:
                    self._validate()
                    stop_signal = self._agree(received)
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
        """One update of the weights: loss, gradients, clipping, optimizer, average. No host waits for a GPU here."""
        progress, optim = self.progress, self.config.optim
        self.model.train()
        nats = self._gradients_in_memory(update)
        progress.step, progress.epoch, progress.position = progress.step + 1, update.epoch, update.position
        self._set_learning_rate()
        is_bad = clipped_step(self.optimizer, self.parameters, nats, optim.max_grad_norm, self.ranks.sum)
        if self.average is not None:
            self.average.update(progress.step)
        self.optimizer.zero_grad()
        self._bad = torch.stack([(self._bad[0] + 1) * is_bad, self._bad[1] + is_bad])
        num_tokens = update.num_tokens if self.ranks.is_first else 0
        self._window += torch.stack([nats.double().where(~is_bad, 0), (~is_bad) * float(num_tokens)])

    def _gradients_in_memory(self, update: Update) -> Tensor:
        """The gradients of an update, in batches small enough for the memory there is; returns this rank's loss."""
        while True:
            try:
                return self._gradients(update)
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
            self._report_halving(update)

    def _gradients(self, update: Update) -> Tensor:
        """Add up the gradients of the mean loss a target token; returns the summed loss of this rank's share."""
        nats = torch.zeros((), device=self.device)
        for index, (batch, is_counted) in enumerate(zip(update.batches, update.is_counted, strict=True)):
            # Ranks exchange gradients once an update, in the last backward pass.
            with self._alone(index + 1 < len(update.batches)):
                with self.autocast():
                    smoothed_nats, loss_nats = self.loss(batch, self.config.optim.label_smoothing)
                (smoothed_nats * (is_counted / update.num_tokens)).backward()
            nats += loss_nats * is_counted
        return nats

    def _alone(self, is_alone: bool) -> AbstractContextManager[Any]:
        return self.loss.alone() if is_alone else nullcontext()

    def _report_halving(self, update: Update) -> None:
        pairs = max(len(batch.source_BS) for batch in update.batches)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        _logger.warning(
            "warning: out of memory in step %d; its batches are halved to %d pairs at most. Lower "
            "training.batch_tokens if this comes often",
            self.progress.step + 1,
            pairs,
        )
        self._write_metrics(step=self.progress.step + 1, kind="event", event="out of memory", pairs=pairs)

    def _is_time_to_look(self) -> bool:
        """Whether something may be due; a function of the step, so that all ranks look at the same time."""
        training, progress = self.config.training, self.progress
        periods = _LOOK_EVERY[self.device.type], training.log_every, training.validate_every, training.save_every
        return any(map(self._is_due, periods)) or progress.step >= training.max_steps or progress.position == 0

    def _agree(self, received: list[int]) -> int:
        """Agree with the other ranks on the time that has passed and on the signal to stop for; 0 if there is none."""
        seconds = self._tick_s()
        self.progress.window_s += seconds
        number = received[0] if received else 0
        agreed_number, self.progress.elapsed_s = self.ranks.largest([number, self.progress.elapsed_s + seconds])
        return int(agreed_number)

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
                "resume.reset_optimizer=true"
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

    def _validate(self) -> None:
        """Score the dev set with the averaged weights, and keep them where they are the best so far."""
        progress = self.progress
        if self.average is not None:
            self.average.swap()
        self.model.eval()
        result = self.ranks.from_first(self.measure)
        score = result.score(self.config.training.stop_metric)
        progress.num_waited += 1
        if score > progress.best_score:
            progress.best_score, progress.best_step, progress.num_waited = score, progress.step, 0
            self._keep_as_best(result)
        if self.average is not None:
            self.average.swap()
        optim = self.config.optim
        progress.plateau.update(result.loss_nats, factor=optim.plateau_factor, patience=optim.plateau_patience)
        progress.elapsed_s += self._tick_s()  # not part of the window, whose speed is that of training
        self._write_metrics(
            kind="dev", loss_nats=result.loss_nats, perplexity=perplexity(result.loss_nats), **result.scores
        )

    def _keep_as_best(self, result: Validation) -> None:
        if self.ranks.is_first:
            scores = {f"dev_{name}": score for name, score in result.scores.items()}
            kept = {"step": self.progress.step, "dev_loss_nats": result.loss_nats, **scores}
            save_checkpoint(weights_path(self.run_folder), with_prefix("model", model_tensors(self.model)), kept)

    def _log(self) -> str:
        """Write a line of training metrics; returns it short, for the progress bar."""
        progress = self.progress
        self._read_window()
        loss_nats = progress.window_nats / progress.window_tokens if progress.window_tokens else math.nan
        units = f"{MEASURES_OF[self.config.task].unit}s"
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
            write_metrics(self.run_folder.metrics, record)
            if self._events is not None:
                self._events.write(record)

    @contextmanager
    def _event_writer(self) -> Iterator[None]:
        """A block in which the metrics become TensorBoard events too, where that was asked for."""
        if self.config.training.tensorboard and self.ranks.is_first:
            self._events = EventWriter(self.run_folder.tensorboard, self.progress.step + 1)
        try:
            yield
        finally:
            if self._events is not None:
                self._events.close()

    def save(self) -> None:
        """Write a checkpoint, then drop the oldest ones beyond `training.keep`."""
        self._read_window()
        random_states = self.ranks.gather(random_state(self.device))
        if not self.ranks.is_first:
            return
        tensors = with_prefix("model", model_tensors(self.model))
        tensors |= with_prefix("optimizer", optimizer_tensors(self.optimizer))
        if self.average is not None:
            names = model_tensors(self.model)
            tensors |= with_prefix("average", dict(zip(names, self.average.averages, strict=True)))
        for rank, (of_torch, _) in enumerate(random_states):
            tensors |= with_prefix(f"random.{rank}", of_torch)
        state = {
            "progress": self.progress.to_json(),
            "optim": flatten(self.config.optim),
            "random": [of_python for _, of_python in random_states],
        }
        if self.run_folder.metrics.exists():
            flush(self.run_folder.metrics)  # no line is lost that the checkpoint takes as written
        save_checkpoint(checkpoint_path(self.run_folder, self.progress.step), tensors, state)
        for path in checkpoints(self.run_folder)[self.config.training.keep :]:
            path.unlink()

    def resume(self) -> bool:
        """Go back to the newest checkpoint that is whole; False where there is none yet.

        With several ranks, all read the same file.

        Raises:
            CheckpointError: there are some, and none is whole.
        """
        name = self.ranks.from_first(self._newest_whole_checkpoint)
        if name is not None:
            path = self.run_folder.last / name
            self._restore(*load_checkpoint(path), path)
        elif self.ranks.rank > 0:
            seed_rank(self.config.seed, self.ranks.rank, 0)
        if self.ranks.is_first:
            rewind_metrics(self.run_folder.metrics, self.progress.step)
        return name is not None

    def _newest_whole_checkpoint(self) -> str | None:
        found = checkpoints(self.run_folder)
        for path in found:
            try:
                load_checkpoint(path)
                return path.name
            except DamagedCheckpointError as error:
                path.rename(path.with_suffix(".damaged"))  # kept for a look, and out of the way of the ones to come
                _logger.warning("warning: %s; set aside as %s.damaged, trying the one before", error, path.stem)
        if found:
            raise CheckpointError(
                f"{self.run_folder.last}: none of the {len(found)} checkpoints can be read (they are set aside as "
                "*.damaged): restore one from a copy, or give the same command again to start from the beginning"
            )
        return None

    def _restore(self, tensors: dict[str, Tensor], state: dict[str, Any], path: Path) -> None:
        load_weights(self.model, without_prefix("model", tensors), path)
        self.progress = Progress.from_json(state["progress"])
        if self.average is not None:
            averages = without_prefix("average", tensors) or model_tensors(self.model)
            self.average.averages = [
                averages[name].detach().clone().to(self.device) for name in model_tensors(self.model)
            ]
        if {**flatten(OptimConfig()), **state["optim"]} == flatten(self.config.optim):  # options that are new: defaults
            load_optimizer(self.optimizer, without_prefix("optimizer", tensors))
        else:
            self.progress.schedule_start, self.progress.plateau = self.progress.step, Plateau()
            _logger.info("the optimizer and its schedule begin anew at step %d", self.progress.step)
        if self.ranks.rank < len(state["random"]):
            rank = self.ranks.rank
            set_random_state(without_prefix(f"random.{rank}", tensors), state["random"][rank], self.device)
        else:
            seed_rank(self.config.seed, self.ranks.rank, self.progress.step)
        progress, is_first = self.progress, self.ranks.is_first
        self._window = torch.tensor(
            [progress.window_nats * is_first, progress.window_tokens * is_first], dtype=torch.float64
        ).to(self.device)
        self._bad = torch.tensor([progress.num_bad_steps, progress.num_skipped_steps], dtype=torch.float32).to(
            self.device
        )

    def _tick_s(self) -> float:
        """Seconds since the last tick."""
        now_s = time.perf_counter()
        seconds, self._ticked_s = now_s - self._ticked_s, now_s
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
            total=self.config.training.max_steps if self.config.training.max_minutes is None else None,  # see `run`
            initial=self.progress.step,
            desc="training",
            unit="step",
            dynamic_ncols=True,
            disable=None if self.ranks.is_first else True,
        )
