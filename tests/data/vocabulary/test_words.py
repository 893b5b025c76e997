"""Words and their pieces worked out on paper, without a model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s.data.vocabulary.words import merge_pieces, merge_weights, word_weights, words_of_pieces

SOURCE = ["▁책", "을", "▁읽", "었", "어요"]  # two words of 2 and 3 pieces
TARGET = ["▁I", "▁re", "ad"]  # two words of 1 and 2 pieces

some_pieces = st.lists(st.text("▁ab", min_size=1, max_size=3), min_size=1, max_size=9)


@pytest.mark.parametrize(
    ("pieces", "words", "texts"),
    [
        ([], [], []),
        (SOURCE, [0, 0, 1, 1, 1], ["책을", "읽었어요"]),
        (["a", "b", "▁c"], [0, 0, 1], ["ab", "c"]),  # the first piece starts word 0, marked or not
        (["▁", "a", "▁b"], [0, 0, 1], ["a", "b"]),  # a lone mark goes with the word that follows
        (["▁a", "▁", "b", "c"], [0, 1, 1, 1], ["a", "bc"]),
        (["▁a", "▁", "▁b"], [0, 1, 1], ["a", "b"]),
        (["▁a", "▁", "▁"], [0, 0, 0], ["a"]),  # nothing follows: no word of its own
        (["▁", "▁"], [0, 0], [""]),
        (["▁a▁b", "c", "▁d"], [0, 0, 1], ["a bc", "d"]),  # a mark inside splits nothing
        (["a▁", "b", "▁c"], [0, 1, 2], ["a", "b", "c"]),  # marks as suffixes
        (["▁", "<0xEC>", "<0xB1>", "<0x85>", "을"], [0, 0, 0, 0, 0], ["책을"]),  # bytes of an unknown character
        (["▁<0xFF>"], [0], ["\N{REPLACEMENT CHARACTER}"]),
    ],
)
def test_words_of_pieces(pieces: list[str], words: list[int], texts: list[str]) -> None:
    assert words_of_pieces(pieces) == words
    assert merge_pieces(pieces) == texts


@given(st.lists(st.tuples(st.sampled_from(["", "▁"]), st.text("ab", max_size=3)), min_size=1))
def test_words_are_those_of_the_decoded_text(marked: list[tuple[str, str]]) -> None:
    pieces = [mark + text for mark, text in marked if mark + text]
    words = [word for word in merge_pieces(pieces) if word]
    assert words == "".join(pieces).replace("▁", " ").split()


def test_merge_weights_adds_source_pieces_and_averages_target_pieces() -> None:
    weights_TS = np.array([[0.5, 0.2, 0.1, 0.1, 0.1], [0.1, 0.1, 0.2, 0.2, 0.4], [0.3, 0.3, 0.1, 0.1, 0.2]])
    expected = [[0.7, 0.3], [(0.2 + 0.6) / 2, (0.8 + 0.4) / 2]]
    np.testing.assert_allclose(merge_weights(weights_TS, SOURCE, TARGET), expected)


@given(some_pieces, some_pieces, st.integers(0, 99))
def test_merge_weights_keeps_row_sums(source: list[str], target: list[str], seed: int) -> None:
    weights_TS = np.random.default_rng(seed).dirichlet(np.ones(len(source)), size=len(target)).astype(np.float32)
    merged_JI = merge_weights(weights_TS, source, target)
    assert merged_JI.shape == (len(merge_pieces(target)), len(merge_pieces(source)))
    np.testing.assert_allclose(merged_JI.sum(axis=1), 1, rtol=1e-5)


def test_merge_weights_of_nothing_and_of_the_wrong_shape() -> None:
    assert merge_weights(np.zeros((0, 5)), SOURCE, []).shape == (0, 2)
    with pytest.raises(ValueError, match=r"\(3, 5\), got \(5, 3\)"):
        merge_weights(np.zeros((5, 3)), SOURCE, TARGET)


def test_a_word_may_have_no_pieces() -> None:
    """Source words of 2, 0 and 1 pieces; target words of 0, 2, 1 and 0."""
    weights_TS = np.array([[0.5, 0.2, 0.3], [0.1, 0.1, 0.8], [0.0, 0.25, 0.75]])
    weights_JI = word_weights(weights_TS, [2, 0, 1], [0, 2, 1, 0])
    np.testing.assert_allclose(weights_JI, [[0, 0, 0], [0.45, 0, 0.55], [0.25, 0, 0.75], [0, 0, 0]])
