"""The way back through two positions, on paper: sentence 0 ends in the first, sentence 1 in both; S = 3."""

import math

import numpy as np
import torch

from s2s.data.vocabulary.subwords import EOS
from s2s.decoding.search.backpointers import Backpointers, Hypothesis, Path, read_attention, read_paths

NO = -math.inf
FIRST = Backpointers(
    sentences_B=np.array([0, 1]),
    origin_BK=np.array([[0, 0], [0, 0]]),
    token_BK=np.array([[8, EOS], [EOS, 9]]),
    log_probability_BK=np.array([[-1.0, -2.0], [-3.0, -4.0]]),
    total_BK=np.array([[-1.0, -2.0], [-3.0, -4.0]]),
    score_BK=np.array([[NO, -0.7], [-0.5, NO]]),
    attention_BKS=torch.tensor([[[0.5, 0.5, 0.0]], [[0.0, 0.0, 1.0]]]),
)
SECOND = Backpointers(
    sentences_B=np.array([1]),
    origin_BK=np.array([[1, 1]]),
    token_BK=np.array([[7, 8]]),
    log_probability_BK=np.array([[-0.25, -5.0]]),
    total_BK=np.array([[-4.25, -9.0]]),
    score_BK=np.array([[-0.25, NO]]),
    attention_BKS=torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.75, 0.25]]]),
)


def test_paths_lead_back_to_the_beginning() -> None:
    found = read_paths([FIRST, SECOND], 3)
    assert found[0] == [Path(0, (0,), Hypothesis((), -2.0, -0.7, (-2.0,)))]
    assert found[1] == [
        Path(1, (0, 1), Hypothesis((9, 7), -4.25, -0.25, (-4.0, -0.25))),
        Path(1, (0,), Hypothesis((), -3.0, -0.5, (-3.0,))),
    ]
    assert [path.hypothesis.has_end for path in found[1]] == [False, True]
    assert found[2] == []


def test_attention_is_that_of_the_beam_before() -> None:
    paths = [path for each in read_paths([FIRST, SECOND], 2) for path in each]
    attention = [each.tolist() for each in read_attention([FIRST, SECOND], paths) if each is not None]
    assert attention == [[[0.5, 0.5, 0.0]], [[0.0, 0.0, 1.0], [0.0, 0.75, 0.25]], [[0.0, 0.0, 1.0]]]
