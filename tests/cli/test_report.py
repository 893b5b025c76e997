"""`report`: one page about runs of every kind."""

import json
import re
import shutil
from pathlib import Path

import pytest

from browser import Tags
from processes import Caller
from s2s.config.options import flatten
from s2s.runs.saved_config import load_config
from s2s.tasks.train_run import train
from tiny_runs import TINY, compose, file_options, filled

MARKUP = '</dd><script>alert("1")</script><img src=x onerror=alert(1)>&amp;'
QUICK = ["significance.randomization_samples=100", "significance.bootstrap_samples=100"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_run: Path, blind_run: Path) -> dict[str, Path]:
    """Runs with one text and with another, one that has hardly begun, and one whose text is full of markup."""
    folder = tmp_path_factory.mktemp("runs")
    begun = folder / "begun"
    begun.mkdir()
    shutil.copy(tiny_run / "config.yaml", begun)
    (begun / "metrics.jsonl").write_text(
        json.dumps({"step": 3, "kind": "train", "loss_nats": 2.5, "elapsed_s": 1}) + "\n"
    )
    other = folder / "<b>other"
    train(compose("train", *file_options(folder / "corpus"), *TINY, f"run='{other}'", "seed=2", "training.max_steps=2"))
    for path in (other / "text").glob("test.*"):
        path.write_text(f"하나 {MARKUP}\n" * 4, encoding="utf-8")
    (other / "SHA256SUMS").unlink()
    return {"tiny": tiny_run, "blind": blind_run, "begun": begun, "other": other}


@pytest.mark.slow
def test_runs_of_every_kind(runs: dict[str, Path], tmp_path: Path, call_command: Caller) -> None:
    output = tmp_path / "new" / "report.html"
    before = sorted(runs["tiny"].rglob("*"))
    names = ",".join(f"'{path}'" for path in runs.values())
    ended = call_command("report", f"run=[{names}]", f"output={output}", "search=greedy", "samples=2", *QUICK)
    assert ended.code == 0, ended.err
    assert ended.out.decode() == f"{output}\n"
    text = output.read_text(encoding="utf-8")
    assert "scored on 2 different texts" in text
    assert "begun: not scored: " in text
    assert "no source word" in text
    assert "<b>other" not in text
    tags = Tags(text)
    assert (tags.names.count("script"), tags.addresses, tags.handlers) == (1, ["data:,"], [])
    assert text.count('<div class="sample">') == 4
    assert sorted(runs["tiny"].rglob("*")) == before


def test_one_run_and_a_text_for_all(runs: dict[str, Path], tmp_path: Path, call_command: Caller) -> None:
    (tmp_path / "a.ko").write_text("하나\n둘 셋\n", encoding="utf-8")
    (tmp_path / "a.en").write_text("one\nthree two\n", encoding="utf-8")
    data = f"data.test=[{tmp_path}/a.ko,{tmp_path}/a.en]"
    for names in (runs["tiny"], f"[{runs['tiny']},{runs['blind']}]"):
        ended = call_command("report", f"run={names}", f"output={tmp_path}/r.html", data, "search=greedy", *QUICK)
        assert ended.code == 0, ended.err
        text = (tmp_path / "r.html").read_text(encoding="utf-8")
        assert "2 lines, search=greedy" in text
        assert "different texts" not in text
    assert "Differences are from dot attention;" in text
    assert all(f"<td>{runs[name]}</td>" in text for name in ("tiny", "blind"))


@pytest.mark.slow
def test_a_damaged_text_is_told_of_its_own_run(runs: dict[str, Path], tmp_path: Path, call_command: Caller) -> None:
    damaged = shutil.copytree(runs["tiny"], tmp_path / "damaged")
    (damaged / "text" / "test.target").write_text("one\n", encoding="utf-8")
    names = f"run=[{damaged},{runs['blind']}]"
    ended = call_command("report", names, f"output={tmp_path}/r.html", "search=greedy", *QUICK)
    assert ended.code == 0, ended.err
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert f"{damaged}: not scored: " in text
    assert "side by side" in text
    files = f"data.test=[{damaged}/text/test.source,{damaged}/text/test.target]"
    ended = call_command("report", names, f"output={tmp_path}/other.html", files, "search=greedy", *QUICK)
    assert ended.code == 1
    assert not (tmp_path / "other.html").exists()


def test_classifiers_are_told_of_by_what_they_are_measured_by(
    labelled_run: Path, tiny_run: Path, tmp_path: Path, call_command: Caller
) -> None:
    page = tmp_path / "r.html"
    other = shutil.copytree(labelled_run, tmp_path / "other")
    ended = call_command("report", f"run=[{labelled_run},{other}]", f"output={page}")
    assert ended.code == 0, ended.err
    text = page.read_text(encoding="utf-8")
    assert re.findall('<th scope="col">([^<]*)</th>', text)[:10] == [
        "run",
        "folder",
        "state",
        "minutes",
        "lowest dev loss",
        "best dev accuracy",
        "best dev F1",
        "test accuracy",
        "test F1",
        "test calibration error",
    ]
    test = json.loads((labelled_run / "summary.json").read_text(encoding="utf-8"))["test"]
    row = re.findall("<tr>(.*?)</tr>", text)[1]
    assert [cell for cell in re.findall("<td>(.*?)</td>", row)][-3:] == [
        f"{test[name]:.2f}" for name in ("accuracy", "f1", "calibration_error")
    ]
    assert re.findall("<h3>(.*?)</h3>", text) == [
        "training loss (nats a text)",
        "dev loss (nats a text)",
        "dev accuracy",
        "dev F1",
    ]
    assert "s2s classify's data.test" in text
    assert "BLEU" not in text.split("<details>")[0]
    page.unlink()
    for options in ([f"run=[{tiny_run},{labelled_run}]"], [f"run={labelled_run}", "data.test=[a,b]"]):
        ended = call_command("report", *options, f"output={page}")
        assert ended.code == 1
        assert "classif" in ended.err
        assert len(ended.err.splitlines()) == 1
        assert not page.exists()


def test_without_scores_only_the_folders_are_read(runs: dict[str, Path], tmp_path: Path, call_command: Caller) -> None:
    options = load_config(runs["tiny"] / "config.yaml")
    ended = call_command("report", f"run={runs['tiny']}", f"output={tmp_path}/r.html", "scores=false")
    assert ended.code == 0, ended.err
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert all(f">{name}</th>" in text for name in flatten(options))
    assert "side by side" not in text


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["run={tiny}", "output=null"], 2, ["output"]),
        (["run={tiny}", "scores=false", "data.test=[a,b]"], 2, ["scores=false"]),
        (["run=[]"], 2, ["run is empty"]),
        (["run=/nowhere"], 1, ["does not exist"]),
        (["run={tiny}", "data.test=[/nowhere,/nowhere]"], 1, ["/nowhere"]),
        (["run={tiny}", "samples=-1"], 2, ["samples"]),
    ],
)
def test_mistakes_end_with_a_code_and_a_short_message(
    call_command: Caller, tiny_run: Path, tmp_path: Path, options: list[str], code: int, words: list[str]
) -> None:
    ended = call_command("report", f"output={tmp_path}/r.html", *filled(options, tiny=tiny_run))
    assert ended.code == code, ended.err
    assert "Traceback" not in ended.err
    assert all(word in ended.err for word in words)
    assert not (tmp_path / "r.html").exists()
