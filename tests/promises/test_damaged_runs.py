"""A run folder that is damaged, or is somebody's joke: an error of a line or two, or the result of the whole one."""

import json
import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from processes import Caller, Ended
from s2s.api.run import Run
from s2s.cli.greeting import greeting
from s2s.errors import RunError
from s2s.runs.checkpoint import load_checkpoint, save_checkpoint, weights_path
from s2s.runs.folder import RunFolder
from s2s.runs.metrics import read_metrics
from s2s.runs.saved_config import load_config
from s2s.tasks import translation
from tiny_runs import TINY, file_options

UNCHECKED = ("metrics.jsonl", "summary.json")
"""What only `gather` and `report` show, and what has no checksum: a number in it may be another one."""
NEVER_READ = ("attention.png", "samples.txt")
FOREIGN = (
    b"\x89PNG\r\n\x1a\n" + bytes(range(200)),
    b"[]",
    b"{}",
    b"3\n",
    b"[" * 100_000,
    b'{"a": ' * 5000,
    b"\xff\xfe" * 50,
)


def damages(content: bytes, seed: int) -> Iterator[tuple[str, bytes]]:
    """Contents that a file could have instead."""
    generator = random.Random(seed)
    yield "empty", b""
    for _ in range(3):
        length = generator.randrange(len(content))
        yield f"cut to {length}", content[:length]
    for _ in range(4):
        flipped, place = bytearray(content), generator.randrange(8 * len(content))
        flipped[place // 8] ^= 1 << place % 8
        yield f"bit {place} flipped", bytes(flipped)
    yield "zeros", bytes(len(content))
    yield "longer", content + content[-7:]
    yield "foreign", generator.choice(FOREIGN)


COMMANDS = {
    "train": ("config.yaml", "corpus.json", "subwords.model", "metrics.jsonl", "SHA256SUMS", "last/*"),
    "translate": ("config.yaml", "subwords.model", "unseen_pieces.json", "SHA256SUMS", "best/*"),
    "evaluate": ("config.yaml", "subwords.model", "SHA256SUMS", "best/*", "text/test.*"),
    "gather": ("config.yaml", "metrics.jsonl", "summary.json"),
    "report": ("config.yaml", "metrics.jsonl", "summary.json"),
    "average": ("config.yaml", "corpus.json", "subwords.model", "SHA256SUMS", "last/*", "text/*"),
    "export": ("config.yaml", "subwords.model", "unseen_pieces.json", "SHA256SUMS", "best/*"),
}
"""The files that each command reads."""


@pytest.fixture
def call(tmp_path: Path, call_command: Caller, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Path], Ended]:
    """Run a command on a run folder."""
    monkeypatch.setattr(translation, "plot_attention", lambda *_: None)
    lines = tmp_path / "lines"
    lines.write_text("하나 둘 셋\n여섯\n", encoding="utf-8")
    output = tmp_path / "output"
    words = {
        "train": [*file_options(tmp_path / "corpus"), *TINY, "training.max_steps=14"],
        "translate": [f"input={lines}"],
        "evaluate": [f"output={output}", "significance.confidence=0"],
        "report": ["scores=false", f"output={output}.html"],
        "average": ["last=2", f"output={output}"],
        "export": [f"output={output}"],
    }

    def run(name: str, folder: Path) -> Ended:
        shutil.rmtree(output, ignore_errors=True)
        return call_command(name, f"run={folder}", *words.get(name, []))

    return run


def content(path: Path) -> Any:
    """What a file holds; the header of weights is written in another order each time."""
    whole = path.read_bytes()
    if path.suffix != ".safetensors":
        return whole
    end = 8 + int.from_bytes(whole[:8], "little")
    return json.loads(whole[8:end]), whole[end:]


def result(name: str, folder: Path, ended: Ended, output: Path) -> Any:
    """What a command is for; what it says of times and places is left out."""
    match name:
        case "train":
            rows = read_metrics(folder / "metrics.jsonl")
            return [(row["step"], row["kind"], row["loss_nats"]) for row in rows]
        case "average" | "export":
            return {path.relative_to(output): content(path) for path in output.rglob("*") if path.is_file()}
        case "evaluate":
            return re.sub(rb'"translation_s": [0-9.]+', b"", ended.out)
        case "gather":
            return ended.out.split(b"minutes")[0]
        case "report":
            return None
    return ended.out


@pytest.fixture
def attack(
    tiny_run: Path, tmp_path: Path, call: Callable[[str, Path], Ended], caplog: pytest.LogCaptureFixture
) -> Callable[[str, int, int], None]:
    """Damage every file that a command reads, and run it."""

    def run(name: str, seed: int, every: int) -> None:
        whole, damaged = tmp_path / "whole", tmp_path / "damaged"
        shutil.copytree(tiny_run, whole)
        ended = call(name, whole)
        assert ended.code == 0, ended.err
        expected = result(name, whole, ended, tmp_path / "output")
        paths = sorted({path for pattern in COMMANDS[name] for path in tiny_run.glob(pattern)})
        cases = [
            (path, *damage) for number, path in enumerate(paths) for damage in damages(path.read_bytes(), seed + number)
        ]
        for path, damage, content in cases[seed % every :: every]:
            shutil.rmtree(damaged, ignore_errors=True)
            shutil.copytree(tiny_run, damaged)
            (damaged / path.relative_to(tiny_run)).write_bytes(content)
            caplog.clear()
            ended = call(name, damaged)
            what = f"{name}, {path.relative_to(tiny_run)}, {damage}: code {ended.code}, {ended.err}{caplog.text}"
            assert "Traceback" not in ended.err, what
            assert ended.code in (0, 1, 2), what
            if ended.code:
                error = ended.err[ended.err.rindex("error: ") :].strip()
                assert len(error.splitlines()) <= 2, what
                assert len(error) < 1500, what
                assert str(damaged) in error, what
            elif path.name not in UNCHECKED:
                assert result(name, damaged, ended, tmp_path / "output") == expected, what

    return run


@pytest.mark.parametrize("name", COMMANDS)
def test_a_damaged_file_is_named_or_changes_nothing(attack: Callable[[str, int, int], None], name: str) -> None:
    attack(name, 3, 25)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", COMMANDS)
def test_many_damaged_files(attack: Callable[[str, int, int], None], name: str, seed: int) -> None:
    attack(name, 100 * seed, 1)


def assert_refused(command: Callable[[], Any], path: Path) -> None:
    """Ensure that an error of one line names the file."""
    with pytest.raises(RunError) as caught:
        command()
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def strangers(run: Path, folder: Path, **state: Any) -> RunFolder:
    """A run whose checksums are right, or missing: whoever changed it knew of them."""
    made = RunFolder(shutil.copytree(run, folder))
    (folder / "SHA256SUMS").unlink()
    tensors, kept = load_checkpoint(weights_path(made))
    save_checkpoint(weights_path(made), tensors, kept | state)
    return made


VALUES = (3, "a text", [], {}, {"mean": 1}, {"mean": "low", "low": None}, {"test": {}}, [[-1]], True)


@pytest.mark.parametrize("content", [*map(json.dumps, VALUES), "[-1]", "[99999999999999999999]", "[" * 9000, "\xff"])
def test_pieces_that_a_stranger_calls_unseen(
    tiny_run: Path, tmp_path: Path, call: Callable[[str, Path], Ended], content: str
) -> None:
    run = strangers(tiny_run, tmp_path / "run")
    run.unseen_pieces.write_text(content, encoding="latin-1")
    ended = call("translate", run.path)
    assert ended.code == (0 if content == "[]" else 1)
    assert ("error: " + str(run.unseen_pieces) in ended.err) == (ended.code == 1)
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_a_stranger_kept_beside_the_weights(
    tiny_run: Path, tmp_path: Path, call: Callable[[str, Path], Ended], value: Any
) -> None:
    run = strangers(tiny_run, tmp_path / "run", dev_confidence=value, dev_bleu=value)
    ended = call("translate", run.path)
    assert ended.code == 1
    assert f"error: {weights_path(run)}: expected two numbers" in ended.err
    assert "Traceback" not in ended.err
    run.summary.unlink()
    assert_refused(lambda: greeting(run, load_config(run.config)), weights_path(run))


@pytest.mark.parametrize("content", [*map(json.dumps, VALUES), "[" * 9000, "\xff"])
def test_a_summary_of_a_stranger(tiny_run: Path, tmp_path: Path, content: str) -> None:
    run = strangers(tiny_run, tmp_path / "run")
    run.summary.write_text(content, encoding="latin-1")
    for show in (lambda: greeting(run, load_config(run.config)), lambda: Run(run.path).summary):
        assert_refused(show, run.summary)
    assert_refused(lambda: Run(run.path).samples, run.summary)
    assert_refused(lambda: repr(Run(run.path)), run.summary)
