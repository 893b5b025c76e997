"""Scores by the length of the source."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import Caller, compose
from hypothesis import given
from hypothesis import strategies as st

from s2s.analysis.lengths import length_classes, scores_by_class
from s2s.errors import ConfigError
from s2s.evaluation.testsets import ScoredText


def test_classes_on_paper() -> None:
    sources = ["a b c", "", "a b c d e f", "a b", "a b c d", "a  b"]
    classes = length_classes(sources, [2, 3, 5])
    assert [(group.name, list(group.rows)) for group in classes] == [
        ("0-1", [1]),
        ("2", [3, 5]),
        ("3-4", [0, 4]),
        ("5-", [2]),
    ]
    assert [group.mean_words for group in classes] == [0, 2, 3.5, 6]
    assert [group.name for group in length_classes(["a"], [])] == ["0-"]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.sets(st.integers(2, 30), max_size=5))
def test_every_sentence_is_in_one_class(lengths: list[int], edges: set[int]) -> None:
    classes = length_classes([" ".join("w" * length) for length in lengths], sorted(edges))
    assert sorted(row for group in classes for row in group.rows) == list(range(len(lengths)))
    longest = [max(lengths[row] for row in group.rows) for group in classes]
    shortest = [min(lengths[row] for row in group.rows) for group in classes]
    assert all(last < first for last, first in zip(longest, shortest[1:], strict=False))


def test_each_class_is_scored_by_itself() -> None:
    references = ["one two three four five", "six seven eight nine ten", "a b c d e f g h", "i j k l m n o p"]
    text = ScoredText("t", references, [references])
    short, long = scores_by_class(
        [*references[:2], "x", "y"], text, length_classes(references, [7]), num_samples=100, seed=1
    )
    assert (short.bleu, short.mean, short.ci) == (pytest.approx(100), pytest.approx(100), pytest.approx(0))
    assert long.bleu < 5
    assert "version" in short.signature


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


def test_other_text_can_be_scored(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    (tmp_path / "a").write_text("하나 둘\n하나 둘 셋 넷\n", encoding="utf-8")
    (tmp_path / "b").write_text("two one\nfour three two one\n", encoding="utf-8")
    data = f"data.test=[{tmp_path / 'a'},{tmp_path / 'b'}]"
    ended = call_command("lengths", f"runs={tiny_run}", data, "edges=[3]", "bootstrap_samples=100", "output=null")
    assert ended.code == 0, ended.err
    assert [(row["words"], row["lines"], row["mean_words"]) for row in json.loads(ended.out)["rows"]] == [
        ("0-2", 1, 2),
        ("3-", 1, 4),
    ]


@pytest.mark.parametrize("options", [["edges=[5,3]"], ["edges=[3,3]"], ["edges=[1]"], ["runs=[]"]])
def test_impossible_options_are_refused(options: list[str]) -> None:
    with pytest.raises(ConfigError, match=options[0].split("=")[0]):
        compose("lengths", "runs=x", *options)


def test_a_run_that_is_none(tmp_path: Path, call_command: Caller) -> None:
    ended = call_command("lengths", f"runs={tmp_path / 'none'}", "output=null")
    assert ended.code == 1
    assert "does not exist" in ended.err
