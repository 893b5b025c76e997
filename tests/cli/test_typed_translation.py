"""What a prompt says: the greeting, the answers, and attention as text."""

import json
import shutil
from pathlib import Path

import pytest

from s2s.cli.greeting import greeting
from s2s.cli.typed_translation import TypedTranslation
from s2s.config.search import SearchConfig, Strategy
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.streaming.line_translator import load_line_translator
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import load_config

GREEDY = SearchConfig(strategy=Strategy.greedy, max_source_pieces=30)


def greeting_of(run: Path, **options: int) -> str:
    return greeting(RunFolder(run), load_config(run / "config.yaml"), **options)


def typed(run: Path) -> TypedTranslation:
    return TypedTranslation(load_line_translator(str(run), search=GREEDY, device="cpu"))


def test_a_greeting_tells_what_a_run_does(tiny_run: Path, blind_run: Path, labelled: Path, tmp_path: Path) -> None:
    bleu = json.loads((tiny_run / "summary.json").read_text())["test"]["bleu"]
    leave = "Type a line; :help lists the commands, :quit or Ctrl-D leaves."
    assert greeting_of(tiny_run) == (
        f"run: source → target, LSTM with dot attention, 1 layer of 24 units, BLEU {bleu:.1f} on its test set. {leave}"
    )
    assert greeting_of(tiny_run, num_runs=2) == (
        f"2 runs: source → target, LSTM with dot attention, 1 layer of 24 units. {leave}"
    )
    assert "LSTM without attention, 1 layer of 24 units, BLEU" in greeting_of(blind_run)
    assert "run: labels text, LSTM with last pooling, 1 layer of 24 units, accuracy " in greeting_of(labelled)
    assert greeting_of(labelled).count("\n") == 0
    unfinished = tmp_path / "unfinished"
    shutil.copytree(tiny_run, unfinished)
    (unfinished / "summary.json").unlink()
    assert "on its dev set so far. Type" in greeting_of(unfinished)


def test_an_answer_is_the_translation(
    tiny_run: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Warnings name no line, since there is only one."""
    typed(tiny_run).answer(1, b"\xff " + "하나".encode())
    [text] = BatchTranslator.load(tiny_run, search=GREEDY).translate(["\ufffd 하나"])
    assert capsys.readouterr().out == f"{text}\n"
    assert caplog.messages[0] == "  not valid UTF-8; the bytes that are not became U+FFFD"
    caplog.clear()
    typed(tiny_run).answer(1, b"A man in a hat.")
    assert "  5 of 5 words were never seen in training: A, man, in, a, hat." in caplog.messages


def test_the_attention_of_the_last_sentence_is_drawn(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = typed(tiny_run)
    session.show_attention()
    assert capsys.readouterr().err == "nothing has been translated yet: type a sentence first\n"
    session.answer(1, "하나 둘".encode())
    text = capsys.readouterr().out.strip()
    session.show_attention()
    captured = capsys.readouterr()
    lines = captured.err.split("\n")
    assert captured.out == ""
    assert lines[0].split() == ["하나", "둘", "</s>"]
    assert [line.split()[0] for line in lines[1 : 2 + len(text.split())]] == [*text.split(), "</s>"]
    assert lines[-2].startswith("░ from 0.05, ▒ from 0.3")


def test_a_run_without_attention_has_none_to_draw(blind_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = typed(blind_run)
    session.answer(1, "하나 둘".encode())
    session.show_attention()
    assert "this run has no attention" in capsys.readouterr().err
