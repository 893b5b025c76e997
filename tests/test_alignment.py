"""Alignments worked out on paper: three sentences, no model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s.data.links import format_pharaoh, links_from_weights, parse_pharaoh
from s2s.data.words import merge_pieces, merge_weights, words_of_pieces
from s2s.errors import DataError
from s2s.evaluation.alignment import alignment_error_rate

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


def test_links_follow_the_largest_weight() -> None:
    weights_JI = np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]])  # the first of equals
    assert links_from_weights(weights_JI) == [(0, 1), (2, 0)]
    assert links_from_weights(np.zeros((0, 3))) == []
    with pytest.raises(ValueError, match="at least one source word"):
        links_from_weights(np.zeros((2, 0)))


def test_pharaoh_reads_and_writes() -> None:
    assert parse_pharaoh("0-0 10-2 2p1\n") == ({(0, 0), (10, 2)}, {(2, 1)})
    assert parse_pharaoh("\n") == (set(), set())
    assert format_pharaoh([(10, 2), (0, 0), (2, 1), (0, 0)]) == "0-0 2-1 10-2"
    assert format_pharaoh([]) == ""


@given(st.sets(st.tuples(st.integers(0, 999), st.integers(0, 999))))
def test_pharaoh_comes_back(links: set[tuple[int, int]]) -> None:
    assert parse_pharaoh(format_pharaoh(links)) == (links, set())


@pytest.mark.parametrize("link", ["1", "1-", "-1", "1-2-3", "1--2", "a-b", "1:2", "1P2", "１-2", "1-" + "9" * 5000])
def test_pharaoh_refuses_other_links_by_name(link: str) -> None:
    with pytest.raises(DataError, match=f"got '{link[:40]}'"):
        parse_pharaoh(f"0-0 {link} 1-1")


def test_alignment_error_rate_on_paper() -> None:
    # A = 3 + 1 links, S = 2 + 2; sure hits 1 + 1, hits among sure and possible 2 + 1: 1 - (2 + 3) / (4 + 4).
    predicted = [{(0, 0), (1, 2), (2, 1)}, {(0, 0)}]
    sure = [{(0, 0), (1, 1)}, {(0, 0), (3, 1)}]
    possible: list[set[tuple[int, int]]] = [{(1, 2)}, set()]
    assert alignment_error_rate(predicted, sure, possible) == pytest.approx(3 / 8)


def test_alignment_error_rate_at_its_ends() -> None:
    sure, possible = [{(0, 0), (1, 1)}], [{(2, 1)}]
    assert alignment_error_rate(iter(sure), sure, possible) == 0
    assert alignment_error_rate([sure[0] | possible[0]], sure, possible) == 0
    assert alignment_error_rate([{(5, 5)}], sure, possible) == 1
    assert alignment_error_rate([set()], sure, possible) == 1


def test_alignment_error_rate_refuses_nothing_and_unequal_corpora() -> None:
    with pytest.raises(DataError, match="got none in 1 sentence pairs"):
        alignment_error_rate([set()], [set()], [{(0, 0)}])
    with pytest.raises(DataError, match="got 1, 2, 1"):
        alignment_error_rate([{(0, 0)}], [{(0, 0)}, set()], [set()])
