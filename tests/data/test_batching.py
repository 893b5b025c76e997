import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s.data.batching import Indices, batch_indices, labelled_batch, pad, pair_batch, read_batch, source_batch
from s2s.data.token_store import TokenStore
from s2s.data.vocabulary.subwords import BOS, EOS, PAD


def array(*values: int) -> Indices:
    return np.array(values, dtype=np.int64)


# ----------------------------------------------------------------------------------------------------------------------
# Padding


def test_pad_on_paper() -> None:
    padded = pad([[7, 8, 9], [5]])
    assert padded.dtype == torch.int64
    assert padded.tolist() == [[7, 8, 9], [5, PAD, PAD]]
    assert pad([[7], [5]], length=3).tolist() == [[7, PAD, PAD], [5, PAD, PAD]]
    assert pad([[], [5]]).tolist() == [[PAD], [5]]


def test_source_batch_on_paper() -> None:
    source_BS, lengths_B = source_batch([[7, 8, 9], [], [5]])
    assert source_BS.tolist() == [[7, 8, 9, EOS], [EOS, PAD, PAD, PAD], [5, EOS, PAD, PAD]]
    assert lengths_B.tolist() == [4, 1, 2]


def test_pair_batch_on_paper() -> None:
    batch = pair_batch([[7, 8, 9], [5]], [[4], [6, 11, 12, 13]])
    assert batch.source_BS.tolist() == [[7, 8, 9, EOS], [5, EOS, PAD, PAD]]
    assert batch.source_lengths_B.tolist() == [4, 2]
    assert batch.target_in_BT.tolist() == [[BOS, 4, PAD, PAD, PAD], [BOS, 6, 11, 12, 13]]
    assert batch.target_out_BT.tolist() == [[4, EOS, PAD, PAD, PAD], [6, 11, 12, 13, EOS]]
    assert batch.num_tokens == 2 + 5


def test_an_empty_target_is_its_end_alone() -> None:
    batch = pair_batch([[7], [5]], [[], []])
    assert batch.target_in_BT.tolist() == [[BOS], [BOS]]
    assert batch.target_out_BT.tolist() == [[EOS], [EOS]]
    assert batch.num_tokens == 2


def test_to_a_device_changes_no_value() -> None:
    batch = pair_batch([[7, 8, 9], [5]], [[4], [6, 11]])
    moved = batch.to(torch.device("cpu"))
    assert moved.num_tokens == batch.num_tokens
    for name in ("source_BS", "source_lengths_B", "target_in_BT", "target_out_BT"):
        assert torch.equal(getattr(moved, name), getattr(batch, name))


def test_read_batch_takes_the_pairs_it_is_given_in_order() -> None:
    source = TokenStore([[5], [6, 7], [8, 9, 10]], 20)
    target = TokenStore([[15, 16], [17], [18]], 20)
    batch = read_batch(source, target, array(2, 0))
    assert batch.source_BS.tolist() == [[8, 9, 10, EOS], [5, EOS, PAD, PAD]]
    assert batch.target_out_BT.tolist() == [[18, EOS, PAD], [15, 16, EOS]]


ROWS = st.lists(
    st.tuples(st.lists(st.integers(4, 30), max_size=6), st.lists(st.integers(4, 30), max_size=5)),
    min_size=1,
    max_size=6,
)


@given(ROWS)
@settings(deadline=None, max_examples=50)
def test_what_is_not_padding_is_the_sentence(rows: list[tuple[list[int], list[int]]]) -> None:
    sources, targets = [row[0] for row in rows], [row[1] for row in rows]
    batch = pair_batch(sources, targets)
    for position, (source, target) in enumerate(rows):
        assert batch.source_BS[position][batch.source_BS[position] != PAD].tolist() == [*source, EOS]
        assert batch.source_lengths_B[position] == len(source) + 1
        assert batch.target_in_BT[position][batch.target_in_BT[position] != PAD].tolist() == [BOS, *target]
        assert batch.target_out_BT[position][batch.target_out_BT[position] != PAD].tolist() == [*target, EOS]
    assert batch.num_tokens == int((batch.target_out_BT != PAD).sum())


def test_a_label_is_a_target_of_one_position() -> None:
    """Class 0 has the number of padding, and is a target all the same."""
    batch = labelled_batch([[4, 5, 6], [7], []], [[0], [2], [1]])
    assert batch.source_BS.tolist() == [[4, 5, 6, EOS], [7, EOS, PAD, PAD], [EOS, PAD, PAD, PAD]]
    assert batch.source_lengths_B.tolist() == [4, 2, 1]
    assert (batch.target_in_BT.shape, batch.target_out_BT.tolist()) == ((3, 0), [[0], [2], [1]])
    assert batch.num_tokens == 3
    first, second = batch.halves()
    assert (first.target_out_BT.tolist(), second.target_out_BT.tolist()) == ([[0]], [[2], [1]])
    assert (first.real_N.tolist(), second.real_N.tolist()) == ([0], [0, 1])


# ----------------------------------------------------------------------------------------------------------------------
# Which sentences go together


def test_batches_on_paper() -> None:
    """Widths, `</s>` included, are 3 3 5 5 9: under a budget of 10 they are cut 3 3 | 5 5 | 9, in whatever order."""
    source, target = array(8, 2, 4, 2, 1), array(8, 1, 4, 2, 4)
    batches = batch_indices(source, target, batch_tokens=10, seed=1, epoch=0)
    assert sorted(sorted(batch.tolist()) for batch in batches) == [[0], [1, 3], [2, 4]]


def test_a_sentence_beyond_the_budget_is_a_batch_of_its_own() -> None:
    batches = batch_indices(array(50, 1, 1), array(60, 1, 1), batch_tokens=7, seed=1, epoch=0)
    assert sorted(sorted(batch.tolist()) for batch in batches) == [[0], [1, 2]]


def test_a_batch_has_no_more_sentences_than_allowed() -> None:
    """Seven of one length in threes; the budget alone would put five together."""
    lengths = array(*[1] * 7)
    batches = batch_indices(lengths, lengths, batch_tokens=10, seed=1, epoch=0, batch_size=3)
    assert sorted(len(batch) for batch in batches) == [1, 3, 3]
    batches = batch_indices(lengths, lengths, batch_tokens=4, seed=1, epoch=0, batch_size=3)
    assert sorted(len(batch) for batch in batches) == [1, 2, 2, 2]


def test_an_empty_corpus_has_no_batches() -> None:
    assert list(batch_indices(array(), array(), batch_tokens=7, seed=1, epoch=0)) == []


LENGTHS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=60)


@given(lengths=LENGTHS, batch_tokens=st.integers(1, 200), seed=st.integers(0, 2**63), epoch=st.integers(0, 1000))
@settings(deadline=None, max_examples=100)
def test_every_sentence_once_and_the_budget_kept(
    lengths: list[tuple[int, int]], batch_tokens: int, seed: int, epoch: int
) -> None:
    source, target = array(*(pair[0] for pair in lengths)), array(*(pair[1] for pair in lengths))
    batches = batch_indices(source, target, batch_tokens=batch_tokens, seed=seed, epoch=epoch)
    assert sorted(itertools.chain.from_iterable(batch.tolist() for batch in batches)) == list(range(len(lengths)))
    for batch in batches:
        widest = int(np.maximum(source, target)[batch].max()) + 1
        assert len(batch) == 1 or len(batch) * widest <= batch_tokens


@given(lengths=LENGTHS, seed=st.integers(0, 9), epoch=st.integers(0, 9))
@settings(deadline=None, max_examples=30)
def test_the_order_is_a_function_of_seed_and_epoch(lengths: list[tuple[int, int]], seed: int, epoch: int) -> None:
    source, target = array(*(pair[0] for pair in lengths)), array(*(pair[1] for pair in lengths))
    np.random.seed(int(source.sum()))  # whatever the global generator stands at
    first = batch_indices(source, target, batch_tokens=50, seed=seed, epoch=epoch)
    again = batch_indices(source, target, batch_tokens=50, seed=seed, epoch=epoch)
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in again]


def by_the_book(source: Indices, target: Indices, batch_tokens: int, seed: int, epoch: int) -> list[list[int]]:
    """A list a batch, as the first version of s2s made them: runs that were begun with it go on with these."""
    generator = np.random.default_rng((seed, epoch))
    order = generator.permutation(len(source))
    order = order[np.lexsort((source[order], target[order]))]
    batches: list[list[int]] = [[]]
    widest = 0
    for index in order.tolist():
        width = max(int(source[index]), int(target[index])) + 1
        widest = max(widest, width)
        if batches[-1] and widest * (len(batches[-1]) + 1) > batch_tokens:
            batches.append([])
            widest = width
        batches[-1].append(index)
    return [batches[position] for position in generator.permutation(len(batches))]


@given(lengths=LENGTHS, batch_tokens=st.integers(1, 200), seed=st.integers(0, 99), epoch=st.integers(0, 9))
@settings(deadline=None, max_examples=50)
def test_the_order_is_what_it_always_was(
    lengths: list[tuple[int, int]], batch_tokens: int, seed: int, epoch: int
) -> None:
    source, target = array(*(pair[0] for pair in lengths)), array(*(pair[1] for pair in lengths))
    expected = by_the_book(source, target, batch_tokens, seed, epoch)
    for kind in (np.int64, np.uint16, np.int32):
        batches = batch_indices(
            source.astype(kind), target.astype(kind), batch_tokens=batch_tokens, seed=seed, epoch=epoch
        )
        assert [batch.tolist() for batch in batches] == expected


def test_the_order_of_many_is_what_it_always_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s2s.data.batching._BLOCK", 77)
    source, target = realistic(5000)
    batches = batch_indices(source, target, batch_tokens=500, seed=3, epoch=2)
    assert [batch.tolist() for batch in batches] == by_the_book(source, target, 500, 3, 2)


def test_the_order_of_one_epoch_on_paper() -> None:
    """Fixed for ever: with other batches, the losses of a run that goes on would be others."""
    source, target = array(3, 1, 4, 1, 5, 9, 2, 6), array(2, 7, 1, 8, 2, 8, 1, 8)
    batches = batch_indices(source, target, batch_tokens=20, seed=1, epoch=0)
    assert [batch.tolist() for batch in batches] == [[3, 7], [5], [4, 1], [6, 2, 0]]


def test_a_part_of_the_batches() -> None:
    batches = batch_indices(*realistic(300), batch_tokens=100, seed=1, epoch=0)
    rows = [batch.tolist() for batch in batches]
    assert len(batches) == len(rows) > 9
    assert [batch.tolist() for batch in batches[3:8]] == rows[3:8]
    assert [batch.tolist() for batch in batches[7:][1:]] == rows[8:]
    assert batches[-1].tolist() == rows[-1]
    assert batches[2].dtype == np.int64
    assert len(batches[len(rows) :]) == 0
    with pytest.raises(IndexError):
        batches[len(rows)]


def realistic(num: int) -> tuple[Indices, Indices]:
    """Lengths as subwords of spoken sentences have them: targets about as long as sources, a few much longer."""
    generator = np.random.default_rng(5)
    source = np.clip(generator.lognormal(2.3, 0.5, num), 1, 100).astype(np.int64)
    return source, np.clip(source * generator.lognormal(0.1, 0.25, num), 1, 100).astype(np.int64)


def test_epochs_and_seeds_differ_in_order_and_in_company() -> None:
    lengths = realistic(5000)
    orders = [
        [batch.tolist() for batch in batch_indices(*lengths, batch_tokens=500, seed=seed, epoch=epoch)]
        for seed, epoch in ((1, 0), (1, 1), (1, 2), (2, 0), (2, 1))
    ]
    for first, second in itertools.combinations(orders, 2):
        assert first != second
        same = {frozenset(batch) for batch in first} & {frozenset(batch) for batch in second}
        assert len(same) < len(first) / 4


def test_long_and_short_batches_are_mixed() -> None:
    """Were they sorted, the model would see all short sentences first."""
    source, target = realistic(2000)
    batches = batch_indices(source, target, batch_tokens=500, seed=1, epoch=0)
    means = [float(target[batch].mean()) for batch in batches]
    halves = np.array_split(np.array(means), 2)
    assert halves[0].mean() == pytest.approx(halves[1].mean(), rel=0.25)


def padding_share(lengths: Indices, batches: Sequence[Indices]) -> float:
    return 1 - int(lengths.sum()) / sum(len(batch) * int(lengths[batch].max()) for batch in batches)


def test_almost_nothing_is_padding() -> None:
    """On the target side, where the output layer costs most; shuffled at random, half would be."""
    source, target = realistic(20_000)
    batches = batch_indices(source, target, batch_tokens=1000, seed=1, epoch=0)
    assert padding_share(target, batches) < 0.01
    assert padding_share(source, batches) < 0.15
