"""Models to ship: a run folder without its training, and graphs that need neither s2s nor torch."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from processes import ROOT, Caller, environment, run_command
from s2s.config.search import SearchConfig, Strategy
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.familiarity import CONFIDENCE
from s2s.runs.checkpoint import load_best, load_checkpoint, weights_path
from s2s.runs.folder import RunFolder
from s2s.tasks.train_run import train
from tiny_runs import TINY, compose, file_options, write_corpus

LINES = ["하나 둘 셋", "여섯", "", "넷 넷 다섯", "처음 보는 말", "  ", "셋 하나 둘 여섯 다섯 넷 넷"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def greedy(run: Path, lines: list[str]) -> list[str]:
    return BatchTranslator.load(run, search=SearchConfig(strategy=Strategy.greedy), device="cpu").translate(lines)


def documented_example(folder: Path) -> Path:
    """The program in the documentation, as a file, which in the end sees that it was on its own."""
    page = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    (program,) = [part.split("```")[0] for part in page.split("```python\n")[1:]]
    path = folder / "greedy.py"
    path.write_text(f"{program}\nassert not {{'torch', 's2s'}} & sys.modules.keys()\n", encoding="utf-8")
    return path


def run_example(folder: Path, graphs: Path, lines: list[str]) -> list[str]:
    command = [sys.executable, str(documented_example(folder)), str(graphs)]
    stdin = "".join(f"{line}\n" for line in lines).encode()
    ended = subprocess.run(command, input=stdin, capture_output=True, env=environment(), timeout=300)
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout.decode().split("\n")[:-1]


def test_a_model_is_a_run_without_its_training(tiny_run: Path, tmp_path: Path) -> None:
    before = contents(tiny_run)
    ended = run_command("export", f"run={tiny_run}", f"output={tmp_path / 'model'}")
    assert (ended.code, ended.out) == (0, b""), ended.err
    assert contents(tiny_run) == before
    sizes_mb = [sum(map(len, files.values())) / 1e6 for files in (contents(tmp_path / "model"), before)]
    assert ended.err == (
        f"{tmp_path / 'model'}: {sizes_mb[0]:.1f} MB; the run is {sizes_mb[1]:.1f} MB\n\n"
        f"translate with\n  s2s translate run={tmp_path / 'model'}\n"
    )
    assert sizes_mb[0] < sizes_mb[1] / 2
    model = (tmp_path / "model").rename(tmp_path / "moved")
    assert contents(model).keys() == {
        "SHA256SUMS", "config.yaml", "subwords.model", "unseen_pieces.json", "best/weights.safetensors"
    }  # fmt: skip
    tensors, state = load_checkpoint(weights_path(RunFolder(model)))
    assert state == {CONFIDENCE: load_checkpoint(weights_path(RunFolder(tiny_run)))[1][CONFIDENCE]}
    assert tensors.keys() == {f"model.{name}" for name in load_best(RunFolder(tiny_run))[0]}
    run, shipped = BatchTranslator.load(tiny_run, device="cpu"), BatchTranslator.load(model, device="cpu")
    assert shipped.translations(LINES) == run.translations(LINES)


@pytest.mark.slow
def test_a_model_is_translated_with_and_scored(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    model = tmp_path / "model"
    assert call_command("export", f"run={tiny_run}", f"output={model}", "format=s2s").code == 0
    stdin = "".join(f"{line}\n" for line in LINES).encode()
    ended = run_command("translate", f"run={model}", "search=greedy", "device=cpu", stdin=stdin)
    assert ended.out.decode() == "".join(f"{line}\n" for line in greedy(tiny_run, LINES))
    ended = call_command("evaluate", f"run={model}")
    assert ended.code == 1
    assert "holds no test set" in ended.err
    assert "data.test=SOURCE_FILE,TARGET_FILE" in ended.err
    test = [str(path) for path in RunFolder(tiny_run).text("test")]
    ended = call_command("evaluate", f"run={model}", f"data.test=[{','.join(test)}]")
    assert json.loads(ended.out)["lines"] == 15


@pytest.mark.slow
def test_training_starts_from_a_model_and_not_in_it(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    model = tmp_path / "model"
    assert call_command("export", f"run={tiny_run}", f"output={model}").code == 0
    before = contents(model)
    options = [*file_options(tmp_path / "corpus"), *TINY, "training.max_steps=12"]
    ended = call_command("train", *options, f"run={model}")
    assert ended.code == 1
    assert f"init_from={model} run=DIR" in ended.err
    assert contents(model) == before
    train(compose("train", *options, f"init_from={model}", f"run={tmp_path / 'new'}", "training.max_steps=1"))
    assert weights_path(RunFolder(tmp_path / "new")).is_file()


def test_a_run_that_was_not_validated_yet(
    tiny_run: Path, tmp_path: Path, call_command: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    """Its newest weights are taken, averaged as they are for translating, and the log says so."""
    run = shutil.copytree(tiny_run, tmp_path / "run")
    shutil.rmtree(run / "best")
    ended = call_command("export", f"run={run}", f"output={tmp_path / 'model'}")
    assert ended.code == 0
    assert "no best weights yet" in caplog.text
    weights = load_best(RunFolder(tmp_path / "model"))[0]
    assert all(weights[name].equal(tensor) for name, tensor in load_best(RunFolder(run))[0].items())


def test_graphs_come_with_all_that_they_need(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    graphs = tmp_path / "graphs"
    ended = call_command("export", f"run={tiny_run}", f"output={graphs}", "format=onnx")
    assert (ended.code, ended.out) == (0, b""), ended.err
    assert contents(graphs).keys() == {"encoder.onnx", "decoder.onnx", "model.json", "subwords.model"}
    facts = json.loads((graphs / "model.json").read_text(encoding="utf-8"))
    options = facts.pop("options")
    assert facts == {
        "format": "s2s-onnx-1",
        "source_language": "source",
        "target_language": "target",
        "source_subwords": "subwords.model",
        "target_subwords": "subwords.model",
        "special_ids": {"pad": 0, "unk": 1, "bos": 2, "eos": 3},
        "memory": ["memory_states", "memory_is_token"],
        "state": ["hidden_0", "cell_0"],
    }
    assert options["model.cell"] == "lstm"
    assert options["model.hidden_size"] == 24
    lines = LINES * 7  # two batches
    assert run_example(tmp_path, graphs.rename(tmp_path / "moved"), lines) == greedy(tiny_run, lines)


def test_graphs_of_two_vocabularies(tmp_path: Path, call_command: Caller) -> None:
    options = ["subwords.shared=false", "subwords.vocabulary_size=40", "model=gru", "model.input_feeding=true"]
    run, graphs = tmp_path / "run", tmp_path / "graphs"
    train(compose("train", *file_options(tmp_path / "corpus"), *TINY, *options, f"run={run}", "training.max_steps=30"))
    assert call_command("export", f"run={run}", f"output={graphs}", "format=onnx").code == 0
    models = {"subwords.source.model", "subwords.target.model"}
    assert contents(graphs).keys() == {"encoder.onnx", "decoder.onnx", "model.json", *models}
    assert run_example(tmp_path, graphs, LINES) == greedy(run, LINES)


@pytest.mark.slow
def test_the_documented_example_translates_as_s2s_does(tmp_path: Path) -> None:
    """A model that has learnt to translate, and sentences that it has not seen."""
    run, graphs = tmp_path / "run", tmp_path / "graphs"
    source, target = write_corpus(tmp_path, num_lines=2000)
    data = "data=files", f"data.train=[{source},{target}]", "data.dev_pairs=20", "data.test_pairs=100"
    sizes = "model.embedding_size=32", "model.hidden_size=64", "model.dropout=0", "training.batch_tokens=500"
    steps = "training.max_steps=300", "training.validate_every=300", "optim.learning_rate=1e-2", "optim.ema_decay=0.95"
    train(compose("train", *data, *TINY, *sizes, *steps, f"run={run}"))
    ended = run_command("export", f"run={run}", f"output={graphs}", "format=onnx")
    assert ended.code == 0, ended.err
    lines, right = (path.read_text(encoding="utf-8").split("\n")[:-1] for path in RunFolder(run).text("test"))
    translations = greedy(run, lines)
    assert sum(text == line for text, line in zip(translations, right, strict=True)) > 90
    assert run_example(tmp_path, graphs, lines) == translations


@pytest.mark.parametrize("form", ["s2s", "onnx"])
def test_nothing_is_overwritten(tiny_run: Path, tmp_path: Path, call_command: Caller, form: str) -> None:
    (tmp_path / "file").write_text("something")
    before = contents(tmp_path)
    for output in (tiny_run, tmp_path, tmp_path / "file"):
        ended = call_command("export", f"run={tiny_run}", f"output={output}", f"format={form}")
        assert ended.code == 1
        assert "is in use: expected a new or empty folder; choose another output=DIR" in ended.err
    assert contents(tmp_path) == before
    (tmp_path / "empty").mkdir()
    assert call_command("export", f"run={tiny_run}", f"output={tmp_path / 'empty'}", f"format={form}").code == 0


@pytest.mark.parametrize("form", ["s2s", "onnx"])
@pytest.mark.parametrize("number", range(4))
def test_a_full_disk_leaves_nothing(
    tiny_run: Path, tmp_path: Path, call_command: Caller, monkeypatch: pytest.MonkeyPatch, form: str, number: int
) -> None:
    """Whichever file it is that finds no room."""
    fsync, calls = os.fsync, []

    def fail(handle: int) -> None:
        calls.append(handle)
        if len(calls) > number:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", fail)
    ended = call_command("export", f"run={tiny_run}", f"output={tmp_path / 'new' / 'model'}", f"format={form}")
    assert ended.code == 1
    assert f"output={tmp_path / 'new' / 'model'} cannot be written (No space left on device)" in ended.err
    assert list((tmp_path / "new").iterdir()) == []


def test_a_place_that_cannot_be_written(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    (tmp_path / "file").write_text("something")
    ended = call_command("export", f"run={tiny_run}", f"output={tmp_path / 'file' / 'model'}")
    assert ended.code == 1
    assert "cannot be written" in ended.err
    assert "Traceback" not in ended.err


def test_without_the_extra(
    tiny_run: Path, tmp_path: Path, call_command: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    ended = call_command("export", f"run={tiny_run}", f"output={tmp_path / 'graphs'}", "format=onnx")
    assert ended.code == 1
    assert 'pip install "s2s[export]"' in ended.err
    assert list(tmp_path.iterdir()) == []
    assert call_command("export", f"run={tiny_run}", f"output={tmp_path / 'model'}").code == 0


def test_a_run_that_is_none_or_damaged(tiny_run: Path, tmp_path: Path, call_command: Caller) -> None:
    ended = call_command("export", f"run={tmp_path / 'none'}", f"output={tmp_path / 'model'}")
    assert ended.code == 1
    assert "does not exist: expected the folder of a run" in ended.err
    write_corpus(tmp_path / "corpus")
    ended = call_command("export", f"run={tmp_path / 'corpus'}", f"output={tmp_path / 'model'}")
    assert "holds no config.yaml" in ended.err
    run = shutil.copytree(tiny_run, tmp_path / "run")
    path = weights_path(RunFolder(run))
    path.write_bytes(path.read_bytes()[:-1])
    ended = call_command("export", f"run={run}", f"output={tmp_path / 'model'}")
    assert ended.code == 1
    assert str(path) in ended.err
    assert not (tmp_path / "model").exists()


def test_options_that_are_none(call_command: Caller) -> None:
    for options, message in (
        ([], "run is missing"),
        (["run=a"], "output is missing"),
        (["run=a", "output=b", "format=torch"], "expected one of s2s, onnx, got torch"),
        (["run=a", "output=b", "last=5"], "last"),
    ):
        ended = call_command("export", *options)
        assert ended.code == 2
        assert message in ended.err
