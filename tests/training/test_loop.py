import dataclasses
import errno
import itertools
import json
import math
import os
import random
import shutil
import signal
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch

from s2s.config.model import ModelConfig
from s2s.config.optim import OptimConfig, Optimizer, Schedule
from s2s.config.training import Config, StopMetric, TrainingConfig
from s2s.data.batching import Batch, batch_indices, pair_batch
from s2s.data.token_store import TokenStore
from s2s.distributed import Ranks
from s2s.errors import CheckpointError, Interrupted, RunError, TrainingError
from s2s.models.model import Loss
from s2s.models.seq2seq import build_seq2seq
from s2s.runs.checkpoint import checkpoints, load_checkpoint, save_checkpoint, weights_path, without_prefix
from s2s.runs.folder import RunFolder
from s2s.training.loop import Trainer
from s2s.training.progress import Progress, Validation
from s2s.training.random_state import random_state, set_random_state
from s2s.training.updates import Update

VOCABULARY = 13
MODEL = ModelConfig(layers=1, embedding_size=6, hidden_size=8, dropout=0.2)
# Numbers with few common divisors, so that logging, validating, saving and the ends of epochs fall apart.
TRAINING = TrainingConfig(batch_tokens=40, max_steps=17, log_every=3, validate_every=4, save_every=5, keep=2)
OPTIM = OptimConfig(learning_rate=0.01, warmup_steps=3)
CPU = torch.device("cpu")
Steps = Callable[[int], None]
T = TypeVar("T")


def stores(num: int = 40) -> tuple[TokenStore, TokenStore]:
    """A copy task: sentences of one to six words, which the target repeats."""
    generator = np.random.default_rng(3)
    sentences = [generator.integers(4, VOCABULARY, size=1 + index % 6).tolist() for index in range(num)]
    return TokenStore(sentences, VOCABULARY), TokenStore(sentences, VOCABULARY)


def nothing(_: int) -> None:
    pass


def trainer(
    folder: Path,
    *,
    before_step: Steps = nothing,
    validate: Callable[[], Validation] | None = None,
    seed: int = 1,
    model: ModelConfig = MODEL,
    optim: OptimConfig = OPTIM,
    **training: Any,
) -> Trainer:
    """A new trainer, as a new process makes it; `before_step(n)` is called when step n begins."""
    config = Config(seed=seed, model=model, optim=optim, training=dataclasses.replace(TRAINING, **training))
    folder.mkdir(exist_ok=True)
    torch.manual_seed(seed)
    network = build_seq2seq(model, VOCABULARY, VOCABULARY)

    def in_step() -> nullcontext[None]:
        before_step(made.progress.step + 1)
        return nullcontext()

    def measure() -> Validation:
        with torch.no_grad():
            batch = pair_batch([[4, 5, 6], [7]], [[4, 5, 6], [7]])
            loss_nats = float(network.loss(batch).loss_nats) / batch.num_tokens
        return Validation(loss_nats, {"bleu": 100 * math.exp(-loss_nats)})

    made = Trainer(network, *stores(), validate or measure, RunFolder(folder), config, CPU, in_step)
    return made


def resumed(folder: Path, **options: Any) -> Trainer:
    made = trainer(folder, **options)
    made.resume()
    return made


def lines(folder: Path, kind: str | None = None) -> list[dict[str, Any]]:
    """Metrics without times."""
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    for line in found:
        assert line.pop("elapsed_s") >= 0
        line.pop("target_tokens_per_s", None)
    return [line for line in found if kind is None or line["kind"] == kind]


def weights(made: Trainer) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in made.model.named_parameters()}


def assert_same_weights(first: Trainer, second: Trainer) -> None:
    for name, weight in weights(first).items():
        assert torch.equal(weight, weights(second)[name]), name
    assert (first.average is None) == (second.average is None)
    if first.average is not None and second.average is not None:
        pairs = zip(first.average.averages, second.average.averages, strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trainer, Path]:
    """A run that nothing stopped."""
    folder = tmp_path_factory.mktemp("unbroken")
    made = trainer(folder)
    assert made.run() == "training.max_steps=17 reached"
    return made, folder


def assert_as_unbroken(made: Trainer, folder: Path, unbroken: tuple[Trainer, Path]) -> None:
    assert_same_weights(made, unbroken[0])
    assert lines(folder) == lines(unbroken[1])
    untimed = [
        dataclasses.asdict(dataclasses.replace(each.progress, elapsed_s=0, window_s=0)) for each in (made, unbroken[0])
    ]
    assert untimed[0] == untimed[1]


# ----------------------------------------------------------------------------------------------------------------------
# What training is


@pytest.mark.slow
def test_a_copy_task_is_learnt(tmp_path: Path) -> None:
    optim = OptimConfig(learning_rate=0.02, warmup_steps=5, label_smoothing=0.0)
    model = dataclasses.replace(MODEL, embedding_size=16, hidden_size=24, dropout=0.0)
    made = trainer(tmp_path, model=model, optim=optim, max_steps=150, log_every=10, validate_every=150, batch_tokens=90)
    made.run()
    losses = [line["loss_nats"] for line in lines(tmp_path, "train")]
    assert losses[0] == pytest.approx(math.log(VOCABULARY), rel=0.4)
    assert losses[-1] < 0.3 * losses[0]


def test_the_metrics_of_a_run(unbroken: tuple[Trainer, Path]) -> None:
    _, folder = unbroken
    train, dev = lines(folder, "train"), lines(folder, "dev")
    assert [line["step"] for line in train] == [3, 6, 9, 12, 15]
    assert [line["step"] for line in dev] == [4, 8, 12, 16, 17]
    assert list(train[0]) == ["step", "epoch", "kind", "loss_nats", "learning_rate", "skipped_steps"]
    assert list(dev[0]) == ["step", "epoch", "kind", "loss_nats", "perplexity", "bleu"]
    assert train[0]["learning_rate"] == pytest.approx(0.01)  # at the end of warm-up
    assert train[3]["learning_rate"] == pytest.approx(0.01 * math.sqrt(3 / 12))
    assert dev[0]["perplexity"] == pytest.approx(math.exp(dev[0]["loss_nats"]))
    assert train[0]["epoch"] == 0
    assert train[-1]["epoch"] > 0


def test_a_line_of_metrics_is_the_mean_over_its_tokens(tmp_path: Path) -> None:
    made = trainer(tmp_path, max_steps=4, log_every=2)
    seen: list[tuple[float, int]] = []
    loss_of = made.model.loss

    def watched(batch: Any, *options: Any) -> Loss:
        loss = loss_of(batch, *options)
        if made.model.training:
            seen.append((float(loss.loss_nats), batch.num_tokens))
        return loss

    made.model.loss = watched  # type: ignore[method-assign]
    made.run()
    for line, window in zip(lines(tmp_path, "train"), (seen[:2], seen[2:]), strict=True):
        assert line["loss_nats"] == pytest.approx(sum(nats for nats, _ in window) / sum(num for _, num in window))


def test_label_smoothing_changes_what_is_minimised_and_not_what_is_told(tmp_path: Path) -> None:
    for name, smoothing in (("plain", 0.0), ("smooth", 0.3)):
        optim = dataclasses.replace(OPTIM, label_smoothing=smoothing)
        trainer(tmp_path / name, optim=optim, max_steps=2, log_every=1).run()
    plain, smooth = (lines(tmp_path / name, "train") for name in ("plain", "smooth"))
    assert plain[0]["loss_nats"] == smooth[0]["loss_nats"]
    assert plain[1]["loss_nats"] != smooth[1]["loss_nats"]


def test_every_epoch_takes_every_batch_once(tmp_path: Path) -> None:
    made = trainer(tmp_path)
    lengths = made.updates.source.lengths
    num = len(batch_indices(lengths, lengths, batch_tokens=40, seed=1, epoch=0))
    updates = made.updates.starting_at(0, 0)
    first = [next(updates) for _ in range(num)]
    assert [(update.epoch, update.position) for update in first] == [(0, n) for n in range(1, num)] + [(1, 0)]
    assert sum(len(update.batches[0].source_BS) for update in first) == len(made.updates.source)
    following = next(updates)
    assert (following.epoch, following.position) == (1, 1)


def test_gradients_are_scaled_down(tmp_path: Path) -> None:
    """After the first step, Adam's mean of gradients is a tenth of the gradient."""
    norms = {}
    for limit in (0.0, 0.01):
        made = trainer(tmp_path / f"{limit}", optim=dataclasses.replace(OPTIM, max_grad_norm=limit), max_steps=1)
        made.run()
        means = [entry["exp_avg"].flatten() for entry in made.optimizer.state.values()]
        norms[limit] = float(torch.cat(means).norm())
    assert norms[0.01] == pytest.approx(0.1 * 0.01, rel=1e-3)
    assert norms[0.0] > 10 * norms[0.01]


def test_the_same_seed_gives_the_same_losses(tmp_path: Path, unbroken: tuple[Trainer, Path]) -> None:
    again = trainer(tmp_path / "again")
    again.run()
    assert_as_unbroken(again, tmp_path / "again", unbroken)
    trainer(tmp_path / "other", seed=2).run()
    assert lines(tmp_path / "other") != lines(unbroken[1])


def test_logging_and_saving_change_no_loss(tmp_path: Path, unbroken: tuple[Trainer, Path]) -> None:
    made = trainer(tmp_path, log_every=1, save_every=1, keep=7)
    made.run()
    assert_same_weights(made, unbroken[0])


# ----------------------------------------------------------------------------------------------------------------------
# Stopped and gone on with


def send(number: int, at_step: int) -> Steps:
    def before_step(step: int) -> None:
        if step == at_step:
            os.kill(os.getpid(), number)

    return before_step


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("step", [1, 4, 5, 7, 12])
def test_a_signal_saves_and_the_same_command_goes_on(
    tmp_path: Path, unbroken: tuple[Trainer, Path], number: int, exit_code: int, step: int
) -> None:
    before = signal.getsignal(number)
    stopped = trainer(tmp_path, before_step=send(number, step))
    with pytest.raises(Interrupted, match=f"stopped at step {step}, all saved; the same command goes on") as caught:
        stopped.run()
    assert caught.value.exit_code == exit_code
    assert signal.getsignal(number) is before
    again = trainer(tmp_path)
    assert again.resume()
    assert again.progress.step == step
    assert again.run() == "training.max_steps=17 reached"
    assert_as_unbroken(again, tmp_path, unbroken)


def test_a_run_stopped_again_and_again(tmp_path: Path, unbroken: tuple[Trainer, Path]) -> None:
    for step in (2, 3, 6, 7, 11, 16):
        made = resumed(tmp_path, before_step=send(signal.SIGTERM, step))
        with pytest.raises(Interrupted):
            made.run()
    made = resumed(tmp_path)
    made.run()
    assert_as_unbroken(made, tmp_path, unbroken)


def test_a_signal_while_validating_waits_for_the_validation(tmp_path: Path, unbroken: tuple[Trainer, Path]) -> None:
    made = trainer(tmp_path)
    measure = made.validate

    def signalled() -> Validation:
        os.kill(os.getpid(), signal.SIGTERM)
        return measure()

    made.validate = signalled
    with pytest.raises(Interrupted, match="stopped at step 4"):
        made.run()
    assert lines(tmp_path, "dev")[0]["step"] == 4
    made = resumed(tmp_path)
    made.run()
    assert_as_unbroken(made, tmp_path, unbroken)


def test_a_signal_in_the_last_validation_is_heeded(tmp_path: Path, unbroken: tuple[Trainer, Path]) -> None:
    """All is saved, and the same command has nothing left to train."""
    made = trainer(tmp_path)
    measure = made.validate

    def signalled() -> Validation:
        if made.progress.step == 17:
            os.kill(os.getpid(), signal.SIGTERM)
        return measure()

    made.validate = signalled
    with pytest.raises(Interrupted, match="stopped at step 17") as caught:
        made.run()
    assert caught.value.exit_code == 143
    again = resumed(tmp_path)
    assert again.reason_to_end() == "training.max_steps=17 reached"
    assert_as_unbroken(again, tmp_path, unbroken)


def test_ranks_end_by_the_clock_that_they_agree_on(tmp_path: Path) -> None:
    """This rank's own clock says 0.1 s at every look, another one's 100 s after the validation of step 4."""
    made = trainer(tmp_path, max_minutes=1.0)
    made.ranks = dataclasses.replace(made.ranks)
    agreed = made.ranks.largest

    def largest(values: list[float]) -> list[float]:
        return [values[0], 100.0] if lines(tmp_path, "dev") else agreed(values)

    object.__setattr__(made.ranks, "largest", largest)
    assert not (tmp_path / "metrics.jsonl").exists()
    (tmp_path / "metrics.jsonl").touch()
    assert made.run() == "training.max_minutes=1 reached"
    assert made.progress.step == 4


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    def before_step(step: int) -> None:
        if step == 7:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match="stopped at once, at the second signal") as caught:
        trainer(tmp_path, before_step=before_step).run()
    assert caught.value.exit_code == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert [path.name for path in checkpoints(RunFolder(tmp_path))] == ["step-000000005.safetensors"]


class PowerCut(BaseException):
    """Ends a run without a chance to save, as kill -9 does."""


def cut_at(at_step: int) -> Steps:
    def before_step(step: int) -> None:
        if step == at_step:
            raise PowerCut

    return before_step


LATER = '{"step": 16, "kind": "train", "loss_nats": 1.5, "elapsed_s": 2.5}'


@pytest.mark.parametrize("step", [2, 5, 6, 10, 14, 17])
@pytest.mark.parametrize("tail", ["", '{"step": 3, "epo', f'{LATER}\n{{"st', "\0\0\0\0"], ids=repr)
def test_a_killed_run_goes_on_from_its_checkpoint(
    tmp_path: Path, unbroken: tuple[Trainer, Path], step: int, tail: str
) -> None:
    with pytest.raises(PowerCut):
        trainer(tmp_path, before_step=cut_at(step)).run()
    with (tmp_path / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(tail)
    again = trainer(tmp_path)
    assert again.resume() == (step > 5)
    assert again.progress.step == (step - 1) // 5 * 5
    again.run()
    assert_as_unbroken(again, tmp_path, unbroken)


def test_a_run_killed_between_validating_and_saving(tmp_path: Path) -> None:
    """The best weights are then newer than the checkpoint; the run finds them again."""
    options: dict[str, Any] = {"validate_every": 5, "max_steps": 11}
    whole = trainer(tmp_path / "whole", **options)
    whole.run()
    broken = trainer(tmp_path / "broken", **options)

    def no_save() -> None:
        if broken.progress.step == 10:
            raise PowerCut
        Trainer.save(broken)

    broken.save = no_save  # type: ignore[method-assign]
    with pytest.raises(PowerCut):
        broken.run()
    again = resumed(tmp_path / "broken", **options)
    assert again.progress.step == 5
    again.run()
    assert_as_unbroken(again, tmp_path / "broken", (whole, tmp_path / "whole"))
    best = [load_checkpoint(weights_path(RunFolder(tmp_path / name))) for name in ("whole", "broken")]
    assert best[0][1] == best[1][1]
    assert all(torch.equal(tensor, best[1][0][name]) for name, tensor in best[0][0].items())


@pytest.mark.parametrize("step", [4, 5, 7, 8, 15])
def test_a_run_that_ended_goes_on_when_told_to(tmp_path: Path, unbroken: tuple[Trainer, Path], step: int) -> None:
    """The end of a run is validated as well: one line more than the unbroken run has, where none was due."""
    trainer(tmp_path, max_steps=step).run()
    made = resumed(tmp_path)
    assert made.reason_to_end() is None
    made.run()
    assert_same_weights(made, unbroken[0])
    assert lines(tmp_path, "train") == lines(unbroken[1], "train")
    is_extra = [line for line in lines(tmp_path, "dev") if line["step"] == step and step % 4]
    assert [line for line in lines(tmp_path, "dev") if line not in is_extra] == lines(unbroken[1], "dev")


def test_a_finished_run_knows_it(tmp_path: Path) -> None:
    trainer(tmp_path, max_steps=3).run()
    again = resumed(tmp_path, max_steps=3)
    assert again.reason_to_end() == "training.max_steps=3 reached"


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied"])
def test_a_damaged_checkpoint_falls_back_on_the_one_before(
    tmp_path: Path, unbroken: tuple[Trainer, Path], caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    with pytest.raises(Interrupted):
        trainer(tmp_path, before_step=send(signal.SIGTERM, 12)).run()
    newest, older = checkpoints(RunFolder(tmp_path))
    content = bytearray(newest.read_bytes())
    if damage == "flipped":
        content[-5] ^= 1
    newest.write_bytes({"flipped": content, "cut": content[:-5], "emptied": b""}[damage])
    again = trainer(tmp_path)
    assert again.resume()
    assert again.progress.step == 10
    assert older.name == "step-000000010.safetensors"
    assert str(newest) in caplog.text
    assert "trying the one before" in caplog.text
    assert newest.with_suffix(".damaged").exists()
    again.run()
    assert_as_unbroken(again, tmp_path, unbroken)


def drop(*names: str) -> Callable[[Any, Any], object]:
    """Take a key out of the state, or a key of a group of it, or a tensor."""
    *groups, last = names

    def change(tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> object:
        for group in groups:
            state = state[group]
        return tensors.pop(last) if last in tensors else state.pop(last)

    return change


def put(value: Any, *names: str) -> Callable[[Any, Any], object]:
    """Give a value of the state another one."""
    *groups, last = names

    def change(tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> None:
        for group in groups:
            state = state[group]
        assert last in state
        state[last] = value

    return change


def resize(name: str, *shape: int, dtype: torch.dtype = torch.float32) -> Callable[[Any, Any], object]:
    """Give a tensor another shape or type."""

    def change(tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> None:
        assert name in tensors
        tensors[name] = torch.zeros(shape, dtype=dtype)

    return change


FOREIGN_STATE = {
    "no progress": drop("progress"),
    "no step": drop("progress", "step"),
    "no plateau": drop("progress", "plateau"),
    "no scale": drop("progress", "plateau", "scale"),
    "no optim": drop("optim"),
    "no random state": drop("random"),
    "no random state of this rank": put([], "random"),
    "no state of Python": put([{}], "random"),
    "a step that is text": put("12", "progress", "step"),
    "a step below zero": put(-5, "progress", "step"),
    "a step that is a list": put([12], "progress", "step"),
    "a score that is text": put("high", "progress", "best_score"),
    "progress that is a list": put([1, 2], "progress"),
    "a plateau that is a number": put(3, "progress", "plateau"),
    "optim that is a number": put(3, "optim"),
    "random states that are a number": put(3, "random"),
    "a weight is missing": drop("model.output.bias"),
    "a weight of another shape": resize("model.output.bias", VOCABULARY + 1),
    "a weight of another type": resize("model.output.bias", VOCABULARY, dtype=torch.int32),
    "an average is missing": drop("average.output.bias"),
    "an average of another shape": resize("average.output.bias", 1),
    "a moment is missing": drop("optimizer.0.exp_avg"),
    "a moment of another shape": resize("optimizer.0.exp_avg", 2),
    "a moment of another type": resize("optimizer.0.exp_avg", VOCABULARY, 6, dtype=torch.float64),
    "a torch state is missing": drop("random.0.cpu"),
    "a torch state of another size": resize("random.0.cpu", 7, dtype=torch.uint8),
    "a torch state of another type": resize("random.0.cpu", 5056),
}


@pytest.mark.parametrize("name", FOREIGN_STATE)
def test_state_that_is_not_of_this_training_falls_back_on_the_one_before(
    tmp_path: Path, unbroken: tuple[Trainer, Path], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Though its checksum is right: another program, or somebody, wrote it."""
    with pytest.raises(Interrupted):
        trainer(tmp_path, before_step=send(signal.SIGTERM, 12)).run()
    newest, _ = checkpoints(RunFolder(tmp_path))
    tensors, state = load_checkpoint(newest)
    FOREIGN_STATE[name](tensors, state)
    save_checkpoint(newest, tensors, state)
    again = trainer(tmp_path)
    assert again.resume()
    assert again.progress.step == 10
    (warning,) = [text for text in caplog.messages if "set aside" in text]
    assert str(newest) in warning
    assert "\n" not in warning
    again.run()
    assert_as_unbroken(again, tmp_path, unbroken)


def test_a_run_without_a_whole_checkpoint_says_so_before_it_starts_anew(
    tmp_path: Path, unbroken: tuple[Trainer, Path]
) -> None:
    trainer(tmp_path, max_steps=11).run()
    for path in checkpoints(RunFolder(tmp_path)):
        path.write_bytes(b"")
    again = trainer(tmp_path)
    before = lines(tmp_path)
    with pytest.raises(CheckpointError, match="none of the 2 checkpoints can be read"):
        again.resume()
    assert lines(tmp_path) == before
    assert not again.resume()
    assert lines(tmp_path) == []
    again.run()
    assert_as_unbroken(again, tmp_path, unbroken)


def test_a_checkpoint_that_cannot_be_read_now_is_not_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer(tmp_path, max_steps=5).run()

    def unreadable(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("safetensors.safe_open", unreadable)
    before = checkpoints(RunFolder(tmp_path))
    with pytest.raises(CheckpointError, match="Input/output error"):
        trainer(tmp_path).resume()
    assert checkpoints(RunFolder(tmp_path)) == before


def test_a_new_folder_has_nothing_to_resume(tmp_path: Path) -> None:
    made = trainer(tmp_path)
    assert not made.resume()
    assert made.progress == Progress()
    assert not (tmp_path / "metrics.jsonl").exists()


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    trainer(tmp_path, max_steps=1).run()
    other = trainer(tmp_path, model=dataclasses.replace(MODEL, hidden_size=12))
    with pytest.raises(CheckpointError, match="the weights are of another model"):
        other.resume()


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_only_the_newest_checkpoints_are_kept(tmp_path: Path, keep: int) -> None:
    trainer(tmp_path, keep=keep).run()
    steps = [int(path.stem.removeprefix("step-")) for path in checkpoints(RunFolder(tmp_path))]
    assert steps == [17, 15, 10][:keep]


def test_all_ranks_learn_of_damaged_metrics(unbroken: tuple[Trainer, Path], tmp_path: Path) -> None:
    """The first rank meets the error where the others wait for what it did."""
    shutil.copytree(unbroken[1], tmp_path / "run")
    (tmp_path / "run" / "metrics.jsonl").write_text("nonsense\n", encoding="utf-8")
    told: list[RunError] = []

    class Watched(Ranks):
        def from_first(self, work: Callable[[], T]) -> T:
            try:
                return work()
            except RunError as error:
                told.append(error)
                raise

    made = trainer(tmp_path / "run")
    made.ranks = Watched()
    with pytest.raises(RunError, match=r"metrics\.jsonl, line 1: expected a record") as caught:
        made.resume()
    assert told == [caught.value]


def test_a_damaged_newer_checkpoint_does_not_push_out_a_whole_one(tmp_path: Path) -> None:
    trainer(tmp_path, max_steps=11, keep=1).run()
    checkpoints(RunFolder(tmp_path))[0].write_bytes(b"")
    with pytest.raises(CheckpointError, match="none of the 1"):
        trainer(tmp_path, keep=1).resume()
    again = trainer(tmp_path, keep=1, before_step=send(signal.SIGTERM, 7))
    with pytest.raises(Interrupted, match="all saved"):
        again.run()
    once_more = trainer(tmp_path, keep=1)
    assert once_more.resume()
    assert once_more.progress.step == 7


def test_progress_is_json() -> None:
    progress = Progress(step=3, best_score=-0.1 - 0.2, elapsed_s=1 / 3)
    progress.plateau.scale = 0.25
    assert Progress.from_json(json.loads(json.dumps(dataclasses.asdict(progress)))) == progress
    assert Progress.from_json(json.loads(json.dumps(dataclasses.asdict(Progress())))) == Progress()


# ----------------------------------------------------------------------------------------------------------------------
# A loss that is no number


def with_bad_steps(made: Trainer, bad: set[int], value: float = math.nan) -> Trainer:
    """The loss of these steps is `value`."""
    loss_of = made.model.loss

    def spoilt(batch: Any, *options: Any) -> Loss:
        loss = loss_of(batch, *options)
        if made.model.training and made.progress.step + 1 in bad:
            return Loss(loss.smoothed_nats * value, loss.loss_nats * value)
        return loss

    made.model.loss = spoilt  # type: ignore[method-assign]
    return made


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_bad_step_is_skipped(tmp_path: Path, value: float) -> None:
    made = with_bad_steps(trainer(tmp_path, max_steps=5), {2}, value)
    held: dict[int, dict[str, torch.Tensor]] = {}
    step_of = made.step

    def watched(batch: Any) -> None:
        step_of(batch)
        held[made.progress.step] = weights(made)

    made.step = watched  # type: ignore[method-assign]
    made.run()
    assert all(torch.equal(held[1][name], held[2][name]) for name in held[1])
    assert any(not torch.equal(held[2][name], held[3][name]) for name in held[2])
    assert all(bool(weight.isfinite().all()) for weight in weights(made).values())
    assert made.progress.num_bad_steps == 0
    assert math.isfinite(lines(tmp_path, "train")[0]["loss_nats"])


def test_too_many_bad_steps_in_a_row_are_an_error(tmp_path: Path) -> None:
    made = with_bad_steps(trainer(tmp_path, max_bad_steps=3), set(range(7, 99)))
    with pytest.raises(TrainingError, match=r"not finite in 4 steps in a row, up to step 10; .*lower optim\.learn"):
        made.run()
    again = trainer(tmp_path)
    assert again.resume()
    assert again.progress.step == 5
    assert all(bool(weight.isfinite().all()) for weight in weights(again).values())


def test_bad_steps_that_are_not_in_a_row_are_none(tmp_path: Path) -> None:
    made = with_bad_steps(trainer(tmp_path, max_bad_steps=1), {2, 4, 6, 8, 10})
    assert made.run() == "training.max_steps=17 reached"


def test_not_one_bad_step_may_be_allowed(tmp_path: Path) -> None:
    made = with_bad_steps(trainer(tmp_path, max_bad_steps=0), {3})
    with pytest.raises(TrainingError, match="not finite in 1 steps in a row, up to step 3"):
        made.run()


def test_a_checkpoint_among_bad_steps_remembers_them(tmp_path: Path) -> None:
    made = with_bad_steps(trainer(tmp_path, max_bad_steps=6), set(range(3, 99)))
    with pytest.raises(TrainingError, match="up to step 9"):
        made.run()
    assert resumed(tmp_path).progress.num_bad_steps == 3


# ----------------------------------------------------------------------------------------------------------------------
# Subword regularization


def reversed_and_repeated(sources: Any, targets: Any, seed: int) -> tuple[Any, Any]:
    """In place of other subwords: sentences in reverse, with as many repetitions of a token as the seed says."""
    return [row[::-1] for row in sources], [[*row, *[5] * (seed % 3)] for row in targets]


def test_text_is_resampled_for_every_batch_and_epoch(tmp_path: Path) -> None:
    plain = trainer(tmp_path).updates
    resampled = dataclasses.replace(plain, resample=reversed_and_repeated)
    lengths = set()
    for before, after in itertools.islice(zip(plain.starting_at(0, 0), resampled.starting_at(0, 0), strict=False), 40):
        (old,), (new,) = before.batches, after.batches
        assert old.source_BS[0, 0] == new.source_BS[0, int(new.source_lengths_B[0]) - 2]
        added = {len(new_row) - len(old_row) for new_row, old_row in zip(rows(new), rows(old), strict=True)}
        assert len(added) == 1
        lengths |= added
        assert after.num_tokens == new.num_tokens
    assert lengths == {0, 1, 2}  # other seeds for other batches


def rows(batch: Batch) -> list[list[int]]:
    return [row[row != 0].tolist() for row in batch.target_out_BT]


def test_resampled_text_is_the_same_after_a_stop(tmp_path: Path) -> None:
    resampled = dataclasses.replace(trainer(tmp_path).updates, resample=reversed_and_repeated)
    whole = list(itertools.islice(resampled.starting_at(0, 0), 40))
    for start in (3, 11, 29):
        rest = resampled.starting_at(whole[start - 1].epoch, whole[start - 1].position)
        assert all(rows(a.batches[0]) == rows(b.batches[0]) for a, b in zip(whole[start:], rest, strict=False))


# ----------------------------------------------------------------------------------------------------------------------
# Batches added up, and batches cut in two


def gradients(made: Trainer, update: Update) -> list[torch.Tensor]:
    made.model.eval()  # without dropout, so that the same sentences give the same loss
    made.optimizer.zero_grad()
    made.backward(update)
    return [torch.zeros(()) if weight.grad is None else weight.grad.clone() for weight in made.parameters]


def test_accumulated_batches_give_the_update_of_the_big_batch(tmp_path: Path) -> None:
    made = trainer(tmp_path)
    sentences = [made.updates.source[row] for row in range(12)]
    parts = tuple(pair_batch(sentences[start:end], sentences[start:end]) for start, end in ((0, 3), (3, 4), (4, 12)))
    whole = pair_batch(sentences, sentences)
    num = whole.num_tokens
    big = gradients(made, Update((whole,), (True,), num, 0, 0))
    small = gradients(made, Update(parts, (True,) * 3, num, 0, 0))
    stand_in = gradients(made, Update((*parts, parts[0]), (True, True, True, False), num, 0, 0))
    for one, other, third in zip(big, small, stand_in, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
        assert torch.equal(other, third)


def test_an_update_of_several_batches_takes_them_in_turn(tmp_path: Path) -> None:
    one, three = trainer(tmp_path).updates, trainer(tmp_path, accumulate=3).updates
    num = len(batch_indices(one.source.lengths, one.target.lengths, batch_tokens=40, seed=1, epoch=0))
    single = [update for update, _ in zip(one.starting_at(0, 0), range(num), strict=False)]
    grouped = [update for update, _ in zip(three.starting_at(0, 0), range(-(-num // 3)), strict=False)]
    batches = [batch for update in grouped for batch in update.batches]
    assert all(torch.equal(a.source_BS, b.batches[0].source_BS) for a, b in zip(batches, single, strict=True))
    assert [update.num_tokens for update in grouped] == [
        sum(update.num_tokens for update in single[start : start + 3]) for start in range(0, num, 3)
    ]
    assert (grouped[-1].epoch, grouped[-1].position) == (1, 0)
    again = next(three.starting_at(0, 3))
    assert torch.equal(again.batches[0].source_BS, grouped[1].batches[0].source_BS)


def with_memory_for(made: Trainer, pairs: int) -> Trainer:
    """A device whose memory holds so many pairs at once."""
    loss_of = made.model.loss

    def limited(batch: Any, *options: Any) -> Loss:
        loss = loss_of(batch, *options)
        if len(batch.source_BS) > pairs:
            (loss.smoothed_nats / 3).backward()  # it fails after some gradients were added up
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss

    made.model.loss = limited  # type: ignore[method-assign]
    return made


def test_out_of_memory_halves_the_batch_and_tells(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = dataclasses.replace(MODEL, dropout=0.0)
    whole = trainer(tmp_path / "whole", model=model, max_steps=6, log_every=1)
    whole.run()
    made = with_memory_for(trainer(tmp_path / "small", model=model, max_steps=6, log_every=1), 3)
    made.run()
    for name, weight in weights(made).items():
        torch.testing.assert_close(weight, weights(whole)[name], rtol=0, atol=1e-5)
    told = lines(tmp_path / "small", "event")
    assert told
    assert all(line["event"] == "out of memory" and line["pairs"] >= 2 for line in told)
    assert "out of memory in step" in caplog.text
    assert made.progress.deviation.startswith("its batches were halved to fit into memory in step ")
    assert resumed(tmp_path / "small", model=model, max_steps=6, log_every=1).progress == made.progress
    assert [line["step"] for line in lines(tmp_path / "small", "train")] == [1, 2, 3, 4, 5, 6]


def test_a_single_pair_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    made = with_memory_for(trainer(tmp_path), 0)
    with pytest.raises(TrainingError, match=r"out of memory in step 1, with a single pair .*lower training\.batch_tok"):
        made.run()


def test_halves_of_a_batch_hold_all_of_it() -> None:
    """Three pairs; the longest target, `9 9 </s>`, stays in its own half, and so does the padding."""
    first, second = pair_batch([[4], [5, 6], [7]], [[9, 9], [8], [7]]).halves()
    assert (first.source_BS.tolist(), second.source_BS.tolist()) == ([[4, 3, 0]], [[5, 6, 3], [7, 3, 0]])
    assert (first.target_out_BT.tolist(), second.target_out_BT.tolist()) == ([[9, 9, 3]], [[8, 3, 0], [7, 3, 0]])
    assert (first.real_N.tolist(), second.real_N.tolist()) == ([0, 1, 2], [0, 1, 3, 4])


# ----------------------------------------------------------------------------------------------------------------------
# What may change


def test_the_optimizer_begins_anew_when_its_options_change(tmp_path: Path) -> None:
    trainer(tmp_path, max_steps=10).run()
    other = dataclasses.replace(OPTIM, learning_rate=0.5, warmup_steps=100)
    made = resumed(tmp_path, optim=other)
    assert made.progress.schedule_start == 10
    assert not made.optimizer.state
    made.run()
    rates = {line["step"]: line["learning_rate"] for line in lines(tmp_path, "train")}
    assert rates[12] == pytest.approx(0.5 * 2 / 100)
    again = resumed(tmp_path, optim=other)  # the same command once more: nothing is reset twice
    assert again.progress.schedule_start == 10
    assert again.optimizer.state
    assert made.progress.deviation == again.progress.deviation == "it went on with other options at step 10"


@pytest.mark.parametrize(
    ("options", "deviation"),
    [
        ({}, ""),
        ({"log_every": 1, "save_every": 7, "keep": 9}, ""),
        ({"max_steps": 11}, "it went on with other options at step 10"),
        ({"validate_every": 3}, "it went on with other options at step 10"),
    ],
)
def test_what_no_command_repeats_is_kept(tmp_path: Path, options: dict[str, Any], deviation: str) -> None:
    trainer(tmp_path, max_steps=10).run()
    made = resumed(tmp_path, **{"max_steps": 10, **options})
    assert made.progress.deviation == deviation
    made.save()
    assert resumed(tmp_path, **{"max_steps": 10, **options}).progress.deviation == deviation


def test_what_earlier_versions_saved_does_not_tell(tmp_path: Path) -> None:
    trainer(tmp_path, max_steps=10).run()
    newest = checkpoints(RunFolder(tmp_path))[0]
    tensors, state = load_checkpoint(newest)
    del state["progress"]["deviation"], state["options"]
    save_checkpoint(newest, tensors, state)
    made = resumed(tmp_path, max_steps=10)
    assert (made.progress.step, made.progress.deviation) == (10, "an earlier version began it")


def test_an_average_that_is_new_begins_with_the_weights(tmp_path: Path) -> None:
    made = trainer(tmp_path, optim=dataclasses.replace(OPTIM, ema_decay=0.0), max_steps=5)
    made.run()
    again = resumed(tmp_path, optim=OPTIM)
    assert again.average is not None
    assert all(map(torch.equal, again.average.averages, weights(made).values()))


def test_every_random_state_comes_back(tmp_path: Path) -> None:
    def drawn() -> list[float]:
        return [random.random(), random.gauss(0, 1), float(np.random.normal()), float(torch.rand(()))]

    random.gauss(0, 1)  # leaves a second number over, which is part of the state
    np.random.normal()
    made = trainer(tmp_path, max_steps=1)
    made.run()
    of_torch, others = random_state(CPU)
    expected = drawn()
    drawn()
    set_random_state(of_torch, json.loads(json.dumps(others)), CPU)
    assert drawn() == expected
    drawn()
    resumed(tmp_path, max_steps=1)
    assert drawn() == expected


# ----------------------------------------------------------------------------------------------------------------------
# When a run ends


def told(results: list[Validation]) -> Callable[[], Validation]:
    left = iter(results)
    return lambda: next(left)


def test_early_stopping_on_loss(tmp_path: Path) -> None:
    """Losses 3, 2, 2, 2.5: two validations in a row were no better than the second."""
    results = [Validation(loss, {"bleu": bleu}) for loss, bleu in ((3, 1), (2, 2), (2, 3), (2.5, 4), (1, 5))]
    made = trainer(
        tmp_path, validate=told(results), stop_metric=StopMetric.loss, patience=2, validate_every=2, max_steps=99
    )
    assert made.run() == "no better loss in training.patience=2 validations"
    assert (made.progress.step, made.progress.best_step, made.progress.best_score) == (8, 4, -2)
    _, state = load_checkpoint(weights_path(made.run_folder))
    assert state == {"step": 4, "dev_loss_nats": 2, "dev_bleu": 2}


def test_early_stopping_on_bleu(tmp_path: Path) -> None:
    """BLEU 0, 7, 6, 8, 8, 8: two in a row were no better than the fourth. No validation is no worse than BLEU 0."""
    results = [Validation(9 - bleu, {"bleu": bleu}) for bleu in (0, 7, 6, 8, 8, 8, 9)]
    made = trainer(tmp_path, validate=told(results), patience=2, validate_every=1, max_steps=99)
    assert made.run() == "no better bleu in training.patience=2 validations"
    assert (made.progress.step, made.progress.best_step, made.progress.best_score) == (6, 4, 8)


def test_early_stopping_on_perplexity(tmp_path: Path) -> None:
    results = [Validation(loss, {"bleu": 0.0}) for loss in (3, 2, 2.5, 1)]
    made = trainer(
        tmp_path, validate=told(results), stop_metric=StopMetric.perplexity, patience=1, validate_every=1, max_steps=99
    )
    assert made.run() == "no better perplexity in training.patience=1 validations"
    assert made.progress.best_score == pytest.approx(-math.exp(2))


def test_passes_over_the_corpus_are_counted(tmp_path: Path) -> None:
    lengths = trainer(tmp_path).updates.source.lengths
    num = len(batch_indices(lengths, lengths, batch_tokens=40, seed=1, epoch=0))
    made = trainer(tmp_path, max_steps=999, max_epochs=2, validate_every=999, save_every=999)
    assert made.run() == "training.max_epochs=2 reached"
    assert num < made.progress.step < 3 * num
    assert (made.progress.epoch, made.progress.position) == (2, 0)


def test_patience_lasts_over_a_stop(tmp_path: Path) -> None:
    flat = [Validation(2.0, {"bleu": 5.0})] * 9
    options: dict[str, Any] = {"patience": 3, "validate_every": 2, "max_steps": 99}
    with pytest.raises(Interrupted):
        trainer(tmp_path, validate=told(flat), before_step=send(signal.SIGTERM, 5), **options).run()
    made = resumed(tmp_path, validate=told(flat), **options)
    made.run()
    assert made.progress.step == 8


def test_a_dev_loss_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    results = [Validation(math.nan, {"bleu": 0.0}), Validation(3.0, {"bleu": 0.0}), Validation(math.nan, {"bleu": 0.0})]
    made = trainer(tmp_path, validate=told(results), stop_metric=StopMetric.loss, validate_every=1, max_steps=3)
    made.run()
    assert (made.progress.best_step, made.progress.best_score) == (2, -3)


def test_time_is_up(tmp_path: Path) -> None:
    made = trainer(tmp_path, max_minutes=0.0)
    assert made.run() == "training.max_minutes=0 reached"
    assert made.progress.step == 1
    assert lines(tmp_path, "dev")[0]["step"] == 1
    again = resumed(tmp_path, max_minutes=0.0)
    assert again.reason_to_end() == "training.max_minutes=0 reached"
    assert 0 < again.progress.elapsed_s < 60  # over all starts


def test_the_time_of_earlier_starts_counts(tmp_path: Path) -> None:
    made = trainer(tmp_path, max_minutes=1.5)
    made.progress.elapsed_s = 89.0
    assert made.reason_to_end() is None
    made.progress.elapsed_s = 90.0
    assert made.reason_to_end() == "training.max_minutes=1.5 reached"


def test_the_plateau_lowers_the_rate(tmp_path: Path) -> None:
    optim = OptimConfig(
        learning_rate=0.08, warmup_steps=2, schedule=Schedule.plateau, plateau_factor=0.5, plateau_patience=0
    )
    losses = told([Validation(loss, {"bleu": 1.0}) for loss in (3, 2, 2, 1, 1, 1)])
    made = trainer(tmp_path, optim=optim, validate=losses, log_every=1, validate_every=1, max_steps=6)
    made.run()
    rates = [line["learning_rate"] for line in lines(tmp_path, "train")]
    assert rates == pytest.approx([0.04, 0.08, 0.08, 0.04, 0.04, 0.02])
    assert made.progress.plateau.scale == 0.125


# ----------------------------------------------------------------------------------------------------------------------
# What is kept


def test_the_average_is_validated_and_kept_as_the_best(tmp_path: Path) -> None:
    made = trainer(tmp_path, optim=dataclasses.replace(OPTIM, ema_decay=0.9), max_steps=5, validate_every=5)
    seen: list[dict[str, torch.Tensor]] = []

    def look() -> Validation:
        assert not made.model.training
        seen.append(weights(made))
        return Validation(1.0, {"bleu": 1.0})

    made.validate = look
    made.run()
    best, _ = load_checkpoint(weights_path(made.run_folder))
    last, _ = load_checkpoint(checkpoints(made.run_folder)[0])
    for name, weight in weights(made).items():
        assert torch.equal(last[f"model.{name}"], weight)
        assert torch.equal(last[f"average.{name}"], seen[0][name])
        assert torch.equal(best[f"model.{name}"], seen[0][name])
    assert any(not torch.equal(seen[0][name], weight) for name, weight in weights(made).items())
    assert set(best) == {f"model.{name}" for name in weights(made)}


def test_without_an_average_the_weights_themselves_are_kept(tmp_path: Path) -> None:
    made = trainer(tmp_path, optim=dataclasses.replace(OPTIM, ema_decay=0.0), max_steps=5, validate_every=5)
    made.run()
    best, _ = load_checkpoint(weights_path(made.run_folder))
    last, _ = load_checkpoint(checkpoints(made.run_folder)[0])
    assert without_prefix("average", last) == {}
    assert all(torch.equal(best[f"model.{name}"], weight) for name, weight in weights(made).items())


def test_without_an_average_a_run_goes_on_as_well(tmp_path: Path) -> None:
    optim = dataclasses.replace(OPTIM, ema_decay=0.0)
    whole = trainer(tmp_path / "whole", optim=optim)
    whole.run()
    with pytest.raises(Interrupted):
        trainer(tmp_path / "broken", optim=optim, before_step=send(signal.SIGTERM, 7)).run()
    made = resumed(tmp_path / "broken", optim=optim)
    made.run()
    assert_as_unbroken(made, tmp_path / "broken", (whole, tmp_path / "whole"))


# ----------------------------------------------------------------------------------------------------------------------
# Every option runs

OPTIM_OPTIONS: list[dict[str, Any]] = [
    {"learning_rate": 0.0},
    *({"schedule": schedule} for schedule in Schedule),
    {"warmup_steps": 0},
    *({"optimizer": optimizer, "weight_decay": 0.1} for optimizer in Optimizer),
    {"optimizer": Optimizer.sgd, "momentum": 0.0},
    {"schedule": Schedule.cosine, "decay_steps": 4},
    {"schedule": Schedule.plateau, "plateau_factor": 0.0, "plateau_patience": 0},
    {"adam_beta1": 0.0},
    {"adam_beta2": 0.0},
    {"max_grad_norm": 0.0},
    {"label_smoothing": 0.9},
    {"ema_decay": 0.0},
    {"ema_decay": 1.0},
]
TRAINING_OPTIONS: list[dict[str, Any]] = [
    {"batch_tokens": 1},
    {"batch_tokens": 10**6},
    {"batch_size": 2},
    {"accumulate": 3},
    {"max_steps": 1},
    {"max_epochs": 2, "max_steps": 99},
    {"max_minutes": 5.0},
    {"max_pieces": 2},
    {"log_every": 1},
    {"validate_every": 1},
    {"save_every": 1},
    {"keep": 1},
    *({"stop_metric": metric} for metric in (StopMetric.loss, StopMetric.perplexity, StopMetric.bleu)),
    {"patience": 1},
    {"max_bad_steps": 0},
    {"reset_optimizer": True},
    {"tensorboard": True},
]


@pytest.mark.parametrize("options", OPTIM_OPTIONS, ids=str)
def test_every_option_of_optim_runs(tmp_path: Path, options: dict[str, Any]) -> None:
    made = trainer(tmp_path, optim=dataclasses.replace(OPTIM, **options), max_steps=5)
    assert made.run() == "training.max_steps=5 reached"
    assert all(math.isfinite(line["loss_nats"]) for line in lines(tmp_path))
    assert resumed(tmp_path, optim=dataclasses.replace(OPTIM, **options)).progress.step == 5


def test_matrices_and_biases_have_the_same_rate(tmp_path: Path) -> None:
    """From step 3 to the end at 5: half way down at step 4."""
    optim = dataclasses.replace(OPTIM, schedule=Schedule.cosine, optimizer=Optimizer.adamw, weight_decay=0.1)
    made = trainer(tmp_path, optim=optim, max_steps=5)
    for update in itertools.islice(made.updates.starting_at(0, 0), 4):
        made.step(update)
    assert [group["lr"] for group in made.optimizer.param_groups] == pytest.approx([0.005, 0.005])


@pytest.mark.parametrize(
    "options",
    [
        {"locked_dropout": True, "layers": 2},
        {"locked_dropout": True, "input_feeding": True, "layers": 2},
        {"input_feeding": True, "embedding_dropout": 0.3},
        {"source_word_dropout": 0.2, "target_word_dropout": 0.2},
    ],
    ids=str,
)
def test_every_kind_of_dropout_goes_on_as_if_nothing_stopped_it(tmp_path: Path, options: dict[str, Any]) -> None:
    model = dataclasses.replace(MODEL, **options)
    whole = trainer(tmp_path / "whole", model=model, max_steps=7)
    whole.run()
    trainer(tmp_path / "parts", model=model, max_steps=3).run()
    parts = resumed(tmp_path / "parts", model=model, max_steps=7)
    parts.run()
    assert_same_weights(whole, parts)


@pytest.mark.parametrize("options", TRAINING_OPTIONS, ids=str)
def test_every_option_of_training_runs(tmp_path: Path, options: dict[str, Any]) -> None:
    made = trainer(tmp_path, **{"max_steps": 5, **options})
    assert "reached" in made.run()
    assert resumed(tmp_path, **{"max_steps": 5, **options}).progress.step == made.progress.step


def test_no_option_was_forgotten() -> None:
    for group, options in ((OptimConfig, OPTIM_OPTIONS), (TrainingConfig, TRAINING_OPTIONS)):
        assert {item.name for item in dataclasses.fields(group)} == {name for each in options for name in each}
