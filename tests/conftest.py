"""What several test files share: options composed as the commands do it, small corpora, and one small trained run."""

import importlib
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_module
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict, read_write

from s2s.cli.app import register, typed
from s2s.cli.train import train
from s2s.config import (
    AlignConfig,
    AttentionConfig,
    AverageConfig,
    BenchConfig,
    ClassifyConfig,
    Config,
    EvaluateConfig,
    ExportConfig,
    GatesConfig,
    GatherConfig,
    GradientsConfig,
    LengthsConfig,
    MemoryConfig,
    PhrasebookConfig,
    ReportConfig,
    ScoreConfig,
    TranslateConfig,
)

ROOT = Path(__file__).parent.parent
torch.set_num_threads(1)  # a process for each core runs the tests: more threads would fight for them
SCHEMAS = {
    "train": Config,
    "evaluate": EvaluateConfig,
    "translate": TranslateConfig,
    "classify": ClassifyConfig,
    "score": ScoreConfig,
    "align": AlignConfig,
    "attention": AttentionConfig,
    "bench": BenchConfig,
    "average": AverageConfig,
    "export": ExportConfig,
    "report": ReportConfig,
    "gather": GatherConfig,
    "phrasebook": PhrasebookConfig,
    "gradients": GradientsConfig,
    "memory": MemoryConfig,
    "lengths": LengthsConfig,
    "gates": GatesConfig,
}

TINY = (
    "model.embedding_size=16",
    "model.hidden_size=24",
    "model.dropout=0.1",
    "training.batch_tokens=200",
    "training.log_every=2",
    "training.validate_every=6",
    "training.save_every=4",
    "optim.warmup_steps=4",
    "subwords.vocabulary_size=60",
    "device=cpu",
    "precision=fp32",
)
"""Options that make any run take a second or two."""


def filled(options: Sequence[str], **places: Path) -> list[str]:
    """The options with {NAME} replaced by the place of that name."""
    for name, place in places.items():
        options = [option.replace(f"{{{name}}}", str(place)) for option in options]
    return list(options)


def compose(command: str, *overrides: str) -> Any:
    """The options of a command, checked, as its `main` would see them."""
    register(command, SCHEMAS[command])
    with initialize_config_module("s2s.conf", version_base="1.3"):
        options = hydra_compose(command, overrides=list(overrides), return_hydra_config=True)
    HydraConfig.instance().set_config(options)
    with read_write(options), open_dict(options):
        del options["hydra"]
    return typed(options)


def write_corpus(folder: Path, num_lines: int = 300, seed: int = 0) -> tuple[Path, Path]:
    """A corpus of number words whose translation is the words turned round, in two files."""
    generator = random.Random(seed)
    words = ["하나", "둘", "셋", "넷", "다섯", "여섯"], ["one", "two", "three", "four", "five", "six"]
    rows = [[generator.randrange(6) for _ in range(generator.randint(1, 7))] for _ in range(num_lines)]
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "train.ko", folder / "train.en"
    paths[0].write_text("".join(" ".join(words[0][n] for n in row) + "\n" for row in rows), encoding="utf-8")
    paths[1].write_text("".join(" ".join(words[1][n] for n in row[::-1]) + "\n" for row in rows), encoding="utf-8")
    return paths


def file_options(folder: Path) -> list[str]:
    """`data=files` with a corpus that is written into a folder."""
    source, target = write_corpus(folder)
    return ["data=files", f"data.train=[{source},{target}]", "data.dev_pairs=20", "data.test_pairs=15"]


def write_labelled(folder: Path, num_lines: int = 300, labels: Sequence[str] = ("bad", "good")) -> tuple[Path, Path]:
    """Number words, and a label for each line that depends on its first word, in two files."""
    text, _ = write_corpus(folder, num_lines)
    firsts = [line.split()[0] for line in text.read_text(encoding="utf-8").splitlines()]
    names = sorted(set(firsts))
    path = folder / "train.label"
    path.write_text("".join(f"{labels[names.index(first) % len(labels)]}\n" for first in firsts), encoding="utf-8")
    return text, path


def labelled_options(folder: Path, **kind: Any) -> list[str]:
    """`data=labelled` with texts that are written into a folder."""
    text, label = write_labelled(folder, **kind)
    return ["data=labelled", f"data.train=[{text},{label}]", "data.dev_pairs=20", "data.test_pairs=15"]


def svg_texts(path: Path) -> list[str]:
    """The lines of text in a picture, whose letters matplotlib draws as outlines and names in comments."""
    return [unescape(text) for text in re.findall("<!-- (.*) -->", path.read_text(encoding="utf-8"))]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: bytes
    err: str


def run_command(name: str, *options: str, stdin: bytes = b"", cwd: Path = ROOT) -> Ended:
    """Run a command as a user would, in a process of its own."""
    command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *options]
    ended = subprocess.run(command, input=stdin, capture_output=True, cwd=cwd, env=environment(), timeout=300)
    return Ended(ended.returncode, ended.stdout, ended.stderr.decode())


Caller = Callable[..., Ended]


@pytest.fixture
def call_command(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Iterator[Caller]:
    """Run a command in this process: what matters is how it ends, and starting Python takes seconds."""
    handler = signal.getsignal(signal.SIGTERM)

    def call(name: str, *options: str) -> Ended:
        monkeypatch.setattr(sys, "argv", [f"s2s-{name}", *options])
        with pytest.raises(SystemExit) as end:
            importlib.import_module(f"s2s.cli.{name}").main()
        captured = capfdbinary.readouterr()
        return Ended(int(end.value.code or 0), captured.out, captured.err.decode())

    yield call
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of the tests' own, for this process and for the commands that it starts."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("S2S_CACHE", str(folder))
        yield folder


def environment() -> dict[str, str]:
    """The environment of a command: one thread, since tests are small and cores are shared."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder that was trained for some steps."""
    folder = tmp_path_factory.mktemp("tiny")
    run = folder / "run"
    train(compose("train", *file_options(folder / "corpus"), *TINY, f"run={run}", "training.max_steps=12"))
    return run


@pytest.fixture(scope="session")
def labelled_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier that was trained for some steps."""
    folder = tmp_path_factory.mktemp("labelled")
    options = [*labelled_options(folder / "corpus"), *TINY, "training.max_steps=12"]
    train(compose("train", *options, f"run={folder / 'run'}"))
    return folder / "run"


@pytest.fixture(scope="session")
def blind_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without attention."""
    folder = tmp_path_factory.mktemp("blind")
    options = [*file_options(folder / "corpus"), *TINY, "training.max_steps=2", "model.attention=none"]
    train(compose("train", *options, f"run={folder / 'run'}"))
    return folder / "run"
