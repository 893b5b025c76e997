import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s.data.store import TokenStore


def test_three_sentences_on_paper() -> None:
    store = TokenStore([[5, 6, 7], [], [9, 8]], vocabulary_size=11)
    assert store.tokens.tolist() == [5, 6, 7, 9, 8]
    assert store.offsets.tolist() == [0, 3, 3, 5]
    assert len(store) == 3
    assert [store[index].tolist() for index in range(3)] == [[5, 6, 7], [], [9, 8]]
    assert store.lengths.tolist() == [3, 0, 2]


def test_no_sentences() -> None:
    store = TokenStore([], vocabulary_size=11)
    assert len(store) == 0
    assert store.lengths.tolist() == []


@pytest.mark.parametrize(("vocabulary_size", "kind"), [(8, np.uint16), (2**16, np.uint16), (2**16 + 1, np.int32)])
def test_two_bytes_a_piece_where_they_suffice(vocabulary_size: int, kind: type) -> None:
    largest = vocabulary_size - 1
    store = TokenStore([[0, largest], [largest]], vocabulary_size)
    assert store.tokens.dtype == kind
    assert store[0].tolist() == [0, largest]
    assert store[1].tolist() == [largest]


def test_an_id_beyond_two_bytes_is_not_wrapped() -> None:
    with pytest.raises(OverflowError):
        TokenStore([[2**16]], vocabulary_size=2**16)


@given(st.lists(st.lists(st.integers(0, 99), max_size=7), max_size=9))
@settings(deadline=None, max_examples=50)
def test_sentences_come_back(sentences: list[list[int]]) -> None:
    store = TokenStore(sentences, vocabulary_size=100)
    assert [store[index].tolist() for index in range(len(store))] == sentences
    assert store.lengths.tolist() == [len(sentence) for sentence in sentences]
