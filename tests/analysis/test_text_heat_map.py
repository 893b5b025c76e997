"""Shades stand under their words, whatever the letters' width."""

import numpy as np
from wcwidth import wcswidth

from s2s.analysis.text_heat_map import text_heat_map


def test_shades_follow_the_weights() -> None:
    weights_JI = np.array([[0.04, 0.05, 0.91], [0.3, 0.55, 0.15]])
    assert text_heat_map(["five", "a"], ["x", "word", "longer"], weights_JI, 80).split("\n") == [
        "     x   word longer",
        "five     ░░░░ ██████",
        "a    ▒▒▒ ▓▓▓▓ ░░░░░░",
    ]


def test_korean_letters_are_two_wide() -> None:
    lines = text_heat_map(["나는", "I"], ["도서관에서", "b"], np.full((2, 2), 1.0), 80).split("\n")
    assert lines == ["     도서관에서 b", "나는 ██████████ ███", "I    ██████████ ███"]
    assert [wcswidth(line) for line in lines[1:]] == [4 + 1 + 10 + 1 + 3] * 2


def test_columns_that_do_not_fit_go_below() -> None:
    lines = text_heat_map(["one"], ["four", "five", "six"], np.array([[1.0, 0.0, 0.6]]), 14).split("\n")
    assert lines == ["    four five", "one ████", "", "    six", "one ▓▓▓"]
    assert text_heat_map(["one"], ["a" * 30], np.ones((1, 1)), 14).count("\n") == 1
