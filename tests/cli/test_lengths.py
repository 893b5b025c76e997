"""Scores by the length of the source."""

import json
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from browser import svg_texts
from processes import Caller
from s2s.config.search import ExpectedUtility, SearchConfig, Strategy
from s2s.decoding.translator import Translator
from s2s.errors import ConfigError
from s2s.evaluation.lengths import even_edges, intervals_by_length, length_groups, scores_by_length
from s2s.evaluation.scores import bleu, comparable_metrics
from s2s.evaluation.testsets import own_text
from s2s.runs.folder import RunFolder
from s2s.tasks.train_run import train
from tiny_runs import TINY, compose, file_options


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


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learnt more than `tiny_run` has, and has the same test set."""
    folder = tmp_path_factory.mktemp("learnt")
    options = [*file_options(folder / "corpus"), *TINY, f"run={folder / 'learnt'}", "training.max_steps=60"]
    train(compose("train", *options, "optim.learning_rate=0.02", "optim.ema_decay=0"))
    return folder / "learnt"


def translated_by_hand(run: Path) -> list[float]:
    """BLEU of the lines below 3 words, of those of 3 and 4, and of the longer ones, with greedy search."""
    text = own_text([RunFolder(run)])
    hypotheses = Translator.load(run, search=SearchConfig(strategy=Strategy.greedy)).translate(text.sources)
    groups = length_groups(text.sources, [3, 5])
    return scores_by_length(groups, hypotheses, text.references, comparable_metrics()["bleu"])


def test_the_command_compares_runs(tiny_run: Path, learnt: Path, tmp_path: Path, call_command: Caller) -> None:
    picture = tmp_path / "lengths.svg"
    options = "edges=[3,5]", "bootstrap_samples=100", "search=greedy", "device=cpu", f"output={picture}"
    ended = call_command("lengths", f"runs=[{tiny_run},{learnt}]", *options)
    assert ended.code == 0, ended.err
    result = json.loads(ended.out)
    assert result["search"] == "greedy"
    assert [(row["run"], row["words"]) for row in result["rows"]] == [
        (name, words) for name in ("run", "learnt") for words in ("0-2", "3-4", "5-")
    ]
    assert sum(row["lines"] for row in result["rows"][:3]) == result["lines"] == 15
    first, second = translated_by_hand(tiny_run), translated_by_hand(learnt)
    assert [row["bleu"] for row in result["rows"]] == [*first, *second]
    assert first != second
    assert picture.read_text(encoding="utf-8").count('<g id="LineCollection_') == 2  # the intervals of each run
    written = svg_texts(picture)
    assert written[:6] == ["0-2", "(1)", "3-4", "(8)", "5-", "(6)"]
    assert written[-2:] == ["run", "learnt"]


def test_the_best_of_several_translations_is_scored(learnt: Path, call_command: Caller) -> None:
    options = f"runs={learnt}", "edges=[3]", "bootstrap_samples=100", "output=null", "precision=fp32"
    search = "search=sample", "search.num_best=4", "search.mbr=chrf"
    ended = call_command("lengths", *options, *search)
    assert ended.code == 0, ended.err
    text = own_text([RunFolder(learnt)])
    chosen = SearchConfig(strategy=Strategy.sample, num_best=4, mbr=ExpectedUtility.chrf)
    hypotheses = Translator.load(learnt, search=chosen).translate(text.sources)
    groups = length_groups(text.sources, [3])
    expected = scores_by_length(groups, hypotheses, text.references, comparable_metrics()["bleu"])
    assert [row["bleu"] for row in json.loads(ended.out)["rows"]] == expected


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


@pytest.mark.parametrize(
    "options", [["edges=[5,3]"], ["edges=[3,3]"], ["edges=[1]"], ["runs=[]"], ["search.num_best=2"]]
)
def test_impossible_options_are_refused(options: list[str]) -> None:
    with pytest.raises(ConfigError, match=options[0].split("=")[0]):
        compose("lengths", "runs=x", *options)


def test_a_classifier_is_refused_before_anything_is_translated(
    tiny_run: Path, labelled_run: Path, call_command: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Translator, "load", None)
    for command, option in (("lengths", "runs"), ("gradients", "runs"), ("evaluate", "run")):
        ended = call_command(command, f"{option}=[{tiny_run},{labelled_run}]", "output=null")
        assert ended.code == 1
        assert ended.out == b""
        assert ended.err.splitlines() == [
            f"error: run={labelled_run} was trained with task=classify, and task=translate is needed here: give it to "
            "s2s classify"
        ]


def test_what_cannot_translate_in_a_folder_is_left_out(
    tiny_run: Path, labelled_run: Path, tmp_path: Path, call_command: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "runs"
    for name in ("ended", "going", "new"):
        shutil.copytree(tiny_run, folder / name)
    (folder / "going" / "summary.json").unlink()
    for name in ("best", "last", "summary.json", "metrics.jsonl"):
        (shutil.rmtree if name in ("best", "last") else Path.unlink)(folder / "new" / name)
    shutil.copytree(labelled_run, folder / "other")
    for command, options in (("lengths", ["bootstrap_samples=100"]), ("gradients", ["lengths=[5]", "batches=1"])):
        caplog.clear()
        ended = call_command(command, f"runs={folder}", *options, "output=null")
        assert ended.code == 0, ended.err
        assert {row.get("run", row.get("name")) for row in json.loads(ended.out)["rows"]} == {"ended"}
        warnings = [line for line in caplog.messages if line.startswith("warning: left out: ")]
        assert [line.split(": ")[2].split()[0] for line in warnings] == [
            f"run={folder / name}" for name in ("going", "new", "other")
        ]
        reasons = "is unfinished", "holds no weights yet", "task=classify"
        assert all(reason in line for reason, line in zip(reasons, warnings, strict=True))
    ended = call_command("lengths", f"runs=[{folder / 'ended'},{folder / 'new'}]", "output=null")
    assert (ended.code, "new holds no weights yet" in ended.err) == (1, True)
    ended = call_command("lengths", f"runs={folder / 'going'}", "edges=[3]", "bootstrap_samples=100", "output=null")
    assert ended.code == 0, ended.err
    shutil.rmtree(folder / "ended")
    ended = call_command("lengths", f"runs={folder}", "output=null")
    assert (ended.code, "holds no run that can translate" in ended.err) == (1, True)


def test_a_run_that_is_none(tmp_path: Path, call_command: Caller) -> None:
    ended = call_command("lengths", f"runs={tmp_path / 'none'}", "output=null")
    assert ended.code == 1
    assert "does not exist" in ended.err
