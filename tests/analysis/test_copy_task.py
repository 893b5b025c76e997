"""Copying a word across fillers: the task, its score on paper, and who learns it."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from browser import svg_texts
from processes import Caller
from s2s.analysis.copy_task import NUM_FILLERS, NUM_LETTERS, accuracy, build_copy_model, copy_batch, train_to_copy
from s2s.config.model import AttentionScore, Cell
from s2s.data.vocabulary.subwords import BOS, EOS
from s2s.errors import ConfigError
from tiny_runs import compose


def batch_of(num_words: int, word_length: int, distance: int, seed: int = 1) -> Any:
    return copy_batch(num_words, word_length, distance, torch.Generator().manual_seed(seed))


def test_a_word_is_read_before_the_fillers_and_then_spelt() -> None:
    batch = batch_of(200, 3, 5)
    assert batch.source_BS.shape == (200, 3 + 5 + 1)
    assert set(batch.source_lengths_B.tolist()) == {9}
    letters, fillers = batch.source_BS[:, :3], batch.source_BS[:, 3:8]
    assert torch.equal(batch.target_out_BT[:, :3], letters)
    assert set(batch.target_out_BT[:, 3].tolist()) == {EOS}
    assert set(batch.target_in_BT[:, 0].tolist()) == {BOS}
    assert len(letters.unique()) == NUM_LETTERS
    assert len(fillers.unique()) == NUM_FILLERS
    assert letters.max() < fillers.min()


class Says(nn.Module):
    """A model that says these pieces, whatever it reads."""

    def __init__(self, said_BT: Tensor) -> None:
        super().__init__()
        self.said_BTV = nn.functional.one_hot(said_BT).float()
        self.output = nn.Identity()

    def forward(self, batch: object) -> tuple[Tensor, None]:
        return self.said_BTV, None


def test_a_word_counts_only_as_a_whole() -> None:
    batch = batch_of(5, 3, 2)
    said_BT = batch.target_out_BT.clone()
    said_BT[1, 2] = EOS
    said_BT[4] = EOS
    assert accuracy(Says(said_BT), batch) == pytest.approx(3 / 5)  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", Cell)
@pytest.mark.parametrize("score", [AttentionScore.none, AttentionScore.dot])
def test_every_kind_of_model_copies_across_one_filler(cell: Cell, score: AttentionScore) -> None:
    torch.manual_seed(1)
    model, unseen = build_copy_model(cell, score, 32), batch_of(100, 1, 1, seed=0)
    before = accuracy(model, unseen)
    train_to_copy(model, 1, word_length=1, steps=250, batch_size=16, seed=1)
    assert before < 0.3
    assert accuracy(model, unseen) > 0.9


@pytest.mark.slow
def test_attention_copies_where_a_plain_rnn_has_forgotten() -> None:
    found = {}
    for score in (AttentionScore.none, AttentionScore.dot):
        torch.manual_seed(1)
        model = build_copy_model(Cell.rnn, score, 64)
        train_to_copy(model, 30, word_length=2, steps=300, batch_size=32, seed=1)
        found[score] = accuracy(model, batch_of(500, 2, 30, seed=0))
    assert found[AttentionScore.none] < 0.1
    assert found[AttentionScore.dot] > 0.9


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
    assert written[-2:] == ["gru", "lstm with attention"]
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
