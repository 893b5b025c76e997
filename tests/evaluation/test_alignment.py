"""Alignments worked out on paper: three sentences, no model."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s.data.word_alignment import Link, format_pharaoh
from s2s.errors import DataError
from s2s.evaluation.alignment import (
    AlignmentScores,
    GoldLinks,
    alignment_scores,
    diagonal_links,
    parse_pharaoh,
    read_gold,
)


def test_the_diagonal_on_paper() -> None:
    # The middles of 3 words lie at 1/6, 3/6 and 5/6 of a sentence; times 7 words: 1.2, 3.5, 5.8; times 2: 0.3, 1, 1.7.
    assert diagonal_links(7, 3) == [(1, 0), (3, 1), (5, 2)]
    assert diagonal_links(2, 3) == [(0, 0), (1, 1), (1, 2)]
    assert diagonal_links(0, 3) == diagonal_links(3, 0) == []


@given(st.integers(1, 60), st.integers(1, 60))
def test_the_diagonal_stays_inside_and_never_turns_back(num_sources: int, num_targets: int) -> None:
    links = diagonal_links(num_sources, num_targets)
    assert [target for _, target in links] == list(range(num_targets))
    sources = [source for source, _ in links]
    assert sources == sorted(sources)
    assert all(0 <= source < num_sources for source in sources)
    if num_sources == num_targets:
        assert sources == list(range(num_sources))


def test_pharaoh_is_read() -> None:
    assert parse_pharaoh("0-0 10-2 2p1 1?3\n") == ({(0, 0), (10, 2)}, {(2, 1), (1, 3)})
    assert parse_pharaoh("\n") == (set(), set())


@given(st.sets(st.tuples(st.integers(0, 999), st.integers(0, 999))))
def test_pharaoh_comes_back(links: set[tuple[int, int]]) -> None:
    assert parse_pharaoh(format_pharaoh(links)) == (links, set())


@pytest.mark.parametrize("link", ["1", "1-", "-1", "1-2-3", "1--2", "a-b", "1:2", "1P2", "１-2", "1-" + "9" * 5000])
def test_pharaoh_refuses_other_links_by_name(link: str) -> None:
    with pytest.raises(DataError, match=f"got '{link[:40]}'"):
        parse_pharaoh(f"0-0 {link} 1-1")


def test_gold_files_plain_and_gzip(tmp_path: Path) -> None:
    content = b"0-0 1p0\n\n2-1\n"
    (tmp_path / "a.align").write_bytes(content)
    with gzip.open(tmp_path / "a.align.gz", "wb") as file:
        file.write(content)
    expected = [GoldLinks({(0, 0)}, {(1, 0)}), GoldLinks(set(), set()), GoldLinks({(2, 1)}, set())]
    assert read_gold(tmp_path / "a.align") == read_gold(tmp_path / "a.align.gz") == expected
    (tmp_path / "b.align").write_text("1-1\n1-2 x\n")
    with pytest.raises(DataError, match=r"b\.align, line 2: expected links such as .* got 'x'"):
        read_gold(tmp_path / "b.align")
    with pytest.raises(DataError, match="nothing"):
        read_gold(tmp_path / "nothing")


def golds(*pairs: tuple[set[Link], set[Link]]) -> list[GoldLinks]:
    return [GoldLinks(sure, possible) for sure, possible in pairs]


def test_scores_on_paper() -> None:
    # A = 3 + 1 links, S = 2 + 2; sure hits 1 + 1, hits among sure and possible 2 + 1.
    predicted = [{(0, 0), (1, 2), (2, 1)}, {(0, 0)}]
    scores = alignment_scores(predicted, golds(({(0, 0), (1, 1)}, {(1, 2)}), ({(0, 0), (3, 1)}, set())))
    assert scores == AlignmentScores(
        num_pairs=2, num_found=4, num_sure=4, num_possible=5, num_found_sure=2, num_found_possible=3
    )
    assert scores.precision == 3 / 4
    assert scores.recall == 2 / 4
    assert scores.error_rate == pytest.approx(1 - (2 + 3) / (4 + 4))


def test_the_diagonal_scored_by_hand() -> None:
    """Four words and three: the middles 1/6, 3/6 and 5/6 times 4 are 0.7, 2 and 3.3, so the diagonal is 0-0 2-1 3-2.

    Sure are 0-0 and 3-2, both found; 1p1 and 2p1 are possible, and the latter is found: P = 4, hits in P 3.
    """
    scores = alignment_scores([set(diagonal_links(4, 3))], [parse_pharaoh("0-0 3-2 1p1 2p1")])
    assert scores.precision == 3 / 3
    assert scores.recall == 2 / 2
    assert scores.error_rate == 0
    scores = alignment_scores([set(diagonal_links(4, 3))], [parse_pharaoh("0-0 1-1 2-2 3p2")])
    assert scores.precision == 2 / 3
    assert scores.recall == 1 / 3
    assert scores.error_rate == pytest.approx(1 - (1 + 2) / (3 + 3))


def test_scores_at_their_ends() -> None:
    sure, possible = {(0, 0), (1, 1)}, {(2, 1)}
    gold = golds((sure, possible))
    assert alignment_scores(iter([sure]), gold).error_rate == 0
    assert alignment_scores([sure | possible], gold).error_rate == 0
    assert alignment_scores([{(5, 5)}], gold).error_rate == 1
    nothing = alignment_scores([set()], gold)
    assert (nothing.precision, nothing.recall, nothing.error_rate) == (0, 0, 1)
    assert alignment_scores([{(2, 1)}], golds((set(), possible))).recall == 0


@given(st.sets(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1), st.data())
def test_with_sure_links_alone_the_error_rate_is_one_less_f1(sure: set[Link], data: st.DataObject) -> None:
    found = data.draw(st.sets(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1))
    scores = alignment_scores([found], golds((sure, set())))
    total = scores.precision + scores.recall
    f1 = 2 * scores.precision * scores.recall / total if total else 0
    assert scores.error_rate == pytest.approx(1 - f1)


def test_scores_refuse_nothing_and_unequal_corpora() -> None:
    with pytest.raises(DataError, match="got none in 1 sentence pairs"):
        alignment_scores([set()], golds((set(), {(0, 0)})))
    with pytest.raises(DataError, match="got 2 for 1"):
        alignment_scores([{(0, 0)}], golds(({(0, 0)}, set()), (set(), set())))
