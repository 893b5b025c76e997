"""What the Python API is given, and the form of what it returns."""

import numpy as np
import pytest

from s2s.api.inputs import lines_of, one_or_all, one_or_all_pairs, pairs_of, sentence_of, with_targets
from s2s.api.translation import Translation
from s2s.data.text.parallel_text import Pair
from s2s.errors import DataError


def test_one_sentence_or_several() -> None:
    assert lines_of("one") == ["one"]
    assert lines_of(iter(["one", ""])) == ["one", ""]
    assert with_targets("one", None) == (["one"], [None])
    assert with_targets(["one", "two"], ["eins", None]) == (["one", "two"], ["eins", None])
    assert sentence_of(" one") == " one"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"one", "expected a sentence or a list of sentences, got bytes"),
        (3, "got int"),
        (["one", 3], "number 2 is int: 3"),
    ],
)
def test_what_is_no_text_is_refused(text: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        lines_of(text)  # type: ignore[arg-type]


def test_a_sentence_is_not_blank_and_has_one_translation() -> None:
    with pytest.raises(DataError, match="got a blank one"):
        sentence_of(" ")
    with pytest.raises(DataError, match="expected one sentence, got list"):
        sentence_of(["one"])  # type: ignore[arg-type]
    with pytest.raises(DataError, match="a translation for each of 2 sentences, got 1"):
        with_targets(["one", "two"], "eins")


def test_one_pair_or_several() -> None:
    assert pairs_of(("one", "eins")) == [Pair("one", "eins")]
    assert pairs_of([["one", "eins"], ("two", "zwei")]) == [Pair("one", "eins"), Pair("two", "zwei")]
    with pytest.raises(DataError, match=r"number 2 is \('two',\)"):
        pairs_of([("one", "eins"), ("two",)])


def test_one_of_them_comes_back_alone() -> None:
    result = Translation("eins", 0.0, ("eins",), np.zeros(1))
    assert one_or_all("one", [result]) is one_or_all_pairs(("one", "eins"), [result]) is result
    assert one_or_all(["one"], [result]) == one_or_all_pairs([("one", "eins")], [result]) == [result]
