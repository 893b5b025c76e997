"""Word alignments worked out on paper."""

import numpy as np
import pytest

from s2s.data.word_alignment import format_pharaoh, links_from_weights


def test_links_follow_the_largest_weight() -> None:
    weights_JI = np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]])  # the first of equals
    assert links_from_weights(weights_JI) == [(0, 1), (2, 0)]
    assert links_from_weights(np.array([[0, 0, 0], [0.45, 0, 0.55], [0.25, 0, 0.75], [0, 0, 0]])) == [(2, 1), (2, 2)]
    assert links_from_weights(np.zeros((0, 3))) == []
    with pytest.raises(ValueError, match="at least one source word"):
        links_from_weights(np.zeros((2, 0)))


def test_links_above_a_threshold() -> None:
    weights_JI = np.array([[0.25, 0.25, 0.5], [0.875, 0.125, 0.0]])
    assert links_from_weights(weights_JI, 0.25) == [(0, 0), (0, 1), (1, 0), (2, 0)]
    assert links_from_weights(weights_JI, 0.5) == [(0, 1), (2, 0)]
    assert links_from_weights(weights_JI, 0.9) == []


def test_pharaoh_is_sorted_and_has_each_link_once() -> None:
    assert format_pharaoh([(10, 2), (0, 0), (2, 1), (0, 0)]) == "0-0 2-1 10-2"
    assert format_pharaoh([]) == ""
