import mmap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s.data.token_store import TokenStore, build_shard, join_shards, write_shard
from s2s.errors import DataError


def test_three_sentences_on_paper() -> None:
    store = TokenStore([[5, 6, 7], [], [9, 8]], vocabulary_size=11)
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
    assert store[0].dtype == kind
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


# ----------------------------------------------------------------------------------------------------------------------
# Shards


def written(folder: Path, *shards: list[list[int]], vocabulary_size: int = 100) -> list[Path]:
    paths = [folder / f"ids.{number}" for number in range(len(shards))]
    for path, sentences in zip(paths, shards, strict=True):
        write_shard(path, build_shard(sentences, vocabulary_size))
    return paths


def test_two_shards_on_paper(tmp_path: Path) -> None:
    store = TokenStore.open(written(tmp_path, [[5, 6, 7], []], [], [[9, 8]], vocabulary_size=11))
    assert len(store) == 3
    assert [store[index].tolist() for index in range(3)] == [[5, 6, 7], [], [9, 8]]
    assert store.lengths.tolist() == [3, 0, 2]
    assert store.lengths.dtype == store[0].dtype == np.uint16
    first, second = build_shard([[5, 6, 7], []], 11), build_shard([[9, 8]], 11)
    joined = join_shards([first, second])
    assert (joined.tokens.tolist(), joined.offsets.tolist()) == ([5, 6, 7, 9, 8], [0, 3, 3, 5])


def test_shards_are_mapped_and_cannot_be_written(tmp_path: Path) -> None:
    store = TokenStore.open(written(tmp_path, [[5, 6]]))
    owner: object = store[0]
    while isinstance(owner, np.ndarray):
        owner = owner.base
    assert isinstance(owner, mmap.mmap)
    with pytest.raises(ValueError, match="read-only"):
        store[0][0] = 1


def test_a_long_sentence_has_a_long_length(tmp_path: Path) -> None:
    store = TokenStore.open(written(tmp_path, [[1] * 70_000, [2]], [[3] * 2]))
    assert store.lengths.tolist() == [70_000, 1, 2]


@given(st.lists(st.lists(st.lists(st.integers(0, 99), max_size=4), max_size=4), min_size=1, max_size=4))
@settings(deadline=None, max_examples=30)
def test_shards_hold_what_a_store_in_memory_holds(
    tmp_path_factory: pytest.TempPathFactory, shards: list[list[list[int]]]
) -> None:
    mapped = TokenStore.open(written(tmp_path_factory.getbasetemp(), *shards))
    sentences = [sentence for shard in shards for sentence in shard]
    assert [mapped[index].tolist() for index in range(len(mapped))] == sentences
    assert mapped.lengths.tolist() == TokenStore(sentences, 100).lengths.tolist()


@pytest.mark.parametrize("name", ["ids.0.tokens.npy", "ids.0.offsets.npy"])
@pytest.mark.parametrize("damage", ["missing", "cut", "empty", "text"])
def test_a_damaged_shard_is_an_error(tmp_path: Path, name: str, damage: str) -> None:
    paths = written(tmp_path, [[5, 6, 7], [8]])
    path = tmp_path / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"cut": content[:-2], "empty": b"", "text": b"not an array"}[damage])
    with pytest.raises(DataError, match=r"ids\.0: expected "):
        TokenStore.open(paths)


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells what is mapped")
def test_what_was_read_is_let_go_and_can_be_read_again(tmp_path: Path) -> None:
    """4 MB of ids, all of which are touched."""
    sentences = [[number % 1000] * 100 for number in range(20_000)]
    write_shard(tmp_path / "a", build_shard(sentences, 1000))
    store = TokenStore.open([tmp_path / "a"])
    for _ in range(2):
        assert all(store[number][99] == number % 1000 for number in range(20_000))
        before_kb = mapped_kb(tmp_path / "a.tokens.npy")
        store.release()
        assert before_kb > 3000
        assert mapped_kb(tmp_path / "a.tokens.npy") < 100
    TokenStore([[1, 2]], 9).release()  # nothing to let go of in memory


def mapped_kb(path: Path) -> int:
    """How much of a mapped file counts as memory of this process."""
    maps = Path("/proc/self/smaps").read_text().split(str(path))
    return sum(int(part.split("Rss:")[1].split()[0]) for part in maps[1:])
