"""End to end, as a user does it: train, stop, resume, evaluate, translate."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from processes import ROOT, Caller, Ended, environment, losses, run_command, wait_for_step
from s2s.decoding.batch_translator import BatchTranslator
from s2s.runs.folder import RunFolder
from s2s.tasks.train_run import train
from tiny_runs import TINY, compose, file_options, filled

pytestmark = pytest.mark.slow  # every one trains for seconds


def start(*options: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, str(ROOT / "scripts/train.py"), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=environment())


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """A run that was never stopped, and its options."""
    folder = tmp_path_factory.mktemp("unbroken")
    options = [*file_options(folder / "corpus"), *TINY, "training.max_steps=80", "data.source_language=ko"]
    ended = run_command("train", *options, f"run={folder / 'run'}")
    assert ended.code == 0, ended.err
    return options, folder / "run"


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_goes_on_to_the_same_losses(
    unbroken: tuple[list[str], Path], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    options, reference = unbroken
    run = tmp_path / "run"
    process = start(*options, f"run={run}")
    wait_for_step(run, 10)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert out == b""
    assert "Traceback" not in err.decode()
    assert losses(run)[-1][0] < 80
    ended = run_command("train", *options, f"run={run}")
    assert ended.code == 0, ended.err
    assert "going on at step" in ended.err
    assert losses(run) == losses(reference)


def test_training_says_what_came_of_it(unbroken: tuple[list[str], Path]) -> None:
    _, run = unbroken
    names = {path.name for path in run.iterdir()}
    files = {"config.yaml", "corpus.json", "subwords.model", "metrics.jsonl", "samples.txt", "summary.json"}
    assert names == files | {"SHA256SUMS", "attention.png", "best", "last", "text", "unseen_pieces.json"}
    summary = json.loads((run / "summary.json").read_text())
    assert len(summary["samples"]) == 5
    assert summary["test"]["bleu_signature"].startswith("nrefs:1|case:mixed")


@pytest.mark.slow
def test_a_finished_run_is_left_alone(unbroken: tuple[list[str], Path]) -> None:
    options, run = unbroken
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name != "config.yaml"}
    ended = run_command("train", *options, f"run={run}")
    assert ended.code == 0
    assert "has ended already" in ended.err
    assert "to start afresh" in ended.err
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_other_options_on_a_run_are_refused_by_name(call_command: Caller, unbroken: tuple[list[str], Path]) -> None:
    options, run = unbroken
    ended = call_command("train", *options, f"run={run}", "model.dropout=0.3", "seed=2")
    assert ended.code == 1
    assert "model.dropout: 0.1 -> 0.3" in ended.err
    assert "seed: 1 -> 2" in ended.err


@pytest.mark.slow
def test_a_raised_limit_goes_on(tiny_run: Path, tmp_path: Path) -> None:
    options = [*file_options(tmp_path / "corpus"), *TINY, f"run={tmp_path / 'run'}"]
    train(compose("train", *options, "training.max_steps=8"))
    train(compose("train", *options, "training.max_steps=12"))
    assert losses(tmp_path / "run")[-1][0] == 12
    train(compose("train", *options, f"run={tmp_path / 'other'}", "training.max_steps=12"))
    # The first run validated once more, where it ended at step 8.
    kept = [row for row in losses(tmp_path / "run") if row[:2] != (8, "dev")]
    assert kept == losses(tmp_path / "other")


@pytest.mark.slow
def test_a_run_folder_is_movable_and_names_no_place(unbroken: tuple[list[str], Path], tmp_path: Path) -> None:
    _, run = unbroken
    moved = tmp_path / "somewhere else"
    subprocess.run(["cp", "-r", run, moved], check=True)
    for path in moved.rglob("*"):
        if path.is_file():
            assert str(run.parent).encode() not in path.read_bytes(), path
    assert "/" not in (moved / "config.yaml").read_text()
    lines = ["하나 둘", "셋"]
    assert BatchTranslator.load(moved).translate(lines) == BatchTranslator.load(run).translate(lines)
    assert run_command("evaluate", f"run={moved}", cwd=tmp_path).code == 0


def test_evaluate_prints_one_json_object(
    call_command: Caller, caplog: pytest.LogCaptureFixture, unbroken: tuple[list[str], Path], tmp_path: Path
) -> None:
    _, run = unbroken
    caplog.set_level("INFO")
    ended = call_command("evaluate", f"run={run}", f"output={tmp_path}")
    assert ended.code == 0, ended.err
    result = json.loads(ended.out)
    assert result["lines"] == 15
    for search in ("greedy", "beam"):
        for metric in ("bleu", "chrf", "ter"):
            assert isinstance(result[search][metric], float)
            assert "version:" in result[search][f"{metric}_signature"]
        assert len((tmp_path / result[search]["output"]).read_text().splitlines()) == 15
    assert re.search(r"greedy +\d+\.\d\d", caplog.text)


@pytest.mark.slow
def test_evaluate_on_other_files(call_command: Caller, unbroken: tuple[list[str], Path], tmp_path: Path) -> None:
    (tmp_path / "a.ko").write_text("하나 둘\n셋\n", encoding="utf-8")
    (tmp_path / "a.en").write_text("two one\nthree\n", encoding="utf-8")
    ended = call_command("evaluate", f"run={unbroken[1]}", f"data.test=[{tmp_path}/a.ko,{tmp_path}/a.en]")
    assert json.loads(ended.out)["lines"] == 2
    (tmp_path / "a.en").write_text("two one\n", encoding="utf-8")
    ended = call_command("evaluate", f"run={unbroken[1]}", f"data.test=[{tmp_path}/a.ko,{tmp_path}/a.en]")
    assert ended.code == 1
    assert "a.ko" in ended.err
    assert "a.en" in ended.err


@pytest.mark.slow
def test_search_options_reach_the_translator(unbroken: tuple[list[str], Path]) -> None:
    run = unbroken[1]
    text = "하나 둘\n셋 넷\n".encode()

    def translate(*options: str) -> Ended:
        return run_command("translate", f"run={run}", *options, stdin=text)

    assert translate("search=greedy").out == translate("search.beam_size=1").out
    moses = translate("search.num_best=2", "search.beam_size=3", "format=moses").out.decode().splitlines()
    assert [line.split(" ||| ")[0] for line in moses] == ["0", "0", "1", "1"]
    assert all(len(line.split(" ||| ")) == 4 for line in moses)
    scores = [float(line.split(" ||| ")[3]) for line in moses]
    assert scores[0] >= scores[1]


@pytest.mark.parametrize(
    ("name", "options", "code", "words"),
    [
        ("train", ["modell=gru"], 2, ["modell"]),
        ("train", ["model.hiden_size=3"], 2, ["hiden_size"]),
        ("train", ["model.hidden_size=big"], 2, ["big", "hidden_size"]),
        ("train", ["model=transformer"], 2, ["transformer", "lstm"]),
        ("train", ["model.dropout=1.5"], 2, ["model.dropout", "0.95", "1.5"]),
        ("train", ["data=files"], 2, ["data.train"]),
        ("train", ["data=files", "data.train=[nothing.ko,nothing.en]", "run={tmp}/a"], 1, ["nothing.ko"]),
        ("train", ["device=cuda", "run={tmp}/b"], 2, ["device=cuda"]),
        ("train", ["run={tmp}"], 1, ["choose another run=DIR"]),
        ("translate", [], 2, ["run"]),
        ("translate", ["run={tmp}/none"], 1, ["none", "does not exist"]),
        ("translate", ["run={tmp}"], 1, ["config.yaml"]),
        ("evaluate", ["run={tmp}/none"], 1, ["none"]),
    ],
)
def test_mistakes_end_with_a_code_and_a_short_message(
    call_command: Caller, tmp_path: Path, name: str, options: list[str], code: int, words: list[str]
) -> None:
    (tmp_path / "something").write_text("else")
    ended = call_command(name, *filled(options, tmp=tmp_path))
    assert ended.code == code, ended.err
    assert ended.out == b""
    assert "Traceback" not in ended.err
    assert len(ended.err.strip().splitlines()) <= 12
    for word in words:
        assert word in ended.err


@pytest.mark.slow
def test_help_lists_every_option(call_command: Caller) -> None:
    ended = call_command("train", "--help")
    assert ended.code == 0
    assert b"training.max_minutes" in ended.out
    assert b"sentences times longest sentence" in ended.out


def test_two_processes_cannot_train_one_run(unbroken: tuple[list[str], Path], call_command: Caller) -> None:
    options, run = unbroken
    with RunFolder(run).locked():
        ended = call_command("train", *options, f"run={run}")
    assert ended.code == 1
    assert "another process" in ended.err


@pytest.mark.slow
def test_a_sweep_trains_a_run_each(tmp_path: Path, call_command: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    options = [*file_options(tmp_path / "corpus"), *TINY, "training.max_steps=2"]
    monkeypatch.chdir(tmp_path)
    ended = call_command("train", "-m", "model=rnn,gru", *options)
    assert ended.code == 0, ended.err
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["files-sweep"]
    names = {path.name for path in (tmp_path / "runs" / "files-sweep").iterdir()}
    assert names == {"model-rnn", "model-gru", "multirun.yaml"}


def test_a_blank_test_line_is_no_trouble(tmp_path: Path) -> None:
    source, target = tmp_path / "test.ko", tmp_path / "test.en"
    source.write_text("\n하나\n", encoding="utf-8")
    target.write_text("one\none\n", encoding="utf-8")
    options = [*file_options(tmp_path / "corpus"), *TINY, f"data.test=[{source},{target}]", "training.max_steps=2"]
    train(compose("train", *options, f"run={tmp_path / 'run'}"))
    assert (tmp_path / "run" / "summary.json").exists()


@pytest.mark.parametrize("name", ["S2S_TRACEBACK", "HYDRA_FULL_ERROR"])
def test_a_full_error_comes_with_its_traceback(
    call_command: Caller, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    ended = call_command("train", "model.dropout=7")
    assert ended.code == 2
    assert "Traceback" in ended.err
    assert call_command("train", "modell=7").code == 2


def test_a_mistyped_run_loses_nothing(call_command: Caller, tmp_path: Path) -> None:
    """A folder that is no run may hold other programs' unfinished files, even with names like ours."""
    folder = tmp_path / "films"
    folder.mkdir()
    for name in ("film.part", "film.123.0badcafe.part"):
        (folder / name).touch()
    ended = call_command("train", *file_options(tmp_path / "corpus"), *TINY, f"run={folder}")
    assert ended.code == 1
    assert "exists and is not a run" in ended.err
    assert sorted(path.name for path in folder.iterdir()) == ["film.123.0badcafe.part", "film.part"]


def test_what_is_half_written_is_removed_from_a_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for path in (run.config, run.last / "step-000000004.safetensors.77.0badcafe.part", run.path / "other.part"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    with run.locked():
        assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["config.yaml", "other.part"]


def test_a_failure_of_the_program_is_no_usage_error(call_command: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr("s2s.tasks.train_run.choose_device", broken)
    assert call_command("train").code == 1
    assert call_command("train", "modell=gru").code == 2
