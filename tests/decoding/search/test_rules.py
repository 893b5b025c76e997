"""Rules on paper: which of V = 7 tokens may come next. That search keeps them is tested in test_search.py."""

import math

import pytest
import torch

from s2s.data.vocabulary.subwords import EOS
from s2s.decoding.search.phrases import NO_TOKEN, Phrases, WordBoundaries
from s2s.decoding.search.rules import Avoid, MinimumLength, NoRepeat, Rule, Rules, pad_prefixes
from s2s.decoding.search.search import beam_search
from tables import CPU, MISLEADING, Spec, Table, Tokens, beam, paper_table, start, step

V = 7


def allowed(rule: Rule | Rules, rows: list[list[Tokens]], sentences: list[int] | None = None) -> list[list[set[int]]]:
    """The tokens that may follow those of the beams of each sentence."""
    tokens_BKT = torch.tensor(rows, dtype=torch.long)
    log_probabilities_BKV = -1.0 - torch.arange(V).expand(*tokens_BKT.shape[:2], V)
    before_BKV = log_probabilities_BKV.clone()
    (rule.apply if isinstance(rule, Rules) else rule)(
        log_probabilities_BKV, tokens_BKT, torch.tensor(sentences or range(len(rows)))
    )
    is_allowed_BKV = log_probabilities_BKV > -math.inf
    assert torch.equal(log_probabilities_BKV[is_allowed_BKV], before_BKV[is_allowed_BKV])
    return [[set(row.nonzero().flatten().tolist()) for row in beams] for beams in is_allowed_BKV]


ALL = set(range(V))


def test_no_end_before_the_minimum_length() -> None:
    rule = MinimumLength(torch.tensor([3, 2, 0]))
    assert allowed(rule, [[(4, 5)], [(4, 5)], [(4, 5)]]) == [[ALL - {EOS}], [ALL], [ALL]]
    assert allowed(rule, [[(4, 5, 6)]], [0]) == [[ALL]]


def test_no_pair_twice() -> None:
    # After 4 5 6 4 comes no 5; after 4 4 no 4, since the pairs overlap.
    assert allowed(NoRepeat(2), [[(4, 5, 6, 4), (4, 5, 6, 6), (4, 4, 5, 4)]]) == [[ALL - {5}, ALL - {6}, ALL - {4, 5}]]
    assert allowed(NoRepeat(2), [[(4, 4)]]) == [[ALL - {4}]]


def test_no_token_twice() -> None:
    assert allowed(NoRepeat(1), [[(4, 5, 4)]]) == [[ALL - {4, 5}]]


def test_no_triple_twice() -> None:
    assert allowed(NoRepeat(3), [[(4, 5, 6, 0, 4, 5), (4, 5, 6, 0, 4, 6)]]) == [[ALL - {6}, ALL]]
    assert allowed(NoRepeat(3), [[(4, 5)]]) == [[ALL]]


def test_phrases_are_not_completed() -> None:
    rule = Avoid(Phrases.of([[(4, 5), (6,)], [(5, 5, 5)]], CPU))
    assert allowed(rule, [[(0, 4), (4, 0)], [(5, 5), (5, 0)]]) == [[ALL - {5, 6}, ALL - {6}], [ALL - {5}, ALL]]
    assert allowed(rule, [[(5, 5)]], [1]) == [[ALL - {5}]]


def test_one_list_for_all_sentences() -> None:
    assert allowed(Avoid(Phrases.of([[(6,)]], CPU)), [[(0,)], [(1,)]]) == [[ALL - {6}], [ALL - {6}]]


def test_a_part_of_a_longer_word_is_allowed() -> None:
    goes_on = torch.tensor([False] * 6 + [True])  # 6 goes on with 4, not with 5
    boundaries = WordBoundaries(goes_on, torch.tensor([False] * 4 + [True, False, True]))
    assert allowed(Avoid(Phrases.of([[(6,)]], CPU, boundaries)), [[(4,), (5,)]]) == [[ALL, ALL - {6}]]


def test_no_rule_forbids_a_prefix() -> None:
    rules = Rules([NoRepeat(1), MinimumLength(torch.tensor([9, 9]))], pad_prefixes([[4, 4, EOS], [5]], CPU))
    assert allowed(rules, [[(4,)], [(5,)]]) == [[{4}], [ALL - {5, EOS}]]
    assert allowed(rules, [[(4, 4)]], [0]) == [[{EOS}]]
    assert allowed(rules, [[(5, 0)], [(4, 4)]], [1, 0]) == [[ALL - {0, 5, EOS}], [{EOS}]]


def test_prefixes_are_padded() -> None:
    assert pad_prefixes([[4, 5], [], [6]], CPU).tolist() == [[4, 5], [NO_TOKEN] * 2, [6, NO_TOKEN]]
    assert pad_prefixes([[], []], CPU).shape == (2, 0)


def test_the_tokens_of_a_prefix_count_by_their_probability() -> None:
    ((found,),) = beam([MISLEADING], [Spec(7, prefix=(1, 0))], 3)
    assert found.ids[:2] == (1, 0)
    assert found.token_log_probabilities[:2] == pytest.approx((math.log(0.4), math.log(0.1)), abs=1e-6)


def test_a_whole_translation_can_be_forced() -> None:
    rules = Rules(prefix_BP=pad_prefixes([[1, EOS], [0, 0, EOS]], CPU))
    found = beam_search(step, start([MISLEADING] * 2), torch.tensor([9, 9]), beam_size=4, rules=rules)
    assert [[item.ids for item in each] for each in found] == [[(1,)], [(0, 0)]]
    expected = torch.tensor([0.4 * 0.9, 0.6 * 0.3 * 0.25]).log()
    torch.testing.assert_close(torch.tensor([each[0].log_probability for each in found]), expected)


def test_where_no_token_is_allowed_nothing_is_found() -> None:
    endless = paper_table({tokens: [0.5, 0.5, 0, 0] for tokens in [(), (0,), (1,), (0, 1), (1, 0)]})
    assert beam([endless, MISLEADING], [Spec(5, no_repeat=1)] * 2, 2)[0] == []


def test_a_rule_that_forbids_nothing_changes_nothing() -> None:
    tables: list[Table] = [MISLEADING, MISLEADING]
    assert beam(tables, [Spec(4)] * 2, 3, 3) == beam(tables, [Spec(4, no_repeat=9)] * 2, 3, 3)
