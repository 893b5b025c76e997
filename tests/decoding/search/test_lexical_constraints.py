"""Phrases that must occur, over tables. That a wide beam finds the best of all is tested in test_search.py."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s.data.vocabulary.subwords import EOS
from s2s.decoding.search.lexical_constraints import LexicalConstraints, _round_robin
from s2s.decoding.search.phrases import WordBoundaries
from s2s.decoding.search.rules import Rules, pad_prefixes
from s2s.decoding.search.search import beam_search
from tables import (
    CPU,
    MISLEADING,
    Spec,
    Table,
    Tokens,
    assert_same,
    beam,
    paper_table,
    phrases,
    random_table,
    seeds,
)
from tables import start as table_start
from tables import step as table_step


def missing(constraints: LexicalConstraints, rows: list[Tokens], sentence: int = 0) -> list[int]:
    tokens_1KT = torch.tensor([rows], dtype=torch.long).reshape(1, len(rows), -1)
    return constraints.num_missing(tokens_1KT, torch.tensor([sentence]))[0].tolist()


def test_tokens_that_are_still_missing() -> None:
    constraints = LexicalConstraints.of([[[(7, 8)], [(9,)]], [], [[(5, 6, 7)]]], CPU)
    assert missing(constraints, [()]) == [3]
    assert missing(constraints, [(7,), (8,), (9,)]) == [2, 3, 2]
    assert missing(constraints, [(7, 8), (7, 7), (9, 7)]) == [1, 2, 1]
    assert missing(constraints, [(7, 8, 9), (9, 7, 8), (9, 8, 7)]) == [0, 0, 1]
    assert missing(constraints, [(7, 8)], 1) == [0]
    assert missing(constraints, [(5, 6)], 2) == [1]


def test_only_one_constraint_counts_as_begun() -> None:
    # After 7, continuing 7 8 breaks off 7 9: each of them misses its 2 tokens, less the one begun.
    constraints = LexicalConstraints.of([[[(7, 8)], [(7, 9)]]], CPU)
    assert missing(constraints, [(7,), (5,)]) == [3, 4]
    assert missing(constraints, [(7, 8), (7, 7)]) == [2, 3]


def test_a_constraint_is_met_by_its_shortest_alternative() -> None:
    constraints = LexicalConstraints.of([[[(7, 8, 9), (5, 6)], [(4,)]]], CPU)
    assert missing(constraints, [(7, 8), (5, 5), (6, 7)]) == [2, 2, 3]
    assert missing(constraints, [(5, 6), (7, 5)]) == [1, 2]


def test_the_next_tokens() -> None:
    constraints = LexicalConstraints.of([[[(7, 8, 9), (5, 6)], [(4,)]], [[(6,)]]], CPU)
    tokens_BKT = torch.tensor([[[7, 8], [5, 6]], [[6, 4], [4, 4]]])
    # By alternatives: of the first constraint two, of the second one and none. Where nothing is missing, the end.
    expected = [[[9, 5, 4, EOS], [EOS, EOS, 4, EOS]], [[EOS] * 4, [6, EOS, EOS, EOS]]]
    assert constraints.next_tokens(tokens_BKT, torch.tensor([0, 1])).tolist() == expected


def test_no_end_before_all_constraints_are_met() -> None:
    constraints = LexicalConstraints.of([[[(1,)]], []], CPU)
    log_probabilities_BKV = torch.zeros(2, 2, 4)
    constraints(log_probabilities_BKV, torch.tensor([[[1], [0]], [[1], [0]]]), torch.tensor([0, 1]))
    assert log_probabilities_BKV[:, :, EOS].tolist() == [[0, -math.inf], [0, 0]]


def test_each_bank_gives_its_best_in_turn() -> None:
    total_BX = torch.tensor([[-1.0, -2.0, -3.0, -4.0, -5.0, -math.inf]])
    missing_BX = torch.tensor([[2, 2, 0, 2, 0, 1]])
    assert _round_robin(total_BX, missing_BX, 3)[0, :5].tolist() == [2, 0, 4, 1, 3]


def test_a_token_is_put_in_on_paper() -> None:
    # Without constraints (1), with 0.4 * 0.9. A 2 can only stand after 1, where it has 0.05.
    rows = {(): [0.6, 0.4, 0, 0], (0,): [0.5, 0, 0, 0.5], (1,): [0, 0.05, 0.05, 0.9]}
    table = paper_table({**rows, (0, 0): [0, 0, 0, 1], (1, 1): [0, 0, 0, 1], (1, 2): [0, 0, 0, 1]})
    ((found,),) = beam([table], [Spec(4, must=((2,),))], 2)
    assert found.ids == (1, 2)
    assert found.log_probability == pytest.approx(math.log(0.4 * 0.05))


def test_all_hypotheses_meet_their_constraints() -> None:
    spec = Spec(6, must=((2, 1), (0,)))
    (found,) = beam([MISLEADING], [spec], 5, 5)
    assert 2 <= len(found) <= 5  # those that were cut off before are left out
    assert all(spec.has_all(hypothesis.ids) for hypothesis in found)


def test_without_room_the_longest_hypotheses_are_returned() -> None:
    spec = Spec(2, must=((2, 1), (0,)))
    (found,) = beam([MISLEADING], [spec], 3, 3)
    assert found
    assert all(len(hypothesis.ids) == 2 for hypothesis in found)
    assert not any(spec.has_all(hypothesis.ids) for hypothesis in found)


def test_a_prefix_that_ends_is_returned_as_it_is() -> None:
    rules = Rules(prefix_BP=pad_prefixes([[0, EOS]], CPU))
    constraints = LexicalConstraints.of([[[(1,)]]], CPU)
    state = table_start([MISLEADING])
    ((found,),) = beam_search(table_step, state, torch.tensor([7]), beam_size=3, rules=rules, constraints=constraints)
    assert found.ids == (0,)


def test_only_a_whole_word_counts() -> None:
    # 0 continues the word of 1, so that 1 0 has no word 1: the likeliest translation does not count.
    table = paper_table({(): [0, 1, 0, 0], (1,): [0.9, 0, 0, 0.1], (1, 0): [0, 0, 0, 1]})
    boundaries = WordBoundaries(torch.tensor([True, False, False, False]), torch.tensor([False, True, False, False]))
    found = [
        beam_search(
            table_step,
            table_start([table]),
            torch.tensor([7]),
            beam_size=3,
            constraints=LexicalConstraints.of([[[(1,)]]], CPU, each),
        )
        for each in (None, boundaries)
    ]
    assert [result[0][0].ids for result in found] == [(1, 0), (1,)]


phrase_lists = st.lists(phrases, min_size=1, max_size=3).map(tuple)


@given(seed=seeds, must=phrase_lists, beam_size=st.integers(1, 6), more=st.integers(0, 4))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_with_room_any_beam_meets_all_constraints(
    seed: int, must: tuple[Tokens, ...], beam_size: int, more: int
) -> None:
    spec = Spec(sum(map(len, must)) + more, must=must)
    (found,) = beam([random_table(seed)], [spec], beam_size, beam_size)
    assert found
    assert all(spec.has_all(hypothesis.ids) for hypothesis in found)


@given(seed=seeds, beam_size=st.integers(1, 6), length=st.integers(1, 6))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_sentence_without_constraints_is_searched_as_if_alone(seed: int, beam_size: int, length: int) -> None:
    tables: list[Table] = [random_table(seed), random_table(seed + 1)]
    specs = [Spec(length), Spec(5, must=((1, 2),))]
    assert_same(beam(tables, specs, beam_size, beam_size)[0], beam(tables[:1], specs[:1], beam_size, beam_size)[0])


@pytest.mark.slow
@pytest.mark.parametrize("must", [((0, 0, 1),), ((0, 0, 1), (1, 0))])
def test_with_overlapping_phrases_a_batch_does_not_matter(must: tuple[Tokens, ...]) -> None:
    """After 0 0 another 0 breaks nothing off, so that the least may be missing after a beam's least likely token.

    The first sentence's slots are taken one after another, while those of the second, which has many tokens, are free.
    """
    for seed in range(50):
        tables, specs = [random_table(seed), random_table(seed + 1000)], [Spec(9, must=must)] * 2
        for found, table, spec in zip(beam(tables, specs, 3, 3), tables, specs, strict=True):
            assert_same(found, beam([table], [spec], 3, 3)[0])
