"""Random segmentations against all of them, enumerated, and against merges done by hand."""

import math
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from s2s.data.vocabulary import subword_regularization
from s2s.data.vocabulary.subword_regularization import BPESegmenter, UnigramSegmenter

PIECES = {"a": 0.4, "b": 0.3, "ab": 0.15, "ba": 0.05, "bab": 0.1}
LOGS = {piece: math.log(probability) for piece, probability in PIECES.items()}


def all_segmentations(word: str) -> Iterator[tuple[str, ...]]:
    """Every way to make a word up of the pieces."""
    if not word:
        yield ()
    for piece in PIECES:
        if word.startswith(piece):
            yield from ((piece, *rest) for rest in all_segmentations(word[len(piece) :]))


def test_segmentations_on_paper() -> None:
    assert set(all_segmentations("abab")) == {
        ("a", "b", "a", "b"),
        ("a", "b", "ab"),
        ("a", "ba", "b"),
        ("a", "bab"),
        ("ab", "a", "b"),
        ("ab", "ab"),
    }


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0, 3.0])
def test_a_segmentation_is_as_likely_as_its_probability_to_the_power_of_alpha(alpha: float) -> None:
    num, random, segmenter = 20_000, Random(3), UnigramSegmenter(LOGS, alpha)
    found = Counter(tuple(segmenter.segment("abab", random)) for _ in range(num))
    weights = {cut: math.prod(PIECES[piece] for piece in cut) ** alpha for cut in all_segmentations("abab")}
    assert set(found) <= set(weights)
    for cut, weight in weights.items():
        share = weight / sum(weights.values())
        assert found[cut] / num == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / num))


def test_very_unlikely_pieces_do_not_underflow() -> None:
    """A thousand pieces of probability e ** -20 each."""
    segmenter = UnigramSegmenter({"a": -20.0, "aa": -40.0}, 1.0)
    pieces = segmenter.segment("a" * 1000, Random(1))
    assert "".join(pieces) == "a" * 1000
    assert {"a", "aa"} == set(pieces)


@pytest.mark.parametrize("segmenter", [UnigramSegmenter(LOGS, 0.5), BPESegmenter(LOGS, 0.5)], ids=["unigram", "bpe"])
def test_a_word_of_unknown_characters_is_not_segmented(segmenter: UnigramSegmenter | BPESegmenter) -> None:
    for word in ("abxab", "x", "xab", "abx"):
        assert segmenter.segment(word, Random(1)) == []
    assert "".join(segmenter.segment("abab", Random(1))) == "abab"


def test_what_was_seen_before_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even when the tables of words are too many, and are made anew."""
    words = ["ab", "abab", "ba", "ab", "bab", "abab"] * 2
    segmenter, random = UnigramSegmenter(LOGS, 0.5), Random(2)
    expected = [segmenter.segment(word, random) for word in words]
    monkeypatch.setattr(subword_regularization, "_MAX_WORDS", 2)
    segmenter, random = UnigramSegmenter(LOGS, 0.5), Random(2)
    assert [segmenter.segment(word, random) for word in words] == expected
    assert len(segmenter._tables) <= 2


def test_segmentations_do_not_depend_on_the_process_or_the_machine() -> None:
    """Written down once."""
    cuts = [" ".join(UnigramSegmenter(LOGS, 0.5).segment("abab", Random(str(seed)))) for seed in range(4)]
    assert cuts == ["a b ab", "ab ab", "a b ab", "a b a b"]
    cuts = [" ".join(BPESegmenter(MERGES, 0.5).segment("hello", Random(str(seed)))) for seed in range(4)]
    assert cuts == ["h e llo", "h e l l o", "he l l o", "he ll o"]


# Merges, the first ones first: h-e, l-l, ll-o, he-llo.
MERGES = {"he": 0.0, "ll": -1.0, "llo": -2.0, "hello": -3.0, **{letter: -9.0 for letter in "helo"}}


@pytest.mark.parametrize(
    ("alpha", "expected"), [(0.0, ["hello"]), (1.0, ["h", "e", "l", "l", "o"])], ids=["all", "none"]
)
def test_merges_at_the_ends_of_alpha(alpha: float, expected: list[str]) -> None:
    assert BPESegmenter(MERGES, alpha).segment("hello", Random(1)) == expected


class Draws(Random):
    """Numbers that were written down."""

    def __init__(self, *numbers: float) -> None:
        super().__init__()
        self.numbers = list(numbers)

    def random(self) -> float:
        return self.numbers.pop(0)


def test_merges_by_hand() -> None:
    """Alpha 1/2: a merge with a number below is left out of its round, and is possible again in the next."""
    draws = Draws(
        *(0.1, 0.9),  # he left out, ll made: h e ll o
        *(0.9, 0.9),  # he and llo possible, he has priority: he ll o
        *(0.9,),  # llo made: he llo
        *(0.1,),  # hello left out, and nothing else is possible
    )
    assert BPESegmenter(MERGES, 0.5).segment("hello", draws) == ["he", "llo"]
    assert draws.numbers == []


def test_of_equal_merges_the_leftmost_comes_first() -> None:
    assert BPESegmenter({"aa": 0.0, "a": -1.0}, 0.0).segment("aaa", Random(1)) == ["aa", "a"]


def test_a_share_of_single_merges_is_left_out() -> None:
    random, segmenter = Random(4), BPESegmenter({"ab": 0.0, "a": -1.0, "b": -2.0}, 0.25)
    num_whole = sum(segmenter.segment("ab", random) == ["ab"] for _ in range(20_000))
    assert num_whole / 20_000 == pytest.approx(0.75, abs=5 * math.sqrt(0.75 * 0.25 / 20_000))
