"""Copying a word across fillers: the task, its score on paper, and who learns it."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from s2s.analysis.copy_task import NUM_FILLERS, NUM_LETTERS, accuracy, build_copy_model, copy_batch, train_to_copy
from s2s.config.model import AttentionScore, Cell
from s2s.data.vocabulary.subwords import BOS, EOS


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
    train_to_copy(model, 1, word_length=1, num_steps=250, batch_size=16, seed=1)
    assert before < 0.3
    assert accuracy(model, unseen) > 0.9


@pytest.mark.slow
def test_attention_copies_where_a_plain_rnn_has_forgotten() -> None:
    found = {}
    for score in (AttentionScore.none, AttentionScore.dot):
        torch.manual_seed(1)
        model = build_copy_model(Cell.rnn, score, 64)
        train_to_copy(model, 30, word_length=2, num_steps=300, batch_size=32, seed=1)
        found[score] = accuracy(model, batch_of(500, 2, 30, seed=0))
    assert found[AttentionScore.none] < 0.1
    assert found[AttentionScore.dot] > 0.9
