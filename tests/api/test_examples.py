"""Every public name is documented, and its examples run."""

import doctest
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import s2s
from import_map import ROOT
from tiny_runs import write_corpus

PUBLIC = [
    "Alignment",
    "AttentionMap",
    "Beam",
    "BeamStep",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "Gates",
    "Interrupted",
    "LearningCurve",
    "LineConstraints",
    "Metrics",
    "MissingExtraError",
    "OutputError",
    "Results",
    "Run",
    "RunError",
    "S2SError",
    "Score",
    "SearchConfig",
    "SixSteps",
    "TrainingError",
    "Translation",
    "Translator",
    "train",
]
TINY = {
    "model.embedding_size": 16,
    "model.hidden_size": 24,
    "subwords.vocabulary_size": 60,
    "training.validate_every": 6,
    "training.log_every": 2,
    "data.dev_pairs": 20,
    "data.test_pairs": 15,
    "device": "cpu",
    "precision": "fp32",
}
"""Options that make any run take a second or two."""
RESULTS = ["Alignment", "AttentionMap", "Beam", "Gates", "LearningCurve", "Metrics", "Score", "SixSteps", "Translation"]


@pytest.fixture
def workplace(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a trained run in `runs/demo`, and a corpus in two files."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "demo").symlink_to(tiny_run)
    source, target = write_corpus(tmp_path / "corpus")
    source.rename(tmp_path / "corpus.ko")
    target.rename(tmp_path / "corpus.en")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_public_names() -> None:
    assert s2s.__all__ == PUBLIC
    assert all(hasattr(s2s, name) for name in PUBLIC)
    assert set(PUBLIC) <= set(dir(s2s))
    assert re.match(r"\d+\.\d+", s2s.__version__)


@pytest.mark.slow
def test_importing_s2s_imports_next_to_nothing() -> None:
    code = "import sys, s2s; sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'hydra', 'jinja2')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_public_is_documented(name: str) -> None:
    thing = getattr(s2s, name)
    assert inspect.getdoc(thing), name
    if inspect.isclass(thing) and thing.__module__.startswith("s2s.api"):
        for member, value in vars(thing).items():
            if not member.startswith("_") and (callable(value) or isinstance(value, property | classmethod)):
                assert inspect.getdoc(getattr(thing, member)), f"{name}.{member}"


@pytest.mark.parametrize("name", [name for name in PUBLIC if not name.endswith(("Error", "Interrupted"))])
def test_everything_public_has_an_example(name: str) -> None:
    thing = getattr(s2s, name)
    if name in ("BeamStep", "LineConstraints", "SearchConfig"):  # parts of others, which have examples
        return
    assert ">>>" in (inspect.getdoc(thing) or ""), name


@pytest.mark.slow
@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("path", sorted((ROOT / "s2s" / "api").glob("*.py")), ids=lambda path: path.stem)
def test_the_examples_of_the_api_run(path: Path) -> None:
    module = importlib.import_module(f"s2s.api.{path.stem}")
    found = doctest.testmod(module, extraglobs={"TINY": TINY, "np": np}, optionflags=doctest.ELLIPSIS)
    assert found.failed == 0
    assert found.attempted or path.stem in ("__init__", "inputs", "keywords")


@pytest.mark.slow
def test_the_examples_of_the_document_run(workplace: Path) -> None:
    """One after the other, as a reader types them; what they print is not compared, as the run here is another one."""
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    (workplace / "runs" / "phrasebook-lstm").symlink_to(workplace / "runs" / "demo")
    names = {"options": TINY}
    examples = doctest.DocTestParser().get_examples(text)
    assert len(examples) > 20
    for example in examples:
        exec(compile(example.source, "docs/python.md", "single"), names)
