"""The command that repeats a run."""

import dataclasses
import shlex
from pathlib import Path

import pytest

from processes import losses
from s2s.config.fitting import fitted
from s2s.config.options import flatten
from s2s.config.training import Config, Precision
from s2s.distributed import Ranks
from s2s.tasks.repeating import log_how_to_repeat, repeating_command
from s2s.tasks.train_run import train
from s2s.training.progress import Progress
from tiny_runs import TINY, compose, file_options

CHOSEN = {"run", "device", "precision", "training.max_steps", "training.max_minutes", "optim.decay_steps"}


@pytest.mark.parametrize(
    "options",
    [
        ["data=phrasebook"],
        ["data=multi30k", "experiment=baseline", "data.root=some where"],
        ["data=files", "data.train=[a.ko,b.en]", "training.patience=20", "model=gru", "search.avoid=[one,two]"],
        ["data=files", 'data.train="a, b.ko",x [1].en', 'search.must="it\'s a \\"b\\", or",c', "data.cache=~x=y z"],
        ["data=labelled", "data.train=[a]", "optim.label_smoothing=0.1", "experiment=sentiment", "seed=7"],
        ["data=files", "data.train=[a,b]", "optim=cosine", "training.max_epochs=3", "model.tie=all"],
    ],
    ids=" ".join,
)
def test_the_command_composes_the_same_options(options: list[str]) -> None:
    before, _ = fitted(dataclasses.replace(compose("train", *options), precision=Precision.bf16), 1000)
    words = shlex.split(repeating_command(before, 1381))
    assert words[:2] == ["s2s", "train"]
    assert words[-1] == f"run={before.run}-again"
    again: Config = compose("train", *words[2:])
    found, expected = flatten(again), flatten(before)
    assert {name: value for name, value in found.items() if name not in CHOSEN} == {
        name: value for name, value in expected.items() if name not in CHOSEN
    }
    assert (again.precision, again.training.max_steps, again.training.max_minutes) == (Precision.bf16, 1381, None)
    assert again.optim.decay_steps == before.optim.decay_steps


def test_several_processes_are_started_again() -> None:
    words = shlex.split(repeating_command(compose("train", "run=r"), 3, num_ranks=2))
    assert words[:5] == ["torchrun", "--nproc-per-node=2", "--no-python", "s2s", "train"]


@pytest.mark.parametrize(
    ("deviation", "ranks", "told"),
    [
        ("", Ranks(), "repeat this run, here or anywhere, with\n  s2s train data=phrasebook "),
        (
            "",
            Ranks(0, 2),
            "repeat this run, here or anywhere, with\n  torchrun --nproc-per-node=2 --no-python s2s train ",
        ),
        ("", Ranks(0, 4), "no one command repeats this run: several machines trained it"),
        ("it went on", Ranks(), "no one command repeats this run: it went on"),
    ],
)
def test_a_true_command_or_none_is_told(
    deviation: str, ranks: Ranks, told: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    caplog.set_level("INFO")
    log_how_to_repeat(compose("train", "run=r"), Progress(step=3, deviation=deviation), ranks)
    assert caplog.messages[0].startswith(f"\n{told}")


@pytest.mark.slow
def test_a_run_that_the_clock_ended_is_repeated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    options = [*file_options(tmp_path / "corpus"), *TINY, "optim=cosine", "optim.decay_steps=900"]
    options = [option for option in options if not option.startswith("precision")]
    train(compose("train", *options, f"run={tmp_path / 'run'}", "training.max_minutes=0.02"))
    [message] = [text for text in caplog.messages if text.startswith("\nrepeat")]
    command = shlex.split(message.splitlines()[2])
    assert "training.max_minutes=null" in command
    train(compose("train", *command[2:]))
    assert losses(tmp_path / "run-again") == losses(tmp_path / "run")
