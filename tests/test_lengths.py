"""Lines by the length of their source."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from s2s.evaluation.lengths import LengthGroup, length_groups, scores_by_length
from s2s.evaluation.scores import bleu, comparable_metrics


def lines_of(*lengths: int) -> list[str]:
    return [" ".join(["word"] * length) for length in lengths]


def test_groups_on_paper() -> None:
    """Six lines and three groups, of at least two lines each where lengths allow it."""
    groups = length_groups(lines_of(3, 1, 2, 9, 2, 5), most=3)
    assert groups == [LengthGroup(1, 2, [1, 2, 4]), LengthGroup(3, 3, [0]), LengthGroup(5, 9, [3, 5])]
    assert [group.name for group in groups] == ["1-2", "3", "5-9"]


def test_lines_of_one_length_are_one_group() -> None:
    assert length_groups(lines_of(4, 4, 4)) == [LengthGroup(4, 4, [0, 1, 2])]
    assert length_groups(["", " "]) == [LengthGroup(0, 0, [0, 1])]
    assert length_groups([]) == []


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 7))
def test_every_line_is_in_one_group(lengths: list[int], most: int) -> None:
    groups = length_groups(lines_of(*lengths), most)
    assert len(groups) <= most
    assert sorted(row for group in groups for row in group.rows) == list(range(len(lengths)))
    assert all(group.low <= lengths[row] <= group.high for group in groups for row in group.rows)
    assert all(first.high < second.low for first, second in pairwise(groups))


def test_each_group_is_scored_by_itself() -> None:
    sources = lines_of(2, 7, 7)
    hypotheses = ["a b c d e", "f g h i x", "j k l m n"]
    references = ["a b c d e", "f g h i o", "j k l m n"]
    scores = scores_by_length(length_groups(sources, 3), hypotheses, [references], comparable_metrics()["bleu"])
    assert scores == [bleu(hypotheses[:1], references[:1]), bleu(hypotheses[1:], references[1:])]
