"""Runs in one table: numbers worked out on paper, and files as training writes them."""

import json
import math
import shutil
from pathlib import Path

import pytest

from processes import Caller
from s2s.analysis.run_comparison import find_runs, find_translation_runs, read_result
from s2s.config.training import Config
from s2s.errors import RunError
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import save_config
from tiny_runs import TINY, file_options

SIGNATURE = "nrefs:1|case:mixed|version:2"


def write_run(path: Path, bleu: float | None, seed: int, hidden: int, signature: str = SIGNATURE) -> None:
    """A run folder without weights."""
    config = Config(seed=seed)
    config.model.hidden_size = hidden
    path.mkdir(parents=True)
    save_config(config, path / "config.yaml")
    rows = [
        {"step": 2, "kind": "train", "loss_nats": 0.1, "elapsed_s": 10.0},
        {"step": 4, "kind": "dev", "loss_nats": 2.5, "bleu": 7.0, "elapsed_s": 20.0},
        {"step": 8, "kind": "dev", "loss_nats": 3.5, "bleu": 8.0, "elapsed_s": 90.0},
    ]
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if bleu is not None:
        scores = {"bleu": bleu, "chrf": 50.0, "bleu_signature": signature, "chrf_signature": "c"}
        (path / "summary.json").write_text(json.dumps({"test": scores}))


def test_a_run_is_read(tmp_path: Path) -> None:
    write_run(tmp_path / "run", 12.5, seed=3, hidden=24)
    found = read_result(RunFolder(tmp_path / "run"))
    assert found.measures == {"bleu": 12.5, "chrf": 50.0, "dev_loss_nats": 2.5, "minutes": 1.5}
    assert found.step == 8
    assert found.signatures["bleu"] == SIGNATURE
    assert found.options["model.hidden_size"] == 24


def test_runs_are_found_once(tmp_path: Path) -> None:
    for name in ("b/1", "b/2", "a"):
        write_run(tmp_path / name, 1, seed=1, hidden=24)
    paths = [run.path for run in find_runs([tmp_path, tmp_path / "b"])]
    assert sorted(paths) == [tmp_path / "a", tmp_path / "b/1", tmp_path / "b/2"]
    assert [run.path for run in find_runs([tmp_path / "a"])] == [tmp_path / "a"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"^run=.*empty holds no run"):
        find_runs([tmp_path / "empty"])
    with pytest.raises(RunError, match=r"^run=.*nowhere does not exist"):
        find_runs([tmp_path / "nowhere"])


def test_a_damaged_run_is_named(tmp_path: Path) -> None:
    write_run(tmp_path / "run", 1, seed=1, hidden=24)
    (tmp_path / "run" / "summary.json").write_text("{}")
    with pytest.raises(RunError, match=r"run/summary\.json: expected the scores"):
        read_result(RunFolder(tmp_path / "run"))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs of one size, one of another, and one that has not ended."""
    for name, bleu, seed, hidden in (("a", 10.0, 1, 24), ("b", 14.0, 2, 24), ("c", 7.0, 1, 100), ("d", None, 2, 100)):
        write_run(tmp_path / "runs" / name, bleu, seed, hidden)
    return tmp_path / "runs"


def test_the_formats(runs: Path, call_command: Caller, caplog: pytest.LogCaptureFixture) -> None:
    """Of 10 and 14: the mean is 12, and the deviation the square root of (4 + 4) / 1, 2.83."""
    caplog.set_level("INFO")
    ended = call_command("gather", f"run={runs}", "format=tsv")
    assert ended.code == 0, ended.err
    names, *rows = [line.split("\t") for line in ended.out.decode().splitlines()]
    assert names[:4] == ["model.hidden_size", "runs", "bleu", "bleu_sd"]
    assert names[4:] == ["chrf", "chrf_sd", "dev_loss_nats", "dev_loss_nats_sd", "minutes", "minutes_sd"]
    assert rows[0] == ["24", "2", "12.00", "2.83", "50.00", "0.00", "2.500", "0.000", "1.5", "0.0"]
    assert rows[1] == ["100", "1", "7.00", "-", "50.00", "-", "2.500", "-", "1.5", "-"]
    assert f"unfinished: {runs / 'd'}, at step 8" in caplog.text
    assert SIGNATURE in caplog.text
    assert "warning" not in caplog.text
    text = call_command("gather", f"run=[{runs}]").out.decode().splitlines()
    assert [line.split() for line in text] == [names, *rows]
    assert len({line.index(cell) for line, cell in zip(text, ("bleu", "12.00", "7.00"), strict=True)}) == 1
    markdown = call_command("gather", f"run=[{runs / 'a'},{runs / 'c'}]", "format=markdown").out.decode().splitlines()
    cells = [[cell.strip() for cell in line.split("|")] for line in markdown]
    assert cells[0][:5] == ["", "model.hidden_size", "runs", "bleu", "bleu_sd"]
    assert set(markdown[1]) == {"|", "-"}
    assert cells[2][:5] == ["", "24", "1", "10.00", "-"]
    assert [len(row) for row in cells] == [12] * 4
    objects = json.loads(call_command("gather", f"run={runs}", "format=json").out)
    assert objects["signatures"] == {"bleu": [SIGNATURE], "chrf": ["c"]}
    assert objects["rows"][0]["options"] == {"model.hidden_size": 24}
    assert objects["rows"][0]["bleu"] == {"mean": 12.0, "sd": math.sqrt(8)}
    assert objects["rows"][1]["bleu"] == {"mean": 7.0, "sd": None}


def test_scores_that_cannot_be_compared(runs: Path, call_command: Caller, caplog: pytest.LogCaptureFixture) -> None:
    write_run(runs / "e", 99.0, seed=3, hidden=24, signature="nrefs:1|case:lc|version:2")
    assert call_command("gather", f"run={runs}").code == 0
    assert "the scores of bleu differ in signature" in caplog.text
    assert "the scores of chrf" not in caplog.text


def test_weights_alone_are_not_unfinished(
    tiny_run: Path, tmp_path: Path, call_command: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    """An averaged run, and one that was exported, has no training to be finished."""
    caplog.set_level("INFO")
    for name in ("averaged", "exported"):
        shutil.copytree(
            tiny_run, tmp_path / name, ignore=shutil.ignore_patterns("metrics.jsonl", "last", "summary.json")
        )
    (tmp_path / "exported" / "corpus.json").unlink()
    write_run(tmp_path / "begun", None, seed=1, hidden=24)
    ended = call_command("gather", f"run={tmp_path}")
    assert ended.code == 0, ended.err
    unfinished = [text for text in caplog.messages if text.startswith("unfinished")]
    assert unfinished == [f"unfinished: {tmp_path / 'begun'}, at step 8"]
    assert caplog.text.count("which holds weights alone") == 2


def test_mistakes(tmp_path: Path, call_command: Caller) -> None:
    ended = call_command("gather", "run=[]")
    assert ended.code == 2
    assert "run is empty (a folder of runs" in ended.err
    assert call_command("gather").code == 2
    ended = call_command("gather", f"run={tmp_path}")
    assert ended.code == 1
    assert f"error: run={tmp_path} holds no run: expected a folder with runs" in ended.err
    write_run(tmp_path / "runs" / "begun", None, seed=1, hidden=24)
    with pytest.raises(RunError, match=f"^run={tmp_path / 'runs'} holds no run that can translate"):
        find_translation_runs([tmp_path / "runs"])


def test_what_training_writes_is_understood(tiny_run: Path) -> None:
    found = read_result(RunFolder(tiny_run))
    assert found.is_ended
    assert found.step == 12
    assert found.measures.keys() == {"bleu", "chrf", "dev_loss_nats", "minutes"}


@pytest.mark.slow
def test_a_sweep_is_gathered(tmp_path: Path, call_command: Caller) -> None:
    options = [*file_options(tmp_path / "corpus"), *TINY, "training.max_steps=4", f"run={tmp_path / 'sweep'}"]
    assert call_command("train", "-m", "model=rnn,gru", "seed=1,2", *options).code == 0
    names = {path.parent.name for path in (tmp_path / "sweep").glob("*/summary.json")}
    assert names == {f"model-{model}+seed-{seed}" for model in ("rnn", "gru") for seed in (1, 2)}
    objects = json.loads(call_command("gather", f"run={tmp_path / 'sweep'}", "format=json").out)
    assert [row["options"]["model.cell"] for row in objects["rows"]] == ["gru", "rnn"]
    assert [row["runs"] for row in objects["rows"]] == [2, 2]
