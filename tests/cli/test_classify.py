"""Classifiers through the commands: asked, scored, compared, and refused where they do not belong."""

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from processes import ROOT, Caller, Terminal, environment, run_command
from s2s.decoding.text_classifier import TextClassifier
from s2s.runs.checkpoint import load_checkpoint, save_checkpoint, weights_path
from s2s.runs.folder import RunFolder
from s2s.runs.metrics import read_metrics
from tiny_runs import write_labelled

NAUGHTY = ["", " ", "\t\u3000 ", "하나 둘", "a\u2028b\u0085c\x0cd", "🙂" * 30, "\x00\x01", "하나 " * 400]


@pytest.mark.slow
def test_every_line_is_labelled_once_and_in_order(labelled: Path) -> None:
    content = "".join(f"{line}\n" for line in NAUGHTY).encode() + b"\xff\xfe\r\n" + "둘".encode()
    ended = run_command("classify", f"run={labelled}", stdin=content)
    assert ended.code == 0, ended.err
    lines = ended.out.decode().split("\n")
    assert len(lines) == len(NAUGHTY) + 3
    assert [lines[0], lines[1], lines[2], lines[-1]] == [""] * 4
    for line in lines[3:-1]:
        label, probability = line.split("\t")
        assert label in ("bad", "good")
        assert 0.5 <= float(probability) <= 1
    assert "line 8: 400 pieces are more than this run's training.max_pieces=256; cut" in ended.err
    assert "line 9: not valid UTF-8" in ended.err


@pytest.mark.slow
def test_a_terminal_has_a_prompt(labelled: Path) -> None:
    with Terminal(sys.executable, str(ROOT / "scripts/classify.py"), f"run={labelled}") as terminal:
        assert "run: labels text, LSTM with last pooling, 1 layer of 24 units, accuracy " in terminal.wait_for("text> ")
        terminal.type("하나 둘\n")
        assert "\t0." in terminal.wait_for("text> ")
        terminal.type("A man\n")
        assert "2 of 2 words were never seen in training: A, man" in terminal.wait_for("text> ")
        terminal.type(":quit\n")
        assert terminal.exit_code() == 0


@pytest.mark.slow
def test_text_unlike_that_of_training_is_told_of_once(labelled: Path) -> None:
    ended = run_command("classify", f"run={labelled}", stdin="하나\n".encode() + b"a\n" * 9)
    assert ended.out.count(b"\n") == 10
    assert ended.err == (
        "9 of the first 10 lines are unlike the text of training, such as line 2: 1 of 1 words was never seen in "
        "training: a\n"
    )


@pytest.mark.slow
def test_a_closed_pipe_ends_quietly(labelled: Path) -> None:
    command = f"yes 하나 | head -20000 | {sys.executable} {ROOT}/scripts/classify.py run={labelled} | head -1"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, env=environment())
    assert (ended.stdout.count(b"\n"), ended.stderr) == (1, b"")


@pytest.mark.slow
def test_a_typed_line_is_answered_at_once(labelled: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts/classify.py"), f"run={labelled}"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), cwd=ROOT)
    assert process.stdin is not None
    assert process.stdout is not None
    for text in ("하나\n", "둘 셋\n"):
        process.stdin.write(text.encode())
        process.stdin.flush()
        assert os.read(process.stdout.fileno(), 1000).count(b"\n") == 1
    process.stdin.close()
    assert process.wait(timeout=30) == 0
    process.stdout.close()


@settings(deadline=None, max_examples=15)
@given(lines=st.lists(st.text(max_size=12), min_size=1, max_size=7))
@pytest.mark.slow
def test_a_label_does_not_depend_on_its_batch(labelled: Path, lines: list[str]) -> None:
    alone, together = TextClassifier.load(labelled, batch_size=1), TextClassifier.load(labelled, batch_size=3)
    rows = alone.encode(lines)
    assert abs(alone.log_probabilities(rows) - together.log_probabilities(rows)).max() < 1e-4


def test_given_texts_are_judged(labelled: Path, tmp_path: Path, call_command: Caller) -> None:
    text, label = write_labelled(tmp_path, num_lines=40)
    output = tmp_path / "pictures"
    ended = call_command("classify", f"run={labelled}", f"data.test=[{text},{label}]", f"output={output}")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["lines"] == 40
    assert found["accuracy"] > 90
    assert {path.name for path in output.iterdir()} == {"confusion.png", "reliability.png"}


def test_a_judged_text_that_is_cut_is_named(
    labelled: Path, tmp_path: Path, call_command: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "table").write_text(f"하나\tgood\n{'하나 ' * 400}\tbad\n", encoding="utf-8")
    ended = call_command("classify", f"run={labelled}", f"data.test=[{tmp_path / 'table'}]", f"output={tmp_path}")
    assert ended.code == 0
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["line 2: 400 pieces are more than this run's training.max_pieces=256; cut"]


def test_without_pictures_the_rest_is_told(
    labelled: Path,
    tmp_path: Path,
    call_command: Caller,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "s2s")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    text, label = write_labelled(tmp_path, num_lines=40)
    output = tmp_path / "pictures"
    ended = call_command("classify", f"run={labelled}", f"data.test=[{text},{label}]", f"output={output}")
    assert (ended.code, json.loads(ended.out)["lines"]) == (0, 40)
    assert 'no pictures: plots need matplotlib, the extra "plots"' in caplog.text
    assert not output.exists()


def test_damaged_weights_are_an_error(
    labelled: Path, tmp_path: Path, call_command: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(shutil.copytree(labelled, tmp_path / "run"))
    weights, state = load_checkpoint(weights_path(run))
    weights["model.to_scores.bias"].fill_(torch.nan)
    save_checkpoint(weights_path(run), weights, state)
    (tmp_path / "table").write_text("하나\tgood\n", encoding="utf-8")
    ended = call_command("classify", f"run={run.path}", f"data.test=[{tmp_path / 'table'}]")
    assert (ended.code, ended.out) == (1, b"")
    assert "the model gives no probabilities (NaN): its weights are damaged; train it anew" in ended.err


@pytest.mark.slow
def test_no_line_gives_no_label(labelled: Path) -> None:
    ended = run_command("classify", f"run={labelled}")
    assert (ended.code, ended.out, ended.err) == (0, b"", "")


def test_an_unknown_label_is_named(labelled: Path, tmp_path: Path, call_command: Caller) -> None:
    (tmp_path / "table").write_text("하나\tgood\n둘\tugly\n", encoding="utf-8")
    ended = call_command("classify", f"run={labelled}", f"data.test=[{tmp_path / 'table'}]")
    assert ended.code == 1
    assert f"{tmp_path / 'table'}, line 2: expected one of the labels bad, good, found 'ugly'" in ended.err


@pytest.mark.parametrize(
    "words",
    [
        "translate run=RUN",
        "evaluate run=RUN",
        "score run=RUN",
        "align run=RUN",
        "attention run=RUN text=하나",
        "export run=RUN output=OUT",
        "bench decode run=RUN device=cpu",
        "gates run=RUN text=하나 output=OUT/gates.png",
        "gradients run=RUN output=OUT/gradients.png",
        "lengths run=RUN output=OUT/lengths.png",
    ],
)
def test_a_classifier_is_no_translator(labelled: Path, tmp_path: Path, call_command: Caller, words: str) -> None:
    command, *options = words.replace("RUN", str(labelled)).replace("OUT", str(tmp_path / "out")).split()
    ended = call_command(command, *options)
    assert ended.code == 1
    assert "was trained with task=classify, and task=translate is needed here: give it to s2s classify" in ended.err
    assert (ended.out, ended.err.count("\n"), (tmp_path / "out").exists()) == (b"", 1, False)


def test_a_translator_is_no_classifier(tiny_run: Path, call_command: Caller) -> None:
    ended = call_command("classify", f"run={tiny_run}")
    assert ended.code == 1
    assert "was trained with task=translate, and task=classify is needed here" in ended.err


def test_runs_are_gathered_averaged_and_shown(labelled: Path, tmp_path: Path, call_command: Caller) -> None:
    table = call_command("gather", f"run=[{labelled}]", "format=tsv").out.decode().splitlines()
    assert table[0].split("\t")[:5] == ["runs", "accuracy", "accuracy_sd", "f1", "f1_sd"]
    points = [row for row in read_metrics(labelled / "metrics.jsonl") if row["kind"] == "dev"]
    assert [point["step"] for point in points] == [20, 40, 60, 80]
    assert 0 <= points[0]["accuracy"] <= points[-1]["accuracy"] <= 100
    assert call_command("average", f"run={labelled}", f"output={tmp_path / 'mean'}", "last=2").code == 0
    assert TextClassifier.load(tmp_path / "mean").labels.names == ["bad", "good"]
