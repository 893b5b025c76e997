"""Which sources are called unlike the text of training: on paper, and in a run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from s2s.data.token_store import TokenStore
from s2s.data.vocabulary.subwords import UNK, Subwords
from s2s.decoding.familiarity import CONFIDENCE, Confidence, Familiarity, load_unseen, save_unseen, unseen_pieces
from s2s.decoding.postprocessing import NBestList
from s2s.decoding.search.backpointers import Hypothesis
from s2s.errors import RunError
from s2s.runs.checkpoint import save_checkpoint, weights_path
from s2s.runs.folder import RunFolder


def translation(*log_probabilities: float) -> NBestList:
    ids = tuple(range(4, 4 + len(log_probabilities)))
    return NBestList(("text",), (Hypothesis(ids, sum(log_probabilities), 0.0, log_probabilities),), (("text",),))


@pytest.fixture(scope="module")
def subwords(tiny_run: Path) -> Subwords:
    return Subwords.load(RunFolder(tiny_run).subwords(is_shared=True)[0])


def test_the_confidence_of_a_dev_set() -> None:
    """1/200 of the way from the lowest of three means to the next is 1/100 of the way between two of them."""
    found = Confidence.of([translation(-8, -10), translation(-1, 1), translation()])
    assert (found.mean, found.low) == (-3, pytest.approx(-8.91))
    assert Confidence.of([translation(-1, -3), translation(-4)]) == Confidence(mean=-3, low=-4.5)
    assert Confidence.of([translation()]) == Confidence(mean=0, low=0)


def test_an_unsure_translation_is_doubted(subwords: Subwords) -> None:
    familiarity = Familiarity(subwords, confidence=Confidence(mean=-0.5, low=-1.0))
    assert familiarity.doubt("하나 둘", translation(-1.0, -1.0)) is None
    doubt = familiarity.doubt("하나 둘", translation(-1.0, -1.5))
    assert doubt is not None
    assert "mean log probability of a piece -1.25; -0.50 on its dev set" in doubt
    assert replace(familiarity, confidence=None).doubt("하나 둘", translation(-9.0)) is None


@pytest.mark.parametrize(
    ("source", "doubt"),
    [
        ("하나 둘 셋", None),
        ("", None),
        (" \t ", None),
        ("하나 漢字", None),  # half of them
        ("one 둘 six", "2 of 3 words were never seen in training: one, six"),  # target pieces of a shared vocabulary
        ("漢字", "1 of 1 words was never seen in training: 漢字"),
        ("a b c d e f 하나", "6 of 7 words were never seen in training: a, b, c, d, e, ..."),
        ("漢\u200b字 \u001c語", "2 of 2 words were never seen in training: 漢\u200b字, 語"),
    ],
)
def test_words_that_were_never_seen_are_named(tiny_run: Path, subwords: Subwords, source: str, doubt: str) -> None:
    familiarity = replace(Familiarity.load(RunFolder(tiny_run), subwords), confidence=None)
    assert familiarity.doubt(source, translation(-9.0)) == doubt
    assert Familiarity(subwords).unseen_words(source) is None


def test_unseen_pieces_are_those_that_do_not_occur(tmp_path: Path) -> None:
    store = TokenStore([[4, 6], [UNK], [6]], vocabulary_size=7)
    is_unseen_V = unseen_pieces(store, 7)
    assert is_unseen_V.tolist() == [True, True, True, True, False, True, False]
    save_unseen(RunFolder(tmp_path), is_unseen_V)
    found_V = load_unseen(RunFolder(tmp_path), 7)
    assert found_V is not None
    assert np.array_equal(found_V, is_unseen_V)
    assert load_unseen(RunFolder(tmp_path / "of an earlier version"), 7) is None


BAD_LISTS = {
    **{each: each for each in ("", "3", "{}", '["a"]', "[[1, 2], [3]]", "[[1, 2]]", "[7]", "[1e999]", "[1.0]", "\x00")},
    **{each: each for each in ("[-1]", "[true]", "[null]")},
    "400 digits": f"[{'9' * 400}]",
    "nested deeply": "[" * 100_000,
    "too large": " " * 10_000_001,
}


@pytest.mark.parametrize("content", BAD_LISTS.values(), ids=BAD_LISTS)
def test_a_damaged_list_is_an_error(tmp_path: Path, content: str) -> None:
    RunFolder(tmp_path).unseen_pieces.write_text(content)
    with pytest.raises(RunError, match=r"unseen_pieces\.json: expected a list of ids below 7"):
        load_unseen(RunFolder(tmp_path), 7)


def test_a_list_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, _: int) -> None:
        raise OSError(5, "Input/output error", str(path))

    RunFolder(tmp_path).unseen_pieces.write_text("[]")
    monkeypatch.setattr("s2s.decoding.familiarity.read_json", fail)
    with pytest.raises(RunError, match="Input/output error"):
        load_unseen(RunFolder(tmp_path), 7)


@pytest.mark.parametrize(
    "kept",
    [3, [], "low", {}, {"mean": -1.0}, {"mean": -1.0, "low": "x"}, {"mean": True, "low": -2.0}, {"a b": 1}],
    ids=repr,
)
def test_a_damaged_confidence_is_an_error(tmp_path: Path, subwords: Subwords, kept: Any) -> None:
    save_checkpoint(weights_path(RunFolder(tmp_path)), {}, {CONFIDENCE: kept})
    with pytest.raises(RunError, match=r"weights\.safetensors: expected two numbers as dev_confidence"):
        Familiarity.load(RunFolder(tmp_path), subwords)


def test_weights_of_an_earlier_version_have_no_confidence(tmp_path: Path, subwords: Subwords) -> None:
    save_checkpoint(weights_path(RunFolder(tmp_path)), {}, {})
    assert Familiarity.load(RunFolder(tmp_path), subwords).confidence is None


def test_a_run_keeps_what_it_was_trained_on(tiny_run: Path, subwords: Subwords) -> None:
    found = Familiarity.load(RunFolder(tiny_run), subwords)
    assert found.is_unseen_V is not None
    assert not found.is_unseen_V[subwords.encode(["하나 둘 셋 넷 다섯 여섯"])[0]].any()
    assert found.confidence is not None
    assert found.confidence.low <= found.confidence.mean < 0
