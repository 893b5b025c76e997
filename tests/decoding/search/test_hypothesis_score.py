"""Scores on paper, and a bound that no continuation of a hypothesis passes."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s.config.search import LengthNormalization
from s2s.decoding.search.hypothesis_score import HypothesisScore, coverage
from tables import scorers

TOTAL = np.array([[-6.0, -1.5]])


@pytest.mark.parametrize(
    ("scorer", "expected"),
    [
        (HypothesisScore(LengthNormalization.none), [-6.0, -1.5]),
        (HypothesisScore(LengthNormalization.average), [-2.0, -0.5]),
        (HypothesisScore(LengthNormalization.average, 2.0), [-6 / 9, -1.5 / 9]),
        (HypothesisScore(LengthNormalization.average, 0.0), [-6.0, -1.5]),
        (HypothesisScore(LengthNormalization.gnmt), [-6 * 6 / 8, -1.5 * 6 / 8]),  # (5 + 3) / 6
        (HypothesisScore(LengthNormalization.gnmt, 2.0), [-6 * 36 / 64, -1.5 * 36 / 64]),
        (HypothesisScore(LengthNormalization.none, word_reward=0.5), [-4.5, 0.0]),
        (HypothesisScore(LengthNormalization.average, word_reward=0.5), [-0.5, 1.0]),
        (HypothesisScore(LengthNormalization.none, coverage_penalty=0.1), [-6.2, -1.5]),
    ],
)
def test_scores_of_3_tokens(scorer: HypothesisScore, expected: list[float]) -> None:
    coverage_BK = np.array([[-2.0, 0.0]]) if scorer.coverage_penalty else None
    assert scorer.score(TOTAL, 3, coverage_BK)[0].tolist() == pytest.approx(expected)


def test_gnmt_divides_a_single_token_by_1() -> None:
    assert HypothesisScore(LengthNormalization.gnmt, 0.7).score(TOTAL, 1)[0].tolist() == [-6.0, -1.5]


def test_coverage_counts_each_source_position_up_to_1() -> None:
    # Sentence 0: attention of 0.5 and 1.5. Sentence 1 has one position, and padding that does not count.
    attention_BKS = torch.tensor([[[0.5, 1.5], [1.0, 1.0]], [[0.25, 0.0], [0.0, 0.0]]])
    expected = [[math.log(0.5), 0.0], [math.log(0.25), math.log(1e-6)]]
    torch.testing.assert_close(coverage(attention_BKS, torch.tensor([2, 1])), torch.tensor(expected))


@given(
    scorer=scorers,
    total=st.floats(-30, 0),
    added=st.floats(0, 30),
    covered=st.floats(-20, 0),
    max_length=st.integers(1, 50),
    data=st.data(),
)
@settings(max_examples=300, deadline=None)
def test_no_continuation_scores_more_than_the_upper_bound(
    scorer: HypothesisScore, total: float, added: float, covered: float, max_length: int, data: st.DataObject
) -> None:
    length = data.draw(st.integers(1, max_length))
    upper_bound = scorer.upper_bound(np.array([total]), np.array([max_length]))[0]
    score = scorer.score(np.array([[total - added]]), length, np.array([[covered]]))[0, 0]
    assert score <= upper_bound + 1e-9


def test_a_bound_is_reached_where_nothing_is_lost() -> None:
    scorer = HypothesisScore(LengthNormalization.gnmt, 0.8, word_reward=0.3)
    assert scorer.upper_bound(np.array([-4.0]), np.array([9]))[0] == pytest.approx(
        scorer.score(np.array([[-4.0]]), 9)[0, 0]
    )


@pytest.mark.parametrize("name", ["length_penalty", "word_reward", "coverage_penalty"])
def test_negative_weights_would_break_the_bound(name: str) -> None:
    with pytest.raises(AssertionError):
        HypothesisScore(**{name: -0.1})
