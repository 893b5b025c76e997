"""The slots of beams on paper: B = 2 sentences, G = 2 groups of 2 slots, N = 3 hypotheses asked for."""

import math
from dataclasses import replace

import numpy as np
import torch

from s2s.config.search import LengthNormalization
from s2s.data.vocabulary.subwords import EOS
from s2s.decoding.search.beams import Beams
from s2s.decoding.search.hypothesis_score import HypothesisScore

TOTAL = HypothesisScore(LengthNormalization.none)
NO = -math.inf


def beams(max_lengths: list[int], num_groups: int, group_size: int, num_best: int) -> Beams:
    return Beams.start(
        torch.tensor(max_lengths), num_groups=num_groups, group_size=group_size, num_best=num_best, has_tokens=False
    )


def finish(before: Beams, scores: list[list[float]]) -> Beams:
    """The beams after hypotheses with these scores have finished."""
    return before.close(np.array(scores), np.array(scores))


def test_the_first_of_each_group_get_a_slot() -> None:
    two = replace(beams([9, 9], 2, 2, 3), free_BG=np.array([[1, 2], [0, 1]]))
    within = two.within_slots(np.array([[-1.0, -2.0, -3.0, -4.0], [-5.0, -6.0, -7.0, -8.0]]))
    assert within.tolist() == [[-1, NO, -3, -4], [NO, NO, -7, NO]]
    assert two.most_free == 2


def test_hypotheses_end_at_the_end_or_at_the_longest_length() -> None:
    third = replace(beams([3, 5], 1, 3, 1), length=3)
    are_finished = third.are_finished(np.array([[EOS, 8, EOS], [8, EOS, 9]]), np.array([[-1, -2, NO], [-1, -2, -3]]))
    assert are_finished.tolist() == [[True, True, False], [False, True, False]]


def test_finished_hypotheses_leave_their_slots_and_their_scores() -> None:
    once = finish(beams([9, 9], 2, 2, 3), [[NO, NO, -2.0, -1.0], [NO, NO, NO, NO]])
    assert once.free_BG.tolist() == [[2, 0], [2, 2]]
    assert once.best_BN.tolist() == [[NO, -2, -1], [NO, NO, NO]]
    twice = finish(once, [[-4.0, -0.5, NO, NO], [-7.0, NO, NO, NO]])
    assert twice.free_BG.tolist() == [[0, 0], [1, 2]]
    assert twice.best_BN.tolist() == [[-2, -1, -0.5], [NO, NO, -7]]


def test_sentences_are_selected_with_all_that_belongs_to_them() -> None:
    second = finish(beams([9, 8], 2, 2, 3), [[NO, NO, NO, NO], [-7.0, NO, NO, NO]]).select(np.array([1]))
    assert (second.sentences_B.tolist(), second.max_lengths_B.tolist()) == ([1], [8])
    assert (second.free_BG.tolist(), second.best_BN.tolist()) == ([[1, 2]], [[NO, NO, -7]])
    assert (second.device_sentences_B.tolist(), second.token_BK.shape, second.total_BK.shape) == ([1], (1, 2), (1, 4))


def test_a_sentence_is_open_while_one_of_its_hypotheses_may_be_among_the_best() -> None:
    three = finish(beams([9, 9, 9], 1, 2, 1), [[-2.0, NO], [-2.0, NO], [-2.0, NO]])
    assert three.can_win(np.array([[NO, -1.9], [NO, -2.0], [NO, NO]]), TOTAL).tolist() == [True, False, False]
    # Over at most 9 tokens a reward of 0.1 may still bring 0.9.
    rewarded = HypothesisScore(LengthNormalization.none, word_reward=0.1)
    assert three.can_win(np.array([[NO, -2.8], [NO, -3.0], [NO, NO]]), rewarded).tolist() == [True, False, False]
