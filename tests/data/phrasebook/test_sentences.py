import unicodedata
from itertools import islice, pairwise

import pytest

from s2s.config.data import Split
from s2s.data.phrasebook.clauses import split_of
from s2s.data.phrasebook.generate import distinct_pairs, generate
from s2s.data.phrasebook.lexicon import article
from s2s.data.phrasebook.sentences import AlignedPair


@pytest.fixture(scope="module")
def pairs() -> dict[Split, list[AlignedPair]]:
    return {split: list(islice(generate(split, 7), 30_000 if split is Split.train else 5_000)) for split in Split}


def test_english_is_a_function_of_korean(pairs: dict[Split, list[AlignedPair]]) -> None:
    target_of: dict[str, str] = {}
    for pair in (pair for split in Split for pair in pairs[split]):
        assert target_of.setdefault(pair.source, pair.target) == pair.target
    assert len(target_of) > 30_000


def test_splits_share_neither_combinations_nor_text(pairs: dict[Split, list[AlignedPair]]) -> None:
    sources = {split: {pair.source for pair in pairs[split]} for split in Split}
    for split in Split:
        assert all(split_of(combination) is split for pair in pairs[split] for combination in pair.combinations)
        assert all(pair.combinations for pair in pairs[split])
        assert not any(sources[split] & sources[other] for other in Split if other is not split)


def test_held_out_words_are_known(pairs: dict[Split, list[AlignedPair]]) -> None:
    known = {word.rstrip(".?") for pair in pairs[Split.train] for word in pair.source.split()}
    for split in (Split.dev, Split.test):
        held_out = [word.rstrip(".?") for pair in pairs[split] for word in pair.source.split()]
        assert sum(word not in known for word in held_out) < 0.001 * len(held_out)


def test_split_is_stable() -> None:
    """Fixed for ever: a corpus made by another version of Python or on another machine has the same splits."""
    assert [split_of(text).name for text in ("저+읽다+책", "우리+읽다+책", "저+읽다+교과서")] == [
        "train",
        "dev",
        "test",
    ]


def test_alignments_and_text(pairs: dict[Split, list[AlignedPair]]) -> None:
    for pair in (pair for split in Split for pair in pairs[split]):
        num_source, num_target = len(pair.source.split(" ")), len(pair.target.split(" "))
        assert pair.alignment == tuple(sorted(set(pair.alignment)))
        assert {i for i, _ in pair.alignment} == set(range(num_source)), pair
        assert {j for _, j in pair.alignment} == set(range(num_target)), pair
        for text in (pair.source, pair.target):
            assert unicodedata.is_normalized("NFC", text)
            assert text == " ".join(text.split())
            assert text[-1] in ".?"
            assert text[-2] not in ".?, "
        assert pair.target[0].isupper()


def test_articles_are_right(pairs: dict[Split, list[AlignedPair]]) -> None:
    for pair in (pair for split in Split for pair in pairs[split]):
        words = pair.target.lower().split()
        for first, second in pairwise(words):
            if first in {"a", "an"}:
                assert first == article(second), pair.target


def test_same_seed_same_pairs() -> None:
    first, again, other = (list(islice(generate(Split.dev, seed), 200)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_distinct_pairs() -> None:
    found = distinct_pairs(Split.test, 2_000, 1)
    assert len(found) == len({pair.source for pair in found}) == 2_000
    assert distinct_pairs(Split.test, 0, 1) == []
    assert distinct_pairs(Split.test, 100, 1) == found[:100]
