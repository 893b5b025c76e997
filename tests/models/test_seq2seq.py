"""The whole model: its loss, its shared weights, and its options in every combination."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from s2s.config.model import AttentionScore, Cell, ModelConfig, Tie
from s2s.config.options import check_options
from s2s.data.batching import Batch, pad, pair_batch
from s2s.data.vocabulary.subwords import BOS, EOS, PAD, UNK
from s2s.models.dropout import Dropout
from s2s.models.seq2seq import Seq2Seq, build_seq2seq

SOURCE_V, TARGET_V = 13, 11
SOURCES = [[4, 5, 6, 7, 8, 9], [10], [11, 12, 4]]
TARGETS = [[4, 5], [6, 7, 8, 9, 10], [4, 10, 5]]


def options(**changes: object) -> ModelConfig:
    values = {"embedding_size": 5, "hidden_size": 6, "dropout": 0.0, **changes}
    config = ModelConfig(**values)  # type: ignore[arg-type]
    check_options(config)
    return config


def built(source_vocabulary: int = SOURCE_V, **changes: object) -> Seq2Seq:
    torch.manual_seed(7)
    config = options(**changes)
    return build_seq2seq(config, TARGET_V if config.tie is Tie.all else source_vocabulary, TARGET_V).double().eval()


def batch_of(rows: slice = slice(None)) -> Batch:
    return pair_batch([[token % TARGET_V for token in row] for row in SOURCES[rows]], TARGETS[rows])


def by_torch(model: Seq2Seq, batch: Batch, label_smoothing: float) -> Tensor:
    attentional_BTO, _ = model(batch)
    return torch.nn.functional.cross_entropy(
        model.output(attentional_BTO).flatten(0, 1),
        batch.target_out_BT.flatten(),
        ignore_index=PAD,
        label_smoothing=label_smoothing,
        reduction="sum",
    )


def num_parameters(model: Seq2Seq) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


COMBINATIONS = [
    (cell, score, tie, is_input_feeding, layers)
    for cell, score, tie, is_input_feeding, layers in itertools.product(
        Cell, AttentionScore, Tie, [False, True], [1, 2]
    )
    if not (is_input_feeding and score is AttentionScore.none)  # refused by `check`
]


@pytest.mark.parametrize(("cell", "score", "tie", "is_input_feeding", "layers"), COMBINATIONS)
def test_every_combination_learns_with_every_parameter(
    cell: Cell, score: AttentionScore, tie: Tie, is_input_feeding: bool, layers: int
) -> None:
    model = built(cell=cell, attention=score, tie=tie, input_feeding=is_input_feeding, layers=layers).train()
    batch = batch_of()
    attentional_BTO, weights_BTS = model(batch)
    assert attentional_BTO.shape == (3, 6, 6 if tie is Tie.none else 5)
    assert weights_BTS.shape == (3, 6, 7)
    loss = model.loss(batch, 0.1)
    (loss.smoothed_nats / batch.num_tokens).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool(torch.isfinite(parameter.grad).all()), name
        assert bool(parameter.grad.any()), name


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", Cell)
def test_three_layers_learn_with_and_without_residuals(cell: Cell, bidirectional: bool, residual: bool) -> None:
    model = built(cell=cell, layers=3, bidirectional=bidirectional, residual=residual, dropout=0.1).train()
    model.loss(batch_of()).smoothed_nats.backward()
    assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in model.parameters())


def test_residual_and_scale_change_the_numbers_but_not_the_parameters() -> None:
    plain = built(layers=3)
    for other in (built(layers=3, residual=True), built(layers=3, scale_attention=True)):
        other.load_state_dict(plain.state_dict())
        assert not torch.allclose(other(batch_of())[0], plain(batch_of())[0])


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("cell", Cell)
def test_loss_and_gradients_equal_torch(cell: Cell, label_smoothing: float) -> None:
    model, batch = built(cell=cell), batch_of()
    loss = model.loss(batch, label_smoothing)
    expected = by_torch(model, batch, label_smoothing)
    assert loss.smoothed_nats.item() == pytest.approx(expected.item(), rel=1e-5)
    assert loss.loss_nats.item() == pytest.approx(by_torch(model, batch, 0.0).item(), rel=1e-5)
    parameters = list(model.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(loss.smoothed_nats, parameters),
        torch.autograd.grad(expected, parameters),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("is_input_feeding", [False, True])
@pytest.mark.parametrize("cell", Cell)
def test_one_sentence_equals_the_same_sentence_in_a_batch(cell: Cell, is_input_feeding: bool) -> None:
    model, batch = built(cell=cell, layers=2, input_feeding=is_input_feeding), batch_of()
    attentional_BTO, weights_BTS = model(batch)
    alone = [batch_of(slice(row, row + 1)) for row in range(3)]
    for row, single in enumerate(alone):
        attentional_1TO, weights_1TS = model(single)
        num_target, num_source = single.target_in_BT.shape[1], single.source_BS.shape[1]
        torch.testing.assert_close(attentional_1TO[0], attentional_BTO[row, :num_target], rtol=0, atol=1e-12)
        torch.testing.assert_close(weights_1TS[0], weights_BTS[row, :num_target, :num_source], rtol=0, atol=1e-12)
    sum_of_losses = sum(model.loss(single, 0.1).smoothed_nats.item() for single in alone)
    assert sum_of_losses == pytest.approx(model.loss(batch, 0.1).smoothed_nats.item(), rel=1e-6)


def test_padding_of_source_and_target_is_ignored() -> None:
    model, batch = built(layers=2), batch_of()
    wider_out_BT = pad(batch.target_out_BT.tolist(), 8)
    wider = Batch(
        pad(batch.source_BS.tolist(), 9),
        batch.source_lengths_B,
        pad(batch.target_in_BT.tolist(), 8),
        wider_out_BT,
        (wider_out_BT != PAD).flatten().nonzero().flatten(),
    )
    assert model.loss(wider, 0.1).smoothed_nats.item() == pytest.approx(model.loss(batch, 0.1).smoothed_nats.item())
    torch.testing.assert_close(model(wider)[0][:, :6], model(batch)[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("is_input_feeding", [False, True])
def test_probabilities_of_the_steps_multiply_to_the_loss(is_input_feeding: bool) -> None:
    model, batch = built(layers=2, input_feeding=is_input_feeding), batch_of(slice(1, 2))
    memory, state = model.encode(batch.source_BS, batch.source_lengths_B)
    token_11, total = torch.tensor([[BOS]]), 0.0
    for token in batch.target_out_BT[0].tolist():
        scores_11V, _, state = model.step(token_11, state, memory)
        assert scores_11V.shape == (1, 1, TARGET_V)
        total += torch.log_softmax(scores_11V, dim=-1)[0, 0, token].item()
        token_11 = torch.tensor([[token]])
    assert -total == pytest.approx(model.loss(batch).loss_nats.item(), rel=1e-5)


def test_a_zero_output_layer_is_undecided_between_all_tokens() -> None:
    model, batch = built(tie=Tie.none), batch_of()
    torch.nn.init.zeros_(model.output.weight)
    assert batch.num_tokens == 13
    assert model.loss(batch).loss_nats.item() == pytest.approx(13 * math.log(TARGET_V))


def test_tied_tables_are_the_very_same_parameter() -> None:
    none, output, everything = (built(tie=tie) for tie in Tie)
    assert none.output.weight is not none.decoder.embedding.weight
    assert none.encoder.embedding.weight is not none.decoder.embedding.weight
    assert output.output.weight is output.decoder.embedding.weight
    assert output.encoder.embedding.weight is not output.decoder.embedding.weight
    assert everything.output.weight is everything.decoder.embedding.weight
    assert everything.encoder.embedding.weight is everything.decoder.embedding.weight


def test_tying_saves_the_parameters_of_a_table() -> None:
    none, output, everything = (num_parameters(built(TARGET_V, tie=tie)) for tie in Tie)
    # Untied, the output table has 6 columns, and `combine` 12 x 6 weights instead of 12 x 5.
    assert none - output == TARGET_V * 6 + 12
    assert output - everything == TARGET_V * 5


def test_a_seed_decides_all_weights() -> None:
    first, second = built(cell=Cell.gru), built(cell=Cell.gru)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


# ----------------------------------------------------------------------------------------------------------------------
# Dropout


def rates(model: Seq2Seq) -> list[float]:
    sides = (model.encoder.embedding_dropout, model.encoder.layer_dropout, model.decoder.embedding_dropout)
    return [each.rate for each in (*sides, model.decoder.layer_dropout, model.decoder.output_dropout)]


def test_rates_that_are_left_out_are_those_of_dropout() -> None:
    assert rates(built(dropout=0.25)) == [0.25] * 5
    assert rates(built(dropout=0.25, embedding_dropout=0.0)) == [0.0, 0.25, 0.0, 0.25, 0.25]
    assert rates(built(dropout=0.25, layer_dropout=0.5)) == [0.25, 0.5, 0.25, 0.5, 0.25]
    assert rates(built(dropout=0.25, output_dropout=0.125)) == [0.25, 0.25, 0.25, 0.25, 0.125]


@pytest.mark.parametrize("is_locked", [False, True])
def test_locked_dropout_reaches_every_place(is_locked: bool) -> None:
    model = built(dropout=0.25, locked_dropout=is_locked)
    assert {module.is_locked for module in model.modules() if isinstance(module, Dropout)} == {is_locked}


def read_tokens(model: Seq2Seq, batch: Batch) -> tuple[Tensor, Tensor]:
    """The ids that encoder and decoder see."""
    seen: list[Tensor] = []
    hooks = [
        module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        for module in (model.encoder.embedding, model.decoder.embedding)
    ]
    model.loss(batch)
    for hook in hooks:
        hook.remove()
    source_BS, target_in_BT = seen
    return source_BS, target_in_BT


@pytest.mark.parametrize("side", ["source", "target"])
def test_word_dropout_hides_tokens_of_its_side_in_training_only(side: str) -> None:
    model, batch = built(**{f"{side}_word_dropout": 0.9}), batch_of()
    given = (batch.source_BS, batch.target_in_BT)
    for found, expected in zip(read_tokens(model, batch), given, strict=True):
        assert torch.equal(found, expected)
    torch.manual_seed(2)
    for name, found, expected in zip(("source", "target"), read_tokens(model.train(), batch), given, strict=True):
        is_ordinary = (expected != PAD) & (expected != BOS) & (expected != EOS)
        assert torch.equal(found[~is_ordinary], expected[~is_ordinary])
        assert bool((found != expected).any()) == (name == side)
        assert bool(((found == expected) | (found == UNK)).all())


def test_what_has_to_be_predicted_is_not_hidden() -> None:
    """An output layer that only knows that UNK is wrong is as undecided about all other tokens."""
    model, batch = built(target_word_dropout=0.9, source_word_dropout=0.9).train(), batch_of()
    torch.nn.init.zeros_(model.output.weight)
    model.output.bias.data[UNK] = -50.0
    assert model.loss(batch).loss_nats.item() == pytest.approx(13 * math.log(TARGET_V - 1), rel=1e-5)


def test_without_dropout_training_draws_nothing() -> None:
    model, batch = built().train(), batch_of()
    before = torch.get_rng_state()
    model.loss(batch)
    assert torch.equal(torch.get_rng_state(), before)
