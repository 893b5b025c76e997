"""Groups of lines by length, worked out on paper."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s.evaluation.lengths import even_edges, intervals_by_length, length_groups, scores_by_length
from s2s.evaluation.scores import bleu, comparable_metrics


def lines_of(*lengths: int) -> list[str]:
    return [" ".join(["word"] * length) for length in lengths]


def test_groups_on_paper() -> None:
    sources = ["a b c", "", "a b c d e f", "a b", "a b c d", "a  b"]
    groups = length_groups(sources, [2, 3, 5])
    assert [(group.name, list(group.rows)) for group in groups] == [
        ("0-1", [1]),
        ("2", [3, 5]),
        ("3-4", [0, 4]),
        ("5-", [2]),
    ]
    assert [group.mean_words for group in groups] == [0, 2, 3.5, 6]
    assert [group.name for group in length_groups(["a"], [])] == ["0-"]


def test_even_edges_on_paper() -> None:
    """Six lines and three groups, of at least two lines each where lengths allow it."""
    assert even_edges(lines_of(3, 1, 2, 9, 2, 5), most=3) == [3, 5]
    assert even_edges(lines_of(4, 4, 4)) == []
    assert even_edges([]) == []


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 7))
def test_even_edges_part_the_lines_into_groups_of_some(lengths: list[int], most: int) -> None:
    edges = even_edges(lines_of(*lengths), most)
    assert len(edges) < most
    assert edges == sorted(set(edges))
    assert len(length_groups(lines_of(*lengths), edges)) == len(edges) + bool(lengths)


@given(st.lists(st.integers(0, 30), max_size=40), st.sets(st.integers(2, 30), max_size=5))
def test_every_line_is_in_one_group(lengths: list[int], edges: set[int]) -> None:
    groups = length_groups(lines_of(*lengths), sorted(edges))
    assert sorted(row for group in groups for row in group.rows) == list(range(len(lengths)))
    longest = [max(lengths[row] for row in group.rows) for group in groups]
    shortest = [min(lengths[row] for row in group.rows) for group in groups]
    assert all(last < first for last, first in zip(longest, shortest[1:], strict=False))
    assert all(first.mean_words < second.mean_words for first, second in pairwise(groups))


def test_each_group_is_scored_by_itself() -> None:
    groups = length_groups(lines_of(2, 7, 7), [5])
    hypotheses = ["a b c d e", "f g h i x", "j k l m n"]
    references = ["a b c d e", "f g h i o", "j k l m n"]
    metric = comparable_metrics()["bleu"]
    scores = scores_by_length(groups, hypotheses, [references], metric)
    assert scores == [bleu(hypotheses[:1], references[:1]), bleu(hypotheses[1:], references[1:])]
    short, long = intervals_by_length(groups, hypotheses, [references], metric, num_samples=100, seed=1)
    assert (short.mean, short.ci) == (pytest.approx(100), pytest.approx(0))
    assert long.mean is not None
    assert long.mean < 100
    assert "bs:100" in long.signature
