"""Scores by the length of the source."""

import json
import shutil
from pathlib import Path

import pytest

from browser import svg_texts
from processes import Caller
from s2s.config.search import ExpectedUtility, SearchConfig, Strategy
from s2s.decoding.batch_translator import BatchTranslator
from s2s.errors import ConfigError
from s2s.evaluation.lengths import length_groups, scores_by_length
from s2s.evaluation.scores import comparable_metrics
from s2s.evaluation.testsets import own_text
from s2s.runs.folder import RunFolder
from s2s.tasks.train_run import train
from tiny_runs import TINY, compose, file_options


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
    hypotheses = BatchTranslator.load(run, search=SearchConfig(strategy=Strategy.greedy)).translate(text.sources)
    groups = length_groups(text.sources, [3, 5])
    return scores_by_length(groups, hypotheses, text.references, comparable_metrics()["bleu"])


def test_the_command_compares_runs(tiny_run: Path, learnt: Path, tmp_path: Path, call_command: Caller) -> None:
    picture = tmp_path / "lengths.svg"
    options = "edges=[3,5]", "bootstrap_samples=100", "search=greedy", "device=cpu", f"output={picture}"
    ended = call_command("lengths", f"run=[{tiny_run},{learnt}]", *options)
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
    assert "BLEU by length of the source" in written
    assert written[-2:] == ["learning rate 0.002", "learning rate 0.02"]  # by which they differ first


def test_the_best_of_several_translations_is_scored(learnt: Path, call_command: Caller) -> None:
    options = f"run={learnt}", "edges=[3]", "bootstrap_samples=100", "output=null", "precision=fp32"
    search = "search=sample", "search.num_best=4", "search.mbr=chrf"
    ended = call_command("lengths", *options, *search)
    assert ended.code == 0, ended.err
    text = own_text([RunFolder(learnt)])
    chosen = SearchConfig(strategy=Strategy.sample, num_best=4, mbr=ExpectedUtility.chrf)
    hypotheses = BatchTranslator.load(learnt, search=chosen).translate(text.sources)
    groups = length_groups(text.sources, [3])
    expected = scores_by_length(groups, hypotheses, text.references, comparable_metrics()["bleu"])
    assert [row["bleu"] for row in json.loads(ended.out)["rows"]] == expected


def test_other_text_can_be_scored_in_groups_of_equal_size(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    (tmp_path / "a").write_text("하나 둘\n하나 둘 셋 넷\n", encoding="utf-8")
    (tmp_path / "b").write_text("two one\nfour three two one\n", encoding="utf-8")
    data = f"data.test=[{tmp_path / 'a'},{tmp_path / 'b'}]"
    ended = call_command("lengths", f"run={tiny_run}", data, "bootstrap_samples=100", "output=null")
    assert ended.code == 0, ended.err
    assert [(row["words"], row["lines"], row["mean_words"]) for row in json.loads(ended.out)["rows"]] == [
        ("0-3", 1, 2),
        ("4-", 1, 4),
    ]


@pytest.mark.parametrize(
    "options", [["edges=[5,3]"], ["edges=[3,3]"], ["edges=[1]"], ["run=[]"], ["search.num_best=2"]]
)
def test_impossible_options_are_refused(options: list[str]) -> None:
    with pytest.raises(ConfigError, match=options[0].split("=")[0]):
        compose("lengths", "run=x", *options)


def test_a_classifier_is_refused_before_anything_is_translated(
    tiny_run: Path, labelled_run: Path, call_command: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BatchTranslator, "load", None)
    for command in ("lengths", "gradients", "evaluate"):
        ended = call_command(command, f"run={tiny_run},{labelled_run}", "output=null")
        assert ended.code == 1
        assert ended.out == b""
        assert ended.err.splitlines() == [
            f"error: run={labelled_run} was trained with task=classify, and task=translate is needed here: give it to "
            "s2s classify"
        ]


@pytest.mark.slow
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
        ended = call_command(command, f"run={folder}", *options, "output=null")
        assert ended.code == 0, ended.err
        assert {row.get("run", row.get("name")) for row in json.loads(ended.out)["rows"]} == {"ended"}
        warnings = [line for line in caplog.messages if line.startswith("warning: left out: ")]
        assert [line.split(": ")[2].split()[0] for line in warnings] == [
            f"run={folder / name}" for name in ("going", "new", "other")
        ]
        reasons = "is unfinished", "holds no weights yet", "task=classify"
        assert all(reason in line for reason, line in zip(reasons, warnings, strict=True))
    ended = call_command("lengths", f"run=[{folder / 'ended'},{folder / 'new'}]", "output=null")
    assert (ended.code, "new holds no weights yet" in ended.err) == (1, True)
    ended = call_command("lengths", f"run={folder / 'going'}", "edges=[3]", "bootstrap_samples=100", "output=null")
    assert ended.code == 0, ended.err
    shutil.rmtree(folder / "ended")
    ended = call_command("lengths", f"run={folder}", "output=null")
    assert (ended.code, "holds no run that can translate" in ended.err) == (1, True)


def test_a_run_that_is_none(tmp_path: Path, call_command: Caller) -> None:
    ended = call_command("lengths", f"run={tmp_path / 'none'}", "output=null")
    assert ended.code == 1
    assert "does not exist" in ended.err
