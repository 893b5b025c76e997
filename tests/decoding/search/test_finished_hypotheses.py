"""Places on paper: B = 2 sentences, G = 2 groups of 2 places, Q = 3 hypotheses asked for."""

import math

import numpy as np

from s2s.config.search import LengthNormalization
from s2s.data.vocabulary.subwords import EOS
from s2s.decoding.search.beams import Places
from s2s.decoding.search.hypothesis_score import HypothesisScore

TOTAL = HypothesisScore(LengthNormalization.none)
NO = -math.inf


def test_the_first_of_each_group_get_a_place() -> None:
    places = Places(np.array([4, 7]), np.array([9, 9]), np.array([[1, 2], [0, 1]]), np.zeros((2, 3)))
    seated = places.seat(np.array([[-1.0, -2.0, -3.0, -4.0], [-5.0, -6.0, -7.0, -8.0]]))
    assert seated.tolist() == [[-1, NO, -3, -4], [NO, NO, -7, NO]]
    assert places.most_free == 2


def test_hypotheses_end_at_the_end_or_at_the_longest_length() -> None:
    places = Places.start([3, 5], 1, 3, 1)
    are_ended = places.are_ended(np.array([[EOS, 8, EOS], [8, EOS, 9]]), np.array([[-1, -2, NO], [-1, -2, -3]]), 3)
    assert are_ended.tolist() == [[True, True, False], [False, True, False]]


def test_ended_hypotheses_leave_their_places_and_their_scores() -> None:
    places = Places.start([9, 9], 2, 2, 3)
    once = places.close(np.array([[NO, NO, -2.0, -1.0], [NO, NO, NO, NO]]))
    assert once.free_BG.tolist() == [[2, 0], [2, 2]]
    assert once.best_BQ.tolist() == [[NO, -2, -1], [NO, NO, NO]]
    twice = once.close(np.array([[-4.0, -0.5, NO, NO], [-7.0, NO, NO, NO]]))
    assert twice.free_BG.tolist() == [[0, 0], [1, 2]]
    assert twice.best_BQ.tolist() == [[-2, -1, -0.5], [NO, NO, -7]]
    assert twice.rows(np.array([1])).best_BQ.tolist() == [[NO, NO, -7]]


def test_a_sentence_is_open_while_one_of_its_hypotheses_may_be_among_the_best() -> None:
    places = Places.start([9, 9, 9], 1, 2, 1).close(np.array([[-2.0, NO], [-2.0, NO], [-2.0, NO]]))
    assert places.can_win(np.array([[NO, -1.9], [NO, -2.0], [NO, NO]]), TOTAL).tolist() == [True, False, False]
    # Over at most 9 words a reward of 0.1 may still bring 0.9.
    rewarded = HypothesisScore(LengthNormalization.none, word_reward=0.1)
    assert places.can_win(np.array([[NO, -2.8], [NO, -3.0], [NO, NO]]), rewarded).tolist() == [True, False, False]
