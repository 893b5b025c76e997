"""Phrases that must be said, over tables. That a wide beam finds the best of all is tested in test_search.py."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s.data.vocabulary.subwords import EOS
from s2s.decoding.search.lexical_constraints import LexicalConstraints, _in_turn
from s2s.decoding.search.phrases import WordEdges
from s2s.decoding.search.rules import Rules, prefixes
from s2s.decoding.search.search import beam_search
from tables import CPU, MISLEADING, Law, Table, Words, assert_same, beam, paper_table, phrases, random_table, seeds
from tables import start as table_start
from tables import step as table_step


def missing(must: LexicalConstraints, rows: list[Words], sentence: int = 0) -> list[int]:
    words_1KT = torch.tensor([rows], dtype=torch.long).reshape(1, len(rows), -1)
    return must.num_missing(words_1KT, torch.tensor([sentence]))[0].tolist()


def test_words_that_are_still_needed() -> None:
    must = LexicalConstraints.of([[[(7, 8)], [(9,)]], [], [[(5, 6, 7)]]], CPU)
    assert missing(must, [()]) == [3]
    assert missing(must, [(7,), (8,), (9,)]) == [2, 3, 2]
    assert missing(must, [(7, 8), (7, 7), (9, 7)]) == [1, 2, 1]
    assert missing(must, [(7, 8, 9), (9, 7, 8), (9, 8, 7)]) == [0, 0, 1]
    assert missing(must, [(7, 8)], 1) == [0]
    assert missing(must, [(5, 6)], 2) == [1]


def test_only_one_demand_can_be_half_said() -> None:
    # After 7, going on with 7 8 breaks off 7 9: both still need their 2 words, but for the one that goes on.
    must = LexicalConstraints.of([[[(7, 8)], [(7, 9)]]], CPU)
    assert missing(must, [(7,), (5,)]) == [3, 4]
    assert missing(must, [(7, 8), (7, 7)]) == [2, 3]


def test_a_demand_is_met_in_the_shortest_way() -> None:
    must = LexicalConstraints.of([[[(7, 8, 9), (5, 6)], [(4,)]]], CPU)
    assert missing(must, [(7, 8), (5, 5), (6, 7)]) == [2, 2, 3]
    assert missing(must, [(5, 6), (7, 5)]) == [1, 2]


def test_the_next_words() -> None:
    must = LexicalConstraints.of([[[(7, 8, 9), (5, 6)], [(4,)]], [[(6,)]]], CPU)
    words_BKT = torch.tensor([[[7, 8], [5, 6]], [[6, 4], [4, 4]]])
    # By ways: of the first demand two, of the second one and none. Where nothing is wanted, the end.
    expected = [[[9, 5, 4, EOS], [EOS, EOS, 4, EOS]], [[EOS] * 4, [6, EOS, EOS, EOS]]]
    assert must.next_words(words_BKT, torch.tensor([0, 1])).tolist() == expected


def test_no_end_before_all_is_said() -> None:
    must = LexicalConstraints.of([[[(1,)]], []], CPU)
    log_probabilities_BKV = torch.zeros(2, 2, 4)
    must(log_probabilities_BKV, torch.tensor([[[1], [0]], [[1], [0]]]), torch.tensor([0, 1]))
    assert log_probabilities_BKV[:, :, EOS].tolist() == [[0, -math.inf], [0, 0]]


def test_each_kind_gives_its_best_in_turn() -> None:
    total_BX = torch.tensor([[-1.0, -2.0, -3.0, -4.0, -5.0, -math.inf]])
    missing_BX = torch.tensor([[2, 2, 0, 2, 0, 1]])
    assert _in_turn(total_BX, missing_BX, 3)[0, :5].tolist() == [2, 0, 4, 1, 3]


def test_a_word_is_put_in_on_paper() -> None:
    # Without demands (1), with 0.4 * 0.9. A 2 can only stand after 1, where it has 0.05.
    rows = {(): [0.6, 0.4, 0, 0], (0,): [0.5, 0, 0, 0.5], (1,): [0, 0.05, 0.05, 0.9]}
    table = paper_table({**rows, (0, 0): [0, 0, 0, 1], (1, 1): [0, 0, 0, 1], (1, 2): [0, 0, 0, 1]})
    ((found,),) = beam([table], [Law(4, must=((2,),))], 2)
    assert found.ids == (1, 2)
    assert found.log_probability == pytest.approx(math.log(0.4 * 0.05))


def test_all_hypotheses_say_what_they_must() -> None:
    law = Law(6, must=((2, 1), (0,)))
    (found,) = beam([MISLEADING], [law], 5, 5)
    assert 2 <= len(found) <= 5  # those that were cut off before they said it are left out
    assert all(law.has_all(hypothesis.ids) for hypothesis in found)


def test_without_room_what_was_said_so_far_is_returned() -> None:
    law = Law(2, must=((2, 1), (0,)))
    (found,) = beam([MISLEADING], [law], 3, 3)
    assert found
    assert all(len(hypothesis.ids) == 2 for hypothesis in found)
    assert not any(law.has_all(hypothesis.ids) for hypothesis in found)


def test_a_prefix_that_ends_is_returned_as_it_is() -> None:
    rules = Rules(prefix_BP=prefixes([[0, EOS]], CPU))
    must = LexicalConstraints.of([[[(1,)]]], CPU)
    state = table_start([MISLEADING])
    ((found,),) = beam_search(table_step, state, torch.tensor([7]), beam_size=3, rules=rules, must=must)
    assert found.ids == (0,)


def test_a_whole_word_is_said() -> None:
    # 0 goes on with 1, so that 1 0 has no word 1: what is likeliest does not do.
    table = paper_table({(): [0, 1, 0, 0], (1,): [0.9, 0, 0, 0.1], (1, 0): [0, 0, 0, 1]})
    edges = WordEdges(torch.tensor([True, False, False, False]), torch.tensor([False, True, False, False]))
    found = [
        beam_search(
            table_step,
            table_start([table]),
            torch.tensor([7]),
            beam_size=3,
            must=LexicalConstraints.of([[[(1,)]]], CPU, each),
        )
        for each in (None, edges)
    ]
    assert [result[0][0].ids for result in found] == [(1, 0), (1,)]


demands = st.lists(phrases, min_size=1, max_size=3).map(tuple)


@given(seed=seeds, must=demands, beam_size=st.integers(1, 6), more=st.integers(0, 4))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_with_room_everything_is_said_by_any_beam(
    seed: int, must: tuple[Words, ...], beam_size: int, more: int
) -> None:
    law = Law(sum(map(len, must)) + more, must=must)
    (found,) = beam([random_table(seed)], [law], beam_size, beam_size)
    assert found
    assert all(law.has_all(hypothesis.ids) for hypothesis in found)


@given(seed=seeds, beam_size=st.integers(1, 6), length=st.integers(1, 6))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_sentence_without_demands_is_searched_as_if_alone(seed: int, beam_size: int, length: int) -> None:
    tables: list[Table] = [random_table(seed), random_table(seed + 1)]
    laws = [Law(length), Law(5, must=((1, 2),))]
    assert_same(beam(tables, laws, beam_size, beam_size)[0], beam(tables[:1], laws[:1], beam_size, beam_size)[0])


@pytest.mark.slow
@pytest.mark.parametrize("must", [((0, 0, 1),), ((0, 0, 1), (1, 0))])
def test_with_overlapping_phrases_a_batch_does_not_matter(must: tuple[Words, ...]) -> None:
    """After 0 0 another 0 breaks nothing off, so that what needs least may come from a beam's least likely word.

    The first sentence's places are taken one after the other, while those of the second, which can say much, are free.
    """
    for seed in range(50):
        tables, laws = [random_table(seed), random_table(seed + 1000)], [Law(9, must=must)] * 2
        for found, table, law in zip(beam(tables, laws, 3, 3), tables, laws, strict=True):
            assert_same(found, beam([table], [law], 3, 3)[0])
