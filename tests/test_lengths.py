"""Scores by the length of the source."""

import json
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import Caller, compose
from hypothesis import given
from hypothesis import strategies as st

from s2s.errors import ConfigError
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


def test_the_command_compares_runs(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    picture = tmp_path / "lengths.png"
    runs = f"runs=[{tiny_run},{shutil.copytree(tiny_run, tmp_path / 'other')}]"
    ended = call_command("lengths", runs, "edges=[3,5]", "bootstrap_samples=100", "search=greedy", f"output={picture}")
    assert ended.code == 0, ended.err
    result = json.loads(ended.out)
    assert result["search"] == "greedy"
    rows = result["rows"]
    assert len(rows) == 2 * len({row["words"] for row in rows})
    assert sum(row["lines"] for row in rows[: len(rows) // 2]) == result["lines"] == 15
    assert [row["bleu"] for row in rows[: len(rows) // 2]] == [row["bleu"] for row in rows[len(rows) // 2 :]]
    assert picture.stat().st_size > 1000


def test_other_text_can_be_scored_in_groups_of_equal_size(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    (tmp_path / "a").write_text("하나 둘\n하나 둘 셋 넷\n", encoding="utf-8")
    (tmp_path / "b").write_text("two one\nfour three two one\n", encoding="utf-8")
    data = f"data.test=[{tmp_path / 'a'},{tmp_path / 'b'}]"
    ended = call_command("lengths", f"runs={tiny_run}", data, "bootstrap_samples=100", "output=null")
    assert ended.code == 0, ended.err
    assert [(row["words"], row["lines"], row["mean_words"]) for row in json.loads(ended.out)["rows"]] == [
        ("0-3", 1, 2),
        ("4-", 1, 4),
    ]


@pytest.mark.parametrize("options", [["edges=[5,3]"], ["edges=[3,3]"], ["edges=[1]"], ["runs=[]"]])
def test_impossible_options_are_refused(options: list[str]) -> None:
    with pytest.raises(ConfigError, match=options[0].split("=")[0]):
        compose("lengths", "runs=x", *options)


def test_a_run_that_is_none(tmp_path: Path, call_command: Caller) -> None:
    ended = call_command("lengths", f"runs={tmp_path / 'none'}", "output=null")
    assert ended.code == 1
    assert "does not exist" in ended.err
