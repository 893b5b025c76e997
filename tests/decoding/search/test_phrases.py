"""Phrases in what was said. Pieces with edges: 0 "▁ab", 1 "c" (goes on), 2 "." (neither), 3 "▁ab." (is closed)."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from s2s.decoding.search.phrases import NO_WORD, Phrases, WordEdges
from tables import CPU, Words, occurs

EDGES = WordEdges(torch.tensor([False, True, False, False]), torch.tensor([True, True, False, False]))
words = st.lists(st.integers(0, 3), max_size=9).map(tuple)
phrases = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4).map(tuple), min_size=1, max_size=5)


def said(said_words: Words, rows: list[Words], edges: WordEdges | None = None) -> tuple[list[int], list[bool]]:
    """How far each phrase has come at the end, and whether it was said."""
    found = Phrases.of([rows], CPU, edges)
    words_11T = torch.tensor([[said_words]], dtype=torch.long).reshape(1, 1, -1)
    return found.progress(words_11T)[0, 0].tolist(), found.are_said(words_11T)[0, 0].tolist()


def test_phrases_are_padded() -> None:
    found = Phrases.of([[(7, 8, 9), (5,)], [], [()]], CPU)
    assert found.words_BCL.tolist() == [
        [[7, 8, 9], [5, NO_WORD, NO_WORD]],
        [[NO_WORD] * 3] * 2,
        [[NO_WORD] * 3] * 2,
    ]
    assert found.length_BC.tolist() == [[3, 1], [0, 0], [0, 0]]


def test_progress_is_the_longest_beginning_that_was_said_last() -> None:
    # After 7 7: of (7 7 8) two words; of (7 8) one; of (7 7) one, since it is short of all; of (8) none.
    assert said((7, 7), [(7, 7, 8), (7, 8), (7, 7), (8,)]) == ([2, 1, 1, 0], [False, False, True, False])
    assert said((), [(7,), (8, 9)]) == ([0, 0], [False, False])


def test_no_phrase_is_never_begun_nor_said() -> None:
    assert said((7, 8), [(7, 8), ()]) == ([0, -1], [True, False])


def test_a_phrase_begins_and_ends_with_a_whole_word() -> None:
    assert said((0, 1), [(1,), (0,), (0, 1)], EDGES) == ([-1, 0, 0], [False, False, True])  # "abc" has no "c", no "ab"
    assert said((0, 2, 1), [(1,), (0,)], EDGES) == ([-1, 0], [True, True])  # "ab.c"
    assert said((0,), [(1,), (0, 1), (0,)], EDGES) == ([-1, 1, 0], [False, False, True])  # "ab" may still end
    assert said((3, 1), [(3,), (1,)], EDGES) == ([0, -1], [True, True])  # "ab.c"


@given(words=words, phrases=phrases)
def test_phrases_are_found_where_they_are(words: Words, phrases: list[Words]) -> None:
    beginnings = [
        max(count for count in range(len(phrase)) if words[len(words) - count :] == phrase[:count])
        for phrase in phrases
    ]
    assert said(words, phrases) == (beginnings, [occurs(phrase, words) for phrase in phrases])


@given(words=words, phrases=phrases)
def test_with_edges_they_are_found_between_whole_words(words: Words, phrases: list[Words]) -> None:
    goes_on, is_open = EDGES.goes_on_V.tolist(), EDGES.is_open_V.tolist()

    def joined(at: int) -> bool:
        return 0 < at < len(words) and is_open[words[at - 1]] and goes_on[words[at]]

    expected = [
        any(
            words[at : at + len(phrase)] == phrase and not joined(at) and not joined(at + len(phrase))
            for at in range(len(words))
        )
        for phrase in phrases
    ]
    assert said(words, phrases, EDGES)[1] == expected


def test_sentences_are_selected() -> None:
    found = Phrases.of([[(7,)], [(8, 9)], [(5,)]], CPU).of_sentences(torch.tensor([2, 1]))
    assert found.length_BC.tolist() == [[1], [2]]
    shared = Phrases.of([[(7,)]], CPU)
    assert shared.of_sentences(torch.tensor([4, 6])).words_BCL.tolist() == [[[7]]]
