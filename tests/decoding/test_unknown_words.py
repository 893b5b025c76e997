"""Unknown words are copied from the source; weights worked out on paper."""

import numpy as np

from s2s.decoding.postprocessing import copy_unknown

# "I see (93)" and "the cat": the digits are unknown, and stand with their brackets in one word.
SOURCE = ["▁I", "▁see", "▁(", "93", ")"]
IS_UNKNOWN = [False, False, False, True, False]


def copied(weights_S: list[float], source: list[str], is_unknown_S: list[bool]) -> str:
    """The replacement of the unknown piece of "▁die <unk> ."."""
    weights_TS = np.array([[1.0] + [0.0] * (len(source) - 1), weights_S, [0.0] * len(source)])
    result = copy_unknown(["▁die", "<unk>", "."], [False, True, False], weights_TS, source, is_unknown_S)
    assert (result[0], result[2]) == ("▁die", ".")
    return result[1]


def test_the_most_attended_word_counts_with_all_its_pieces() -> None:
    """The word of three pieces has 0.2 + 0.1 + 0.2, more than the 0.4 of "see"."""
    assert copied([0.1, 0.4, 0.2, 0.1, 0.2], SOURCE, IS_UNKNOWN) == "93"
    assert copied([0.0, 0.6, 0.2, 0.1, 0.1], SOURCE, IS_UNKNOWN) == "see"


def test_of_several_unknown_pieces_the_most_attended() -> None:
    source = ["▁", "7", ":", "30"]
    assert copied([0.7, 0.1, 0.0, 0.2], source, [False, True, False, True]) == "30"
    assert copied([0.7, 0.2, 0.0, 0.1], source, [False, True, False, True]) == "7"


def test_a_word_without_unknown_pieces_is_copied_whole() -> None:
    assert copied([0.3, 0.2, 0.5], ["▁To", "kyo", "▁"], [False] * 3) == "Tokyo"


def test_nothing_unknown_nothing_changed() -> None:
    weights_TS = np.zeros((2, 3))
    assert copy_unknown(["▁a", "b"], [False, False], weights_TS, ["▁x", "y", "z"], [True] * 3) == ["▁a", "b"]
