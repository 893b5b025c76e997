"""When a run is expected to end, on learning curves worked out on paper."""

import math

import pytest

from s2s.training.forecast import earliest_end, expected_end, steps_within


def test_the_earliest_end_is_so_many_validations_after_the_best() -> None:
    assert earliest_end([], 3) == 4  # the first one is always the best so far
    assert earliest_end([5.0], 3) == 4
    assert earliest_end([5.0, 7.0, 6.0, 7.0], 3) == 5


def test_a_gain_that_halves_each_time() -> None:
    # 0, 16, 24, 28, 30: over two validations 24, then 6; so 2 are left to gain. Under 1 % of 30 it is after three more.
    assert expected_end([0, 16, 24, 28, 30], 10) == 5 + 3 + 10


def test_a_faster_curve_ends_earlier() -> None:
    fast, slow = ([100 * (1 - ratio**n) for n in range(7)] for ratio in (0.3, 0.8))
    assert expected_end(fast, 5) < expected_end(slow, 5)


def test_without_a_gain_the_earliest_end_is_expected() -> None:
    assert expected_end([3.0, 9.0, 9.0, 8.0, 9.0], 4) == 2 + 4
    assert expected_end([3.0] * 5, 4) == 1 + 4


def test_it_is_never_before_the_earliest_end() -> None:
    scores = [18.49, 30.43, 33.47, 35.67, 36.34, 36.54, 37.00, 37.19]  # of experiment=multi30k
    for num in range(len(scores) + 1):
        assert expected_end(scores[:num], 20) >= earliest_end(scores[:num], 20)
    assert expected_end(scores, 20) < 100


def test_one_or_two_validations_say_only_that_it_goes_on() -> None:
    assert expected_end([], 7) == 8
    assert expected_end([1.0], 7) == 9
    assert expected_end([1.0, 2.0], 7) == 10


@pytest.mark.parametrize("scores", [[-math.inf, 1.0, 2.0], [-math.inf] * 4, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]])
def test_odd_curves_have_an_end_too(scores: list[float]) -> None:
    assert len(scores) < expected_end(scores, 5) < 1000


def test_steps_within_minutes() -> None:
    assert steps_within(2, 30, 40.0) == 90
    assert steps_within(2, 0, 0.0) is None
