"""Minimum bayes risk decoding, on tables of utilities and with sacrebleu's scores."""

import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from s2s.decoding.minimum_bayes_risk import Utilities, Utility, bleu_utility, chrf_utility, expected_utilities

CHARACTERS = st.text("ab .,가나A7&\u3000", max_size=12)
WORDS = st.lists(st.sampled_from(["the cat", "sat", "on 7.5", "마"])).map(" ".join)
TEXTS = st.lists(CHARACTERS | WORDS, min_size=1, max_size=7)


def table(**rows: dict[str, float]) -> Utility:
    """A utility read from a table: `table(h={"r": u})`."""

    def look_up(texts: Sequence[str]) -> Utilities:
        return np.array([[rows[hypothesis][reference] for reference in texts] for hypothesis in texts])

    return look_up


# Nothing is like a but a itself; b and c are like each other.
A_IS_ALONE = table(
    a={"a": 100, "b": 10, "c": 0},
    b={"a": 20, "b": 100, "c": 60},
    c={"a": 0, "b": 50, "c": 100},
)


def test_expected_utilities_on_paper() -> None:
    assert expected_utilities(["a", "b", "c"], A_IS_ALONE) == pytest.approx([110 / 3, 180 / 3, 150 / 3])


def test_weights_say_how_probable_a_candidate_is() -> None:
    """With 5, 1, 2: a has (5 * 100 + 10) / 8, b (5 * 20 + 100 + 2 * 60) / 8, c (50 + 2 * 100) / 8."""
    expected = expected_utilities(["a", "b", "c"], A_IS_ALONE, [5, 1, 2])
    assert expected == pytest.approx([510 / 8, 320 / 8, 250 / 8])
    assert expected_utilities(["a", "b", "c"], A_IS_ALONE, [1, 0, 0]) == [100, 20, 0]


def test_a_sample_that_came_more_than_once_counts_as_often() -> None:
    """Two of a: a has (2 * 100 + 10 + 0) / 4, b (2 * 20 + 100 + 60) / 4, c (50 + 100) / 4."""
    candidates = ["b", "a", "c", "a"]
    assert expected_utilities(candidates, A_IS_ALONE) == pytest.approx([50, 52.5, 37.5, 52.5])
    weighted = expected_utilities(candidates, A_IS_ALONE, [3, 1, 5, 1])
    assert weighted[:3] == pytest.approx(expected_utilities(["b", "a", "c"], A_IS_ALONE, [3, 2, 5]))


def test_equal_candidates_are_compared_once() -> None:
    seen: list[list[str]] = []

    def watch(texts: Sequence[str]) -> Utilities:
        seen.append(list(texts))
        return np.eye(len(texts))

    expected_utilities(["x", "y", "x", "x", "y"], watch)
    assert seen == [["x", "y"]]


def test_equals_are_worth_exactly_the_same() -> None:
    alike = table(a={"a": 0.1, "b": 0.2, "c": 0.3}, b={"a": 0.3, "b": 0.1, "c": 0.2}, c={"a": 0.2, "b": 0.3, "c": 0.1})
    for candidates in (["a", "b", "c"], ["c", "b", "a"], ["b", "c", "a"]):
        assert len(set(expected_utilities(candidates, alike))) == 1


@pytest.mark.parametrize("utility", [chrf_utility, bleu_utility])
def test_the_odd_one_out_is_not_taken(utility: Utility) -> None:
    candidates = [
        "Nothing like it.",
        "A dog runs on the beach.",
        "A dog runs on a beach.",
        "The dog runs on the beach.",
    ]
    expected = expected_utilities(candidates, utility)
    assert expected[1] == max(expected)
    assert expected[0] == min(expected)


def test_chrf_on_paper() -> None:
    """ab against abc: characters 2 of 2 and 2 of 3, pairs 1 of 1 and 1 of 2; ab is too short for more.

    Precision is 1, recall (2/3 + 1/2) / 2 = 7/12, and F2 = 5 * 7/12 / (4 + 7/12) = 35/55.
    """
    utilities = chrf_utility(["ab", "abc"])
    assert utilities == pytest.approx(np.array([[100, 100 * 35 / 55], [100 * 5 * (7 / 12) / (4 * 7 / 12 + 1), 100]]))


def test_bleu_on_paper() -> None:
    """The text of four words is right, but shorter than the one of five: exp(1 - 5 / 4)."""
    utilities = bleu_utility(["a b c d", "a b c d e"])
    assert utilities[0, 1] == pytest.approx(100 * np.exp(1 - 5 / 4))
    assert utilities[1, 0] == pytest.approx(100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)


@given(TEXTS)
def test_utilities_are_the_sentence_scores_of_sacrebleu(texts: list[str]) -> None:
    for utility, metric in ((chrf_utility, CHRF()), (bleu_utility, BLEU(effective_order=True))):
        scores = [[metric.sentence_score(hypothesis, [reference]).score for reference in texts] for hypothesis in texts]
        assert utility(texts) == pytest.approx(np.array(scores), abs=1e-9)


@given(TEXTS.flatmap(lambda texts: st.tuples(st.just(texts), st.permutations(texts))))
def test_a_candidate_is_worth_the_same_in_any_order(orders: tuple[list[str], list[str]]) -> None:
    first, second = (dict(zip(texts, expected_utilities(texts, chrf_utility), strict=True)) for texts in orders)
    assert first == second


@pytest.mark.parametrize("utility", [chrf_utility, bleu_utility])
def test_one_candidate_or_only_empty_ones(utility: Utility) -> None:
    assert expected_utilities(["only"], utility) == pytest.approx([100])
    assert expected_utilities(["", ""], utility) == [0, 0]
    assert expected_utilities(["", "a b c d"], utility) == pytest.approx([0, 50])


def test_candidates_and_weights_must_fit() -> None:
    for candidates, weights in (([], None), (["a"], [1.0, 2.0]), (["a", "b"], [1.0, -1.0]), (["a", "b"], [0.0, 0.0])):
        with pytest.raises(AssertionError):
            expected_utilities(candidates, chrf_utility, weights)


def test_fifty_candidates_take_a_fraction_of_what_sacrebleu_takes_pair_by_pair() -> None:
    words = [f"Wort{index}" for index in range(13)]
    texts = [" ".join([*words[: index % 13], str(index), *words[index % 13 :]]) for index in range(50)]
    started_s = time.process_time()
    chrf_utility(texts)
    elapsed_s = time.process_time() - started_s
    metric = CHRF()
    started_s = time.process_time()
    for hypothesis in texts[:10]:
        for reference in texts:
            metric.sentence_score(hypothesis, [reference])
    assert elapsed_s < time.process_time() - started_s
