"""What every training run does at its start and its end, whatever its task."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from processes import Caller, losses
from s2s.errors import ConfigError, DataError, Interrupted, RunError
from s2s.runs.saved_config import load_config
from s2s.tasks.train_run import train
from tiny_runs import TINY, compose, file_options, filled, labelled_options, write_corpus

FEW = [option for option in TINY if option.startswith(("training.log", "optim", "device", "precision"))]
"""Options that leave the text to decide about sizes."""


@pytest.mark.parametrize(
    ("corpus", "picture"),
    [
        (file_options, "s2s.tasks.translation.plot_attention"),
        (labelled_options, "s2s.tasks.classification.plot_confusion"),
    ],
)
def test_the_summary_is_written_before_a_picture_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, corpus: Callable[[Path], list[str]], picture: str
) -> None:
    def broken(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(picture, broken)
    options = [*corpus(tmp_path / "corpus"), *TINY, f"run={tmp_path / 'run'}", "training.max_steps=1"]
    with pytest.raises(MemoryError):
        train(compose("train", *options))
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["test"]["lines"] == 15


# ----------------------------------------------------------------------------------------------------------------------
# A start that fails


MISTAKES: list[tuple[list[str], type[Exception], str]] = [
    (["data.train=[{tmp}/missing.ko,{tmp}/missing.en]"], DataError, "missing.ko"),
    (["data.train=[{tmp}/bad,{tmp}/bad]"], DataError, "expected UTF-8"),
    (["subwords.vocabulary_size=8"], DataError, "has no room"),
    (["data.max_characters=1"], DataError, "no training pair is left after cleaning"),
    (["data.dev_pairs=300"], DataError, "more than 300 dev"),
    (["init_from={tmp}/nothing"], RunError, "init_from="),
]


@pytest.mark.parametrize(("options", "error", "words"), MISTAKES)
def test_a_start_that_fails_leaves_no_run_folder(
    tmp_path: Path, options: list[str], error: type[Exception], words: str
) -> None:
    (tmp_path / "bad").write_bytes(b"good\n\xff\n")
    run = tmp_path / "runs" / "new"
    command = [*file_options(tmp_path / "corpus"), *TINY, *filled(options, tmp=tmp_path)]
    with pytest.raises(error, match=words):
        train(compose("train", *command, f"run={run}"))
    assert not run.exists()
    run.mkdir(parents=True)
    with pytest.raises(error):
        train(compose("train", *command, f"run={run}"))
    assert list(run.iterdir()) == []  # it was there before


@pytest.mark.parametrize("part", ["build_model", "summarize"])
def test_what_was_learnt_is_never_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    def broken(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(f"s2s.tasks.translation.TranslationTask.{part}", broken)
    run = tmp_path / "run"
    with pytest.raises(MemoryError):
        train(compose("train", *file_options(tmp_path / "corpus"), *TINY, f"run={run}", "training.max_steps=2"))
    assert run.exists() == (part == "summarize")  # too little memory for the model: there is nothing yet


def test_a_folder_with_a_run_stays_as_it_is(tiny_run: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in tiny_run.rglob("*") if path.is_file()}
    mistakes = ["data.train=[missing.ko,missing.en]"], ["seed=7"]
    for mistake in mistakes:
        options = [*file_options(tmp_path / "corpus"), *TINY, "training.max_steps=12", *mistake]
        with pytest.raises((DataError, RunError)):
            train(compose("train", *options, f"run={tiny_run}"))
    assert {path: path.read_bytes() for path in tiny_run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (Interrupted(signal.SIGTERM), 143)], ids=["SIGINT", "SIGTERM"]
)
@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("prepare", "interrupted before the first step"),
        ("TranslationTask.summarize", "interrupted while the test set was scored: all weights are saved"),
    ],
)
def test_an_interrupt_says_what_is_kept_and_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, part: str, words: str
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise error

    config = compose(
        "train", *file_options(tmp_path / "corpus"), *TINY, f"run={tmp_path / 'run'}", "training.max_steps=2"
    )
    with monkeypatch.context() as patch:
        patch.setattr(
            "s2s.tasks.train_run." + part if part == "prepare" else f"s2s.tasks.translation.{part}", interrupted
        )
        with pytest.raises(Interrupted, match=words) as end:
            train(config)
    assert end.value.exit_code == code
    assert "the same command goes on" in str(end.value)
    assert (tmp_path / "run").exists() == (part != "prepare")
    train(config)
    assert (tmp_path / "run" / "summary.json").exists()


# ----------------------------------------------------------------------------------------------------------------------
# Text of one's own


def own_text(tmp_path: Path, num_lines: int = 400) -> list[str]:
    source, target = write_corpus(tmp_path, num_lines)
    return ["data=files", f"data.train=[{source},{target}]", *FEW]


@pytest.mark.slow
def test_what_fits_the_text_is_kept_in_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    options = [*own_text(tmp_path / "corpus"), "model.dropout=0.1", f"run={tmp_path / 'run'}"]
    sizes = [
        "model.embedding_size=8",
        "training.validate_every=3",
        "training.batch_tokens=200",
    ]  # for the time it takes
    train(compose("train", *options, *sizes, "training.max_steps=3"))
    config = load_config(tmp_path / "run" / "config.yaml")
    assert (config.subwords.vocabulary_size, config.model.hidden_size, config.training.patience) == (1000, 256, 10)
    assert (config.model.dropout, config.model.embedding_size) == (0.1, 8)
    [message] = [text for text in caplog.messages if text.startswith("fitted to")]
    assert "subwords.vocabulary_size=1000 model.hidden_size=256 training.patience=10;" in message
    caplog.clear()
    train(compose("train", *options, *sizes, "training.max_steps=6"))  # the same command, but for its limit
    assert "going on at step 3" in caplog.text
    assert "fitted" not in caplog.text
    train(compose("train", *options, *sizes, "training.max_steps=6", f"run={tmp_path / 'whole'}"))
    assert losses(tmp_path / "run")[-1] == losses(tmp_path / "whole")[-1]
    write_corpus(tmp_path / "corpus", 500)
    with pytest.raises(RunError, match="was begun with other text"):
        train(compose("train", *options, *sizes, "training.max_steps=9"))


@pytest.mark.slow
def test_dev_and_test_are_a_share_of_the_text(tmp_path: Path) -> None:
    for num, expected in ((90, 9), (600, 50)):
        options = [*own_text(tmp_path / f"corpus{num}", num), "data.clean=false", *TINY, "training.max_steps=1"]
        train(compose("train", *options, f"run={tmp_path / f'run{num}'}"))
        for split in ("dev", "test"):
            lines = (tmp_path / f"run{num}" / "text" / f"{split}.source").read_text().splitlines()
            assert expected // 2 < len(lines) <= expected  # equal sources stay together, and may not fit


@pytest.mark.parametrize("num_lines", [0, 1, 2])
def test_too_little_text_is_said_plainly(tmp_path: Path, num_lines: int) -> None:
    with pytest.raises(DataError, match=r"there is no line|to cut from|learn"):
        train(compose("train", *own_text(tmp_path / "corpus", num_lines), f"run={tmp_path / 'run'}"))
    assert not (tmp_path / "run").exists()


# ----------------------------------------------------------------------------------------------------------------------
# Messages


def test_messages_come_in_the_order_of_the_work(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    options = [*file_options(tmp_path / "corpus"), *TINY, "data.max_words=6", "training.max_steps=1"]
    train(compose("train", *options, f"run={tmp_path / 'run'}"))
    starts = ["kept", "cut 20 pairs", "fitted to", "learning subwords", f"{tmp_path / 'run'}: training on"]
    starts += ["it ends at training.max_steps=1,", "ended after 1 steps", "source", "repeat this run", "translate with"]
    messages = [text.lstrip() for text in caplog.messages]
    places = [next(place for place, text in enumerate(messages) if text.startswith(start)) for start in starts]
    assert places == sorted(places)
    assert "minutes of training, validations included: training.max_steps=1 reached" in caplog.text


def test_a_labelled_corpus_has_texts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    options = [*labelled_options(tmp_path / "corpus"), *TINY, "training.max_steps=1", f"run={tmp_path / 'run'}"]
    train(compose("train", *options))
    assert "pair" not in "\n".join(text for text in caplog.messages if not text.startswith("\nrepeat"))
    assert "of 300 texts (dropped" in caplog.text
    assert "cut 20 texts for dev and 15 texts for test out of the" in caplog.text
    assert "training texts, by seed 1" in caplog.text


def test_a_bad_combination_of_options_makes_no_folder(tmp_path: Path, call_command: Caller) -> None:
    options = [*file_options(tmp_path / "corpus"), f"run={tmp_path / 'run'}", "model.hidden_size=25"]
    assert call_command("train", *options).code == 2
    with pytest.raises(ConfigError):
        compose("train", *options)
    assert not (tmp_path / "run").exists()
