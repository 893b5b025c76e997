"""`memory`: how far cells carry a word, printed and drawn."""

import json
import logging
from pathlib import Path

import pytest

from browser import svg_texts
from processes import Caller
from s2s.errors import ConfigError
from tiny_runs import compose


@pytest.mark.slow
def test_the_command_draws_and_prints(tmp_path: Path, call_command: Caller, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    picture = tmp_path / "memory.svg"
    options = "distances=[1,4]", "steps=2", "hidden_size=8", "word_length=1", "batch_size=3", "seeds=2"
    ended = call_command("memory", *options, "cells=[gru]", "attention_cells=[lstm]", f"output={picture}")
    assert ended.code == 0, ended.err
    result = json.loads(ended.out)
    assert result["chance"] == 0.1
    assert [(row["cell"], row["attention"], row["distance"]) for row in result["rows"]] == [
        ("gru", "none", 1),
        ("gru", "none", 4),
        ("lstm", "dot", 1),
        ("lstm", "dot", 4),
    ]
    assert all(len(row["accuracies"]) == 2 and 0 <= min(row["accuracies"]) <= 1 for row in result["rows"])
    assert "lstm with attention" in caplog.text
    written = svg_texts(picture)
    assert "words of 1 letters, after 2 training steps" in written
    assert written[:2] == ["1", "4"]
    assert written[-2:] == ["GRU, no attention", "LSTM, dot attention"]
    assert picture.read_text(encoding="utf-8").count('<g id="LineCollection_') == 2  # the spread of each kind


def test_the_same_command_gives_the_same_figures(call_command: Caller) -> None:
    options = "distances=[2]", "steps=3", "hidden_size=8", "cells=[lstm]", "attention_cells=[]", "output=null"
    first, second = (call_command("memory", *options) for _ in range(2))
    assert (first.code, second.code) == (0, 0), first.err
    assert first.out == second.out
    assert len(json.loads(first.out)["rows"]) == 1


@pytest.mark.parametrize(
    "options",
    [
        ["distances=[]"],
        ["distances=[0]"],
        ["distances=[3,1]"],
        ["distances=[3,3]"],
        ["cells=[rnn,rnn]"],
        ["attention_cells=[gru,lstm,gru]"],
        ["cells=[]", "attention_cells=[]"],
    ],
)
def test_impossible_options_are_refused(options: list[str]) -> None:
    with pytest.raises(ConfigError, match=options[0].split("=")[0]):
        compose("memory", *options)


def test_what_was_measured_is_printed_even_if_it_cannot_be_drawn(tmp_path: Path, call_command: Caller) -> None:
    (tmp_path / "folder.png").mkdir()
    options = "distances=[2]", "steps=2", "hidden_size=8", "cells=[gru]", "attention_cells=[]"
    ended = call_command("memory", *options, f"output={tmp_path / 'folder.png'}")
    assert ended.code == 1
    assert "folder.png" in ended.err
    assert len(json.loads(ended.out)["rows"]) == 1
