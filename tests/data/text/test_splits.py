from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s.data.text.cleaning import hash64, normalize_spaces
from s2s.data.text.parallel_text import Pair
from s2s.data.text.splits import DEV, TEST, TRAIN, choose_splits, fitting_size, rank_sources
from s2s.errors import DataError

TEXTS = st.text(st.sampled_from("ab가 \t\u2028"), max_size=9)


def split(pairs: list[Pair], num_dev: int, num_test: int, seed: int) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Train, dev and test."""
    codes = choose_splits(rank_sources(pairs, seed), num_dev, num_test).tolist()
    assert len(codes) == len(pairs)
    train, dev, test = (
        [pair for pair, code in zip(pairs, codes, strict=True) if code == which] for which in (TRAIN, DEV, TEST)
    )
    return train, dev, test


def split_by_the_book(pairs: list[Pair], num_dev: int, num_test: int, seed: int) -> tuple[list[Pair], ...]:
    """The same with texts in dictionaries."""
    groups: dict[str, list[int]] = {}
    for index, pair in enumerate(pairs):
        groups.setdefault(normalize_spaces(pair.source), []).append(index)
    splits: tuple[list[int], ...] = [], [], []
    most = num_dev, num_test, len(pairs)
    for source in sorted(groups, key=lambda text: hash64(f"{seed}\n{text}")):
        which = next(k for k in (0, 1, 2) if len(splits[k]) + len(groups[source]) <= most[k])
        splits[which].extend(groups[source])
    dev, test, train = ([pairs[index] for index in sorted(indices)] for indices in splits)
    return train, dev, test


@given(
    st.lists(st.builds(Pair, st.sampled_from(["a", "b", "c", "d", "e", " e", "f  g", "f g"]), TEXTS), max_size=25),
    st.integers(0, 6),
    st.integers(0, 5),
    st.integers(0, 3),
)
def test_hashes_split_as_texts_do(pairs: list[Pair], num_dev: int, num_test: int, seed: int) -> None:
    try:
        found = split(pairs, num_dev, num_test, seed)
    except DataError:
        return
    assert found == split_by_the_book(pairs, num_dev, num_test, seed)


def test_a_large_corpus_is_split_as_a_small_one() -> None:
    generator = np.random.default_rng(3)
    pairs = [Pair(f"source {int(n)}", str(k)) for k, n in enumerate(generator.integers(0, 4000, 5000))]
    for sizes in ((70, 50), (1700, 0), (0, 999), (2111, 1999)):
        assert split(pairs, *sizes, seed=1) == split_by_the_book(pairs, *sizes, seed=1)


@given(st.lists(st.builds(Pair, st.sampled_from("abcdefg"), TEXTS), max_size=15), st.integers(0, 3), st.integers(0, 2))
def test_splits_are_a_partition(pairs: list[Pair], num_dev: int, num_test: int) -> None:
    try:
        train, dev, test = split(pairs, num_dev, num_test, seed=1)
    except DataError:
        # A corpus in which every source is different is split whenever it is large enough.
        assert len({p.source for p in pairs}) < len(pairs) or len(pairs) <= num_dev + num_test
        return
    groups = Counter(pair.source for pair in pairs)
    if max(groups.values()) == 1:
        assert (len(dev), len(test)) == (num_dev, num_test)
    assert 0 <= num_dev - len(dev) < max(2, num_dev)
    assert 0 <= num_test - len(test) < max(2, num_test)
    assert sorted(train + dev + test) == sorted(pairs)
    num_sources = sum(len({pair.source for pair in part}) for part in (train, dev, test))
    assert num_sources == len({pair.source for pair in pairs})  # none is in two splits


NUMBERED = [Pair(f"source {n}", f"target {n}") for n in range(30)]


def test_splits_keep_the_order_of_the_corpus() -> None:
    for part in split(NUMBERED, 7, 5, seed=3):
        assert part == sorted(part, key=NUMBERED.index)


def test_the_choice_depends_on_the_seed_and_not_on_the_order() -> None:
    train, dev, test = split(NUMBERED, 7, 5, seed=3)
    assert split(NUMBERED, 7, 5, seed=3) == (train, dev, test)
    assert split(NUMBERED[::-1], 7, 5, seed=3) == (train[::-1], dev[::-1], test[::-1])
    assert split(NUMBERED, 7, 5, seed=4)[1] != dev


def test_a_source_in_two_spellings_of_its_spaces_is_one_source() -> None:
    pairs = [Pair("a b", "1"), Pair(" a  b ", "2"), Pair("c", "3")]
    for seed in range(9):
        train, dev, _ = split(pairs, 1, 0, seed)
        assert (train, dev) == (pairs[:2], pairs[2:])


@pytest.mark.parametrize(
    ("num_pairs", "size"),
    [(1, 1), (3, 1), (100, 10), (400, 40), (600, 50), (1_000, 50), (2_000, 100), (20_000, 1_000), (1_000_000, 1_000)],
)
def test_a_size_that_fits(num_pairs: int, size: int) -> None:
    """A twentieth, at most 1,000; where that is less than 50, up to a tenth."""
    assert fitting_size(num_pairs) == size


@pytest.mark.parametrize("num_pairs", [0, 1, 5])
def test_too_small_to_split(num_pairs: int) -> None:
    with pytest.raises(DataError, match=f"more than 3 dev . 2 test pairs to cut from, found {num_pairs} with"):
        split(NUMBERED[:num_pairs], 3, 2, seed=1)
    assert len(split(NUMBERED[:6], 3, 2, seed=1)[0]) == 1
