"""Diverse beam search over tables, against one in plain Python."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tables import Spec, Table, assert_same, batches, beam, paper_table, plain_beam, random_table, seeds

quick = settings(max_examples=60, deadline=None, derandomize=True)


def test_the_second_group_differs() -> None:
    # 0 has ln(0.6 / 0.4) = 0.405 nats more than 1: below that strength the groups agree.
    table = paper_table({(): [0.6, 0.4, 0, 0], (0,): [0, 0, 0, 1], (1,): [0, 0, 0, 1]})
    for strength, expected in ((0.40, [(0,)]), (0.41, [(0,), (1,)])):
        found = beam([table], [Spec(4)], 2, 2, groups=2, diversity_strength=strength)[0]
        assert [hypothesis.ids for hypothesis in found] == expected
        assert found[0].log_probability == pytest.approx(math.log(0.6))  # the model's, without what was taken off


def test_each_hypothesis_of_an_earlier_group_counts() -> None:
    # Two of the first group have 0 in the second step, so 0 loses 2 * 0.3 there: ln 0.6 - 0.6 < ln 0.4.
    rows = {(): [0.5, 0.5, 0, 0], (0,): [0.6, 0.4, 0, 0], (1,): [0.6, 0.4, 0, 0]}
    found = beam([paper_table(rows)], [Spec(2)], 4, 4, groups=2, diversity_strength=0.3)[0]
    assert {hypothesis.ids for hypothesis in found} == {(0, 0), (1, 0), (0, 1), (1, 1)}


def test_only_chosen_tokens_count() -> None:
    # The first group has 0 and 1, the second 2 and then 0. After 0 comes the end, after 1 nothing may; the empty
    # slot has no token, so that the second group extends 2 by its two likeliest tokens.
    rows = {(): [0.5, 0.3, 0.2, 0], (0,): [0, 0, 0, 1], (1,): [0.4, 0.3, 0.3, 0], (2,): [0.3, 0.2, 0.5, 0]}
    spec = Spec(2, avoid=((1, 0), (1, 1), (1, 2)))
    found = beam([paper_table(rows)], [spec], 4, 4, groups=2, diversity_strength=9.0)[0]
    assert {hypothesis.ids for hypothesis in found} == {(0,), (2, 0), (2, 2)}


@given(batch=batches(max_length=5), groups=st.integers(1, 3), size=st.integers(1, 3), strength=st.floats(0, 3))
@settings(quick, max_examples=120)
def test_it_equals_a_plain_one(batch: tuple[list[Table], list[Spec]], groups: int, size: int, strength: float) -> None:
    found = beam(*batch, groups * size, groups * size, groups=groups, diversity_strength=strength)
    for item, table, spec in zip(found, *batch, strict=True):
        assert_same(item, plain_beam(table, spec, groups * size, groups, strength))


@given(batch=batches(max_length=5), groups=st.integers(2, 3), size=st.integers(1, 3))
@quick
def test_without_strength_all_groups_are_one_small_beam(
    batch: tuple[list[Table], list[Spec]], groups: int, size: int
) -> None:
    found = beam(*batch, groups * size, size, groups=groups)
    for item, alone in zip(found, beam(*batch, size, size), strict=True):
        assert_same(item, alone)


@given(seed=seeds, groups=st.integers(2, 4), size=st.integers(1, 3), strength=st.floats(0, 3))
@quick
def test_the_first_group_is_a_beam_of_its_size(seed: int, groups: int, size: int, strength: float) -> None:
    table = random_table(seed)
    (found,) = beam([table], [Spec(4)], groups * size, groups * size, groups=groups, diversity_strength=strength)
    (first,) = beam([table], [Spec(4)], size, size)
    assert {hypothesis.ids for hypothesis in first} <= {hypothesis.ids for hypothesis in found}


@given(batch=batches(most=4, max_length=5), strength=st.floats(0, 3))
@quick
def test_a_sentence_alone_equals_the_same_sentence_in_a_batch(
    batch: tuple[list[Table], list[Spec]], strength: float
) -> None:
    together = beam(*batch, 4, 4, groups=2, diversity_strength=strength)
    for found, table, spec in zip(together, *batch, strict=True):
        assert_same(found, beam([table], [spec], 4, 4, groups=2, diversity_strength=strength)[0])
