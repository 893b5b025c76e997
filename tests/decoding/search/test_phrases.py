"""Phrases in hypotheses.

Pieces with word boundaries: 0 "▁ab", 1 "c" (continues it), 2 "." (neither), 3 "▁ab." (cannot be continued).
"""

import torch
from hypothesis import given
from hypothesis import strategies as st

from s2s.decoding.search.phrases import NO_TOKEN, Phrases, WordBoundaries
from tables import CPU, Tokens, occurs

BOUNDARIES = WordBoundaries(torch.tensor([False, True, False, False]), torch.tensor([True, True, False, False]))
token_lists = st.lists(st.integers(0, 3), max_size=9).map(tuple)
phrases = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4).map(tuple), min_size=1, max_size=5)


def found(tokens: Tokens, rows: list[Tokens], boundaries: WordBoundaries | None = None) -> tuple[list[int], list[bool]]:
    """How far each phrase has come at the end, and whether it occurs."""
    made = Phrases.of([rows], CPU, boundaries)
    tokens_11T = torch.tensor([[tokens]], dtype=torch.long).reshape(1, 1, -1)
    return made.progress(tokens_11T)[0, 0].tolist(), made.occur(tokens_11T)[0, 0].tolist()


def test_phrases_are_padded() -> None:
    found = Phrases.of([[(7, 8, 9), (5,)], [], [()]], CPU)
    assert found.tokens_BCL.tolist() == [
        [[7, 8, 9], [5, NO_TOKEN, NO_TOKEN]],
        [[NO_TOKEN] * 3] * 2,
        [[NO_TOKEN] * 3] * 2,
    ]
    assert found.length_BC.tolist() == [[3, 1], [0, 0], [0, 0]]


def test_progress_is_the_longest_beginning_at_the_end() -> None:
    # After 7 7: of (7 7 8) two tokens; of (7 8) one; of (7 7) one, as less than all count; of (8) none.
    assert found((7, 7), [(7, 7, 8), (7, 8), (7, 7), (8,)]) == ([2, 1, 1, 0], [False, False, True, False])
    assert found((), [(7,), (8, 9)]) == ([0, 0], [False, False])


def test_an_empty_phrase_never_begins_nor_occurs() -> None:
    assert found((7, 8), [(7, 8), ()]) == ([0, -1], [True, False])


def test_a_phrase_begins_and_ends_with_a_whole_word() -> None:
    # "abc" has no "c", no "ab".
    assert found((0, 1), [(1,), (0,), (0, 1)], BOUNDARIES) == ([-1, 0, 0], [False, False, True])
    assert found((0, 2, 1), [(1,), (0,)], BOUNDARIES) == ([-1, 0], [True, True])  # "ab.c"
    assert found((0,), [(1,), (0, 1), (0,)], BOUNDARIES) == ([-1, 1, 0], [False, False, True])  # "ab" may still end
    assert found((3, 1), [(3,), (1,)], BOUNDARIES) == ([0, -1], [True, True])  # "ab.c"


@given(tokens=token_lists, phrases=phrases)
def test_phrases_are_found_where_they_are(tokens: Tokens, phrases: list[Tokens]) -> None:
    beginnings = [
        max(count for count in range(len(phrase)) if tokens[len(tokens) - count :] == phrase[:count])
        for phrase in phrases
    ]
    assert found(tokens, phrases) == (beginnings, [occurs(phrase, tokens) for phrase in phrases])


@given(tokens=token_lists, phrases=phrases)
def test_with_boundaries_they_are_found_between_whole_words(tokens: Tokens, phrases: list[Tokens]) -> None:
    goes_on, is_open = BOUNDARIES.continues_V.tolist(), BOUNDARIES.can_continue_V.tolist()

    def joined(at: int) -> bool:
        return 0 < at < len(tokens) and is_open[tokens[at - 1]] and goes_on[tokens[at]]

    expected = [
        any(
            tokens[at : at + len(phrase)] == phrase and not joined(at) and not joined(at + len(phrase))
            for at in range(len(tokens))
        )
        for phrase in phrases
    ]
    assert found(tokens, phrases, BOUNDARIES)[1] == expected


def test_sentences_are_selected() -> None:
    found = Phrases.of([[(7,)], [(8, 9)], [(5,)]], CPU).of_sentences(torch.tensor([2, 1]))
    assert found.length_BC.tolist() == [[1], [2]]
    shared = Phrases.of([[(7,)]], CPU)
    assert shared.of_sentences(torch.tensor([4, 6])).tokens_BCL.tolist() == [[[7]]]
