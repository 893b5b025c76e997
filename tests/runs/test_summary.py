import json
from pathlib import Path
from typing import Any

import pytest

from s2s.config.training import Task
from s2s.errors import RunError
from s2s.runs.folder import RunFolder
from s2s.runs.summary import Summary, read_summary, write_summary

TEST = {"lines": 3, "bleu": 12.5, "chrf": 50, "bleu_signature": "b", "chrf_signature": "c"}
SAMPLES = [{"source": "하나", "translation": "one"}]


def damaged(**changes: Any) -> str:
    return json.dumps({"test": TEST | changes, "samples": SAMPLES})


DAMAGED = {
    "empty": "",
    "cut": damaged()[:40],
    "a list": "[]",
    "a number": "3",
    "nothing in it": "{}",
    "nested deeply": "[" * 100_000,
    "too large": " " * 10_000_001,
    "scores of another type": '{"test": [1]}',
    "no scores": '{"test": {}}',
    "a text for a score": damaged(bleu="12.5"),
    "a score that is missing": damaged(chrf=None),
    "a score that is true": damaged(bleu=True),
    "an infinite score": damaged(bleu=float("inf")),
    "a score of 400 digits": damaged(bleu=10**400),
    "a number for a signature": damaged(bleu_signature=3),
    "another name": json.dumps({"test": TEST, "exams": []}),
    "samples of another type": json.dumps({"test": TEST, "samples": {}}),
    "a sample of another type": json.dumps({"test": TEST, "samples": ["하나"]}),
    "a sample with a number": json.dumps({"test": TEST, "samples": [{"source": 1}]}),
}


def test_a_summary_comes_back(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert read_summary(run, Task.translate) is None
    write_summary(run, Summary(TEST, SAMPLES))
    assert read_summary(run, Task.translate) == Summary(TEST, SAMPLES)
    assert json.loads(run.summary.read_text(encoding="utf-8")) == {"test": TEST, "samples": SAMPLES}


def test_a_summary_of_another_task_is_refused(tmp_path: Path) -> None:
    write_summary(RunFolder(tmp_path), Summary(TEST))
    with pytest.raises(RunError, match="expected a number as accuracy"):
        read_summary(RunFolder(tmp_path), Task.classify)


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_summary_is_named_with_the_way_out(tmp_path: Path, name: str) -> None:
    run = RunFolder(tmp_path)
    run.summary.write_text(DAMAGED[name], encoding="utf-8")
    with pytest.raises(RunError, match="copy the file again, or remove it") as caught:
        read_summary(run, Task.translate)
    assert str(caught.value).startswith(f"{run.summary}: expected the scores of a run")
    assert len(str(caught.value)) < 500


def test_a_summary_that_is_a_folder_is_an_error(tmp_path: Path) -> None:
    RunFolder(tmp_path).summary.mkdir()
    with pytest.raises(RunError, match="cannot be read"):
        read_summary(RunFolder(tmp_path), Task.translate)
