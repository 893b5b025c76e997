"""Hypotheses become text: alignments, replaced words and ranks worked out on paper."""

import math

import pytest
import torch
from torch import Tensor

from s2s.config.data import SubwordKind
from s2s.config.search import ExpectedUtility, SearchConfig, Strategy
from s2s.data.vocabulary.subwords import UNK, Subwords, train_subwords
from s2s.decoding.postprocessing import Postprocessing, build_postprocessing
from s2s.decoding.search.backpointers import Hypothesis


@pytest.fixture(scope="module")
def subwords() -> Subwords:
    """Of two words of one piece each and the letters that they are made of; all other characters are unknown."""
    lines = ["ab cd", "cd ab", "ab ab cd cd"] * 20
    made, _ = train_subwords(lines, vocabulary_size=30, kind=SubwordKind.unigram, character_coverage=1.0)
    return made


def hypothesis(ids: list[int], attention_TS: Tensor | None = None, log_probability: float = -1.0) -> Hypothesis:
    return Hypothesis(tuple(ids), log_probability, log_probability, (log_probability,), attention_TS)


def attention_at(*columns: int, num_source: int) -> Tensor:
    """Attention of each position at one source position."""
    return torch.nn.functional.one_hot(torch.tensor(columns), num_source + 1).float()


def test_alignments_join_words_and_leave_the_ends_out(subwords: Subwords) -> None:
    line = "cd ab ab"
    (source,), (target,) = subwords.encode([line]), subwords.encode(["ab cd"])
    assert [len(source), len(target)] == [3, 2]
    postprocessing = Postprocessing(subwords, subwords, with_alignments=True)
    attention_TS = attention_at(2, 0, 3, num_source=3)  # the row of </s> looks at </s>
    found = postprocessing(line, source, [hypothesis(target, attention_TS), hypothesis([], attention_TS[2:])])
    assert found.texts == ("ab cd", "")
    assert found.pieces == (("▁ab", "▁cd"), ())
    assert found.alignments == (((0, 1), (2, 0)), ())
    # Of a line that was cut after two pieces, the rest is linked to nothing.
    found = postprocessing(line, source[:2], [hypothesis(target, attention_at(1, 0, 2, num_source=2))])
    assert found.alignments == (((0, 1), (1, 0)),)


@pytest.mark.parametrize(
    ("line", "sizes"),
    [
        ("ab´ab cd", [5, 1]),  # the accent is normalised to a space and an unknown character
        ("ab \u200b cd", [1, 0, 1]),  # which stands for nothing
        ("\u3000ab\u00a0\u00a0cd ", [1, 1]),
        ("ab\x1ccd ab", [3, 1, 0]),  # no space to the subwords, whose words are then counted from the beginning
    ],
)
def test_alignments_count_the_words_of_the_line(subwords: Subwords, line: str, sizes: list[int]) -> None:
    (source,), (target,) = subwords.encode([line]), subwords.encode(["ab"])
    words = [word for word, size in enumerate(sizes) for _ in range(size)]
    assert len(words) == len(source)
    assert len(sizes) == len(line.split())
    for position, word in enumerate(words):
        attention_TS = attention_at(position, len(source), num_source=len(source))
        hypotheses = [hypothesis(target, attention_TS)]
        found = Postprocessing(subwords, subwords, with_alignments=True)(line, source, hypotheses)
        assert found.alignments == (((word, 0),),)


def test_unknown_pieces_are_replaced_from_the_source(subwords: Subwords) -> None:
    line = "ab (漢字) cd"
    (source,) = subwords.encode([line])
    surfaces = subwords.surfaces(line)
    assert [index == UNK for index in source] == [piece == "(漢字)" for piece in surfaces]
    start, (ab,) = source[1], subwords.encode(["ab"])[0]
    ids, attention_TS = [ab, start, UNK], attention_at(0, 1, 2, 3, num_source=len(source))
    assert surfaces[1:3] == ["▁", "(漢字)"]
    filled = Postprocessing(subwords, subwords, replace_unknown=True)(line, source, [hypothesis(ids, attention_TS)])
    assert filled.texts == ("ab (漢字)",)
    assert filled.pieces == (("▁ab", "▁", "<unk>"),)
    assert filled.alignments is None


def test_a_line_without_words(subwords: Subwords) -> None:
    assert Postprocessing(subwords, subwords).empty_translation().texts == ("",)
    assert Postprocessing(subwords, subwords).empty_translation().alignments is None
    assert Postprocessing(subwords, subwords, with_alignments=True).empty_translation().alignments == ((),)


def test_candidates_are_ranked_by_what_they_have_in_common(subwords: Subwords) -> None:
    """Three texts, whose utility for each other is 1 where they are the same and 0 otherwise."""
    ids = subwords.encode(["ab", "cd", "ab cd", "cd"])
    candidates = [hypothesis(row) for row in ids]

    def same(texts: object) -> object:
        return torch.eye(3, dtype=torch.float64).numpy()

    postprocessing = Postprocessing(subwords, subwords, utility=same, is_sampled=True)  # type: ignore[arg-type]
    found = postprocessing("x", [5], candidates)
    assert found.texts == ("cd", "cd", "ab", "ab cd")
    assert [item.score for item in found.hypotheses] == [0.5, 0.5, 0.25, 0.25]
    # An n-best list has each text once, and each counts by its probability: here 2/3, 1/6 and 1/6.
    probable = [hypothesis(ids[n], None, math.log(p)) for n, p in ((0, 0.1), (1, 0.1), (2, 0.4))]
    found = Postprocessing(subwords, subwords, utility=same)("x", [5], probable)  # type: ignore[arg-type]
    assert found.texts == ("ab cd", "ab", "cd")
    assert [item.score for item in found.hypotheses] == pytest.approx([2 / 3, 1 / 6, 1 / 6])


def test_options_say_how(subwords: Subwords) -> None:
    plain = build_postprocessing(subwords, subwords, SearchConfig())
    assert plain == Postprocessing(subwords, subwords)
    search = SearchConfig(strategy=Strategy.sample, num_best=3, mbr=ExpectedUtility.chrf, replace_unknown=True)
    postprocessing = build_postprocessing(subwords, subwords, search, with_alignments=True)
    assert (postprocessing.with_alignments, postprocessing.replace_unknown, postprocessing.is_sampled) == (
        True,
        True,
        True,
    )
    assert postprocessing.utility is not None
    assert postprocessing.utility(["a", "a"]).tolist() == [[100, 100], [100, 100]]
