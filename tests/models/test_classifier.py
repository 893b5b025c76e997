"""Pooled states and their classes: on paper, with padding and without, and what the state at the padding is worth."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from s2s.config.model import AttentionScore, Cell, ModelConfig, Pooling
from s2s.config.options import check_options
from s2s.data.batching import Batch, labelled_batch
from s2s.data.vocabulary.subwords import PAD, UNK
from s2s.models.classifier import Classifier, Pool, build_classifier
from s2s.models.encoder import last_states

VOCABULARY = 11
TEXTS = [[4, 5, 6, 7, 8, 9], [10], [], [7, 9, 4]]
CLASSES = [[1], [0], [1], [2]]
STATES_BSH = torch.tensor([[[1.0, 2.0], [3.0, -1.0], [99.0, 99.0]]])
IS_TOKEN_BS = torch.tensor([[True, True, False]])
LAST_BH = torch.tensor([[3.0, -1.0]])


def built(num_classes: int = 3, **changes: object) -> Classifier:
    torch.manual_seed(7)
    config = ModelConfig(**{"embedding_size": 5, "hidden_size": 6, "dropout": 0.0, **changes})  # type: ignore[arg-type]
    check_options(config)
    return build_classifier(config, VOCABULARY, num_classes).eval()


def widened(batch: Batch, num: int) -> Tensor:
    """The texts of a batch with more padding."""
    return functional.pad(batch.source_BS, (0, num), value=PAD)


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [(Pooling.last, [3.0, -1.0]), (Pooling.mean, [2.0, 0.5]), (Pooling.max, [3.0, 2.0])],
)
def test_pooling_on_paper(pooling: Pooling, expected: list[float]) -> None:
    pool = Pool(pooling, 2, AttentionScore.dot)
    assert pool(STATES_BSH, LAST_BH, IS_TOKEN_BS).tolist() == [expected]


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(AssertionError, match="median"):
        Pool("median", 2, AttentionScore.dot)(STATES_BSH, LAST_BH, IS_TOKEN_BS)  # type: ignore[arg-type]


def test_attention_pooling_on_paper() -> None:
    """The last state (3, -1) scores the states with 1 and 10; step 6 is set to look at the context alone."""
    pool = Pool(Pooling.attention, 2, AttentionScore.dot)
    with torch.no_grad():
        pool.attention.combine.weight.copy_(torch.tensor([[0.1, 0.0, 0.0, 0.0], [0.0, 0.1, 0.0, 0.0]]))
    share = 1 / (1 + math.exp(9))  # of the first state
    context = [share * 1 + (1 - share) * 3, share * 2 - (1 - share) * 1]
    expected = [[math.tanh(0.1 * value) for value in context]]
    torch.testing.assert_close(pool(STATES_BSH, LAST_BH, IS_TOKEN_BS), torch.tensor(expected))


COMBINATIONS = list(itertools.product(Cell, Pooling, [False, True], [2, 3]))


@pytest.mark.parametrize(("cell", "pooling", "bidirectional", "num_classes"), COMBINATIONS)
def test_every_combination_learns_with_every_parameter(
    cell: Cell, pooling: Pooling, bidirectional: bool, num_classes: int
) -> None:
    model = built(num_classes, cell=cell, pooling=pooling, bidirectional=bidirectional, dropout=0.1).train()
    batch = labelled_batch(TEXTS, [[index % num_classes] for index in (1, 0, 1, 2)])
    model.loss(batch, 0.1).smoothed_nats.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool(torch.isfinite(parameter.grad).all()), name
        assert bool(parameter.grad.any()), name


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
def test_all_poolings_see_the_same_states(layers: int, bidirectional: bool) -> None:
    """A text of no piece is one state, that of `</s>`: the last, the mean and the largest are one and the same.

    So they are with what residual connections add, and with units dropped.
    """
    batch = labelled_batch([[], [], []], CLASSES[:3])
    found = []
    for pooling in (Pooling.last, Pooling.mean, Pooling.max):
        model = built(pooling=pooling, layers=layers, bidirectional=bidirectional, residual=True, layer_dropout=0.5)
        torch.manual_seed(3)
        found.append(model.train()(batch.source_BS, batch.source_lengths_B))
    assert found[0].tolist() == found[1].tolist() == found[2].tolist()
    assert found[0][0].tolist() != found[0][1].tolist(), "nothing was dropped"


def test_the_last_state_on_paper() -> None:
    """Lengths 2 and 3; forwards the first unit, at 1 and 2, and backwards the second, at 0."""
    states_BSH = torch.arange(12.0).reshape(2, 3, 2)
    lengths_B = torch.tensor([2, 3])
    assert last_states(states_BSH, lengths_B, is_bidirectional=True).tolist() == [[2, 1], [10, 7]]
    assert last_states(states_BSH, lengths_B, is_bidirectional=False).tolist() == [[2, 3], [10, 11]]


@pytest.mark.parametrize("score", [AttentionScore.general, AttentionScore.additive])
def test_other_scores_pool_too(score: AttentionScore) -> None:
    model = built(pooling=Pooling.attention, attention=score, layers=2)
    batch = labelled_batch(TEXTS, CLASSES)
    assert model(batch.source_BS, batch.source_lengths_B).shape == (4, 3)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(COMBINATIONS), st.integers(1, 30), st.lists(st.lists(st.integers(4, 10), max_size=7), min_size=1)
)
def test_padding_changes_nothing(
    combination: tuple[Cell, Pooling, bool, int], num: int, texts: list[list[int]]
) -> None:
    cell, pooling, bidirectional, num_classes = combination
    model = built(num_classes, cell=cell, pooling=pooling, bidirectional=bidirectional, layers=2, residual=True)
    batch = labelled_batch(texts, [[0]] * len(texts))
    with torch.no_grad():
        together_BC = model(batch.source_BS, batch.source_lengths_B)
        padded_BC = model(widened(batch, num), batch.source_lengths_B)
        alone = [labelled_batch([text], [[0]]) for text in texts]
        alone_BC = torch.cat([model(one.source_BS, one.source_lengths_B) for one in alone])
    torch.testing.assert_close(padded_BC, together_BC, rtol=0, atol=1e-6)
    torch.testing.assert_close(alone_BC, together_BC, rtol=0, atol=1e-6)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_two_classes_are_one_unit_with_binary_cross_entropy(label_smoothing: float) -> None:
    model, batch = built(2), labelled_batch(TEXTS, [[1], [0], [0], [1]])
    assert model.to_scores.out_features == 1
    scores_BC = model(batch.source_BS, batch.source_lengths_B)
    assert scores_BC[:, 0].tolist() == [0, 0, 0, 0]
    torch.testing.assert_close(scores_BC.softmax(1)[:, 1], scores_BC[:, 1].sigmoid())
    loss, said_B = model.loss(batch, label_smoothing), torch.tensor([1.0, 0.0, 0.0, 1.0])
    smoothed_B = said_B * (1 - label_smoothing) + label_smoothing / 2
    for found, target_B in ((loss.smoothed_nats, smoothed_B), (loss.loss_nats, said_B)):
        expected = functional.binary_cross_entropy_with_logits(scores_BC[:, 1], target_B, reduction="sum")
        assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    assert not loss.loss_nats.requires_grad


def test_several_classes_on_paper() -> None:
    """Scores of 0 make three classes equally likely, whatever the text."""
    model = built(3)
    with torch.no_grad():
        model.to_scores.weight.zero_()
    loss = model.loss(labelled_batch(TEXTS, CLASSES))
    assert loss.loss_nats.item() == pytest.approx(4 * math.log(3))


def test_tokens_are_dropped_in_training_only() -> None:
    model, batch = built(source_word_dropout=0.95), labelled_batch([[4] * 50], [[0]])
    unknown = labelled_batch([[UNK] * 50], [[0]])
    with torch.no_grad():
        evaluated = [model(each.source_BS, each.source_lengths_B) for each in (batch, unknown)]
        trained = model.train()(batch.source_BS, batch.source_lengths_B)
    assert not torch.allclose(*evaluated)
    assert (trained - evaluated[1]).abs().max() < (evaluated[0] - evaluated[1]).abs().max()


# ----------------------------------------------------------------------------------------------------------------------
# The state at the padding, a common mistake


class AtPadding(Pool):
    """The state at the last position, padding or not."""

    def forward(self, states_BSH: Tensor, last_BH: Tensor, is_token_BS: Tensor) -> Tensor:
        return states_BSH[:, -1]


@pytest.mark.parametrize("cell", Cell)
def test_the_state_at_the_padding_forgets_the_text(cell: Cell) -> None:
    """The longer the padding, the less two texts differ in it; at the last real token they differ as they did."""
    model, batch = built(cell=cell, bidirectional=False), labelled_batch([[4, 5, 6], [7, 8]], [[0], [1]])
    spread = []
    with torch.no_grad():
        for num in (1, 20, 200):
            states_BSH, last = model.encoder(widened(batch, num), batch.source_lengths_B)
            spread.append(float((states_BSH[0, -1] - states_BSH[1, -1]).norm() / (last[0][0] - last[0][1]).norm()))
    assert spread[0] > spread[1] > spread[2]
    assert spread[2] < 0.01


@pytest.mark.parametrize(("pool", "low", "high"), [(Pool, 0.97, 1.0), (AtPadding, 0.0, 0.65)])
def test_what_can_be_learnt_from_the_state_at_the_padding(pool: type[Pool], low: float, high: float) -> None:
    """Whether a text holds token 4 or token 5 is learnt in a moment at its last real token, but not after 60 pads."""
    model = built(2, bidirectional=False, embedding_size=8, hidden_size=12).train()
    model.pool = pool(Pooling.last, 12, AttentionScore.dot)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    generator = np.random.default_rng(1)

    def batch() -> Batch:
        texts = [
            [*generator.integers(6, VOCABULARY, size=generator.integers(1, 6)), 4 + index % 2] for index in range(64)
        ]
        made = labelled_batch([generator.permutation(text) for text in texts], [[index % 2] for index in range(64)])
        return Batch(widened(made, 60), made.source_lengths_B, made.target_in_BT, made.target_out_BT, made.real_N)

    for _ in range(60):
        optimizer.zero_grad()
        (model.loss(batch()).smoothed_nats / 64).backward()
        optimizer.step()
    test = batch()
    with torch.no_grad():
        given_B = model.eval()(test.source_BS, test.source_lengths_B).argmax(1)
    assert low <= float((given_B == test.target_out_BT[:, 0]).float().mean()) <= high
