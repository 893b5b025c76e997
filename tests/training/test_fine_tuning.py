"""Weights of another run in a new model, on paper."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from s2s.config.model import ModelConfig, Tie
from s2s.errors import CheckpointError
from s2s.models.seq2seq import Seq2Seq, build_seq2seq
from s2s.runs.checkpoint import model_tensors
from s2s.training.fine_tuning import initialize_from

SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]
OLD = [*SPECIAL, "a", "b", "c"]
NEW = [*SPECIAL, "c", "x", "a", "y", "z"]
OLD_TARGET, NEW_TARGET = [*SPECIAL, "p", "q"], [*SPECIAL, "r", "q"]
ORIGIN = Path("old/weights")
SIZES = ModelConfig(embedding_size=5, hidden_size=6)


def tables(model: Seq2Seq) -> dict[str, Tensor]:
    """A copy of every tensor with a row a piece, under the names that a user of the model would give them."""
    both = {"source": model.encoder.embedding.weight, "target": model.decoder.embedding.weight}
    both |= {"output": model.output.weight, "bias": model.output.bias}
    return {name: tensor.detach().clone() for name, tensor in both.items()}


def assert_rows(found: Tensor, old: Tensor, drawn: Tensor, of_old: list[int | None]) -> None:
    """Each row is the named one of the old table, or still the random one."""
    for row, index in enumerate(of_old):
        expected = drawn[row] if index is None else old[index]
        assert torch.equal(found[row], expected), row


@pytest.mark.parametrize("tie", list(Tie))
def test_rows_of_shared_pieces_go_along(tie: Tie) -> None:
    torch.manual_seed(0)
    options = dataclasses.replace(SIZES, tie=tie)
    old, new = build_seq2seq(options, 7, 7), build_seq2seq(options, 9, 9)
    torch.nn.init.normal_(old.output.bias)
    drawn, before = tables(new), tables(old)
    assert initialize_from(new, model_tensors(old), ORIGIN, (OLD, OLD), (NEW, NEW)) == 6
    for name, found in tables(new).items():
        assert_rows(found, before[name], drawn[name], [0, 1, 2, 3, 6, None, 4, None, None])
    others = model_tensors(old).keys() - {f"{side}.embedding.weight" for side in ("encoder", "decoder")}
    for name in others - {"output.weight", "output.bias"}:
        assert torch.equal(model_tensors(new)[name], model_tensors(old)[name]), name
    assert (new.output.weight is new.decoder.embedding.weight) == (tie is not Tie.none)
    assert (new.encoder.embedding.weight is new.decoder.embedding.weight) == (tie is Tie.all)


@pytest.mark.parametrize("tie", [Tie.none, Tie.output])
def test_each_side_has_its_own_vocabulary(tie: Tie) -> None:
    torch.manual_seed(0)
    options = dataclasses.replace(SIZES, tie=tie)
    old, new = build_seq2seq(options, 7, 6), build_seq2seq(options, 9, 6)
    torch.nn.init.normal_(old.output.bias)
    drawn, before = tables(new), tables(old)
    assert initialize_from(new, model_tensors(old), ORIGIN, (OLD, OLD_TARGET), (NEW, NEW_TARGET)) == 5
    found = tables(new)
    assert_rows(found["source"], before["source"], drawn["source"], [0, 1, 2, 3, 6, None, 4, None, None])
    for name in ("target", "output", "bias"):
        assert_rows(found[name], before[name], drawn[name], [0, 1, 2, 3, None, 5])


def test_the_same_vocabulary_takes_all_over() -> None:
    torch.manual_seed(0)
    old, new = build_seq2seq(SIZES, 7, 6), build_seq2seq(SIZES, 7, 6)
    assert initialize_from(new, model_tensors(old), ORIGIN, (OLD, OLD_TARGET), (OLD, OLD_TARGET)) == 6
    for name, tensor in model_tensors(old).items():
        assert torch.equal(model_tensors(new)[name], tensor)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"embedding_size": 4}, r"of shape \(\d, 4\), got \(\d, 5\)"),
        ({"embedding_size": 1}, r"of shape \(\d, 1\), got \(\d, 5\)"),
        ({"hidden_size": 8}, "of another"),
        ({"layers": 2}, "of another model"),
        ({"tie": Tie.output}, "of another"),
    ],
    ids=str,
)
def test_another_network_cannot_be_started_from(changes: dict[str, Any], words: str) -> None:
    old, new = build_seq2seq(SIZES, 7, 7), build_seq2seq(dataclasses.replace(SIZES, **changes), 9, 9)
    with pytest.raises(CheckpointError, match=f"old/weights.*{words}"):
        initialize_from(new, model_tensors(old), ORIGIN, (OLD, OLD), (NEW, NEW))


def test_weights_without_a_row_for_every_piece_are_refused() -> None:
    old, new = build_seq2seq(SIZES, 6, 6), build_seq2seq(SIZES, 9, 9)
    with pytest.raises(CheckpointError, match="of other subwords"):
        initialize_from(new, model_tensors(old), ORIGIN, (OLD, OLD), (NEW, NEW))
