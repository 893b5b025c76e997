"""What is left open is fitted to the size of the text; what was set stays."""

import re
from pathlib import Path

import pytest

from processes import ROOT
from s2s.config.fitting import as_begun, fit_to, fitted
from s2s.config.options import check_options, flatten
from s2s.config.training import Config
from tiny_runs import compose, write_corpus

OPEN = set(fit_to(1))


def own_text(tmp_path: Path, *options: str) -> Config:
    source, target = write_corpus(tmp_path, 3)
    config: Config = compose("train", "data=files", f"data.train=[{source},{target}]", *options)
    return config


def test_files_leave_open_what_the_text_decides(tmp_path: Path) -> None:
    options = flatten(own_text(tmp_path))
    assert {name for name in OPEN if options[name] is None} == OPEN
    assert (options["data.dev_pairs"], options["data.test_pairs"]) == (None, None)


@pytest.mark.parametrize("data", ["phrasebook", "multi30k"])
def test_other_corpora_leave_nothing_open(data: str) -> None:
    options = flatten(compose("train", f"data={data}"))
    assert all(options[name] is not None for name in (*OPEN, "data.dev_pairs", "data.test_pairs"))
    expected = {
        "subwords.vocabulary_size": 8000,
        "model.embedding_size": 256,
        "model.hidden_size": 512,
        "model.dropout": 0.2,
        "training.batch_tokens": 1000,
        "training.max_steps": 100_000,
        "training.validate_every": 500,
        "training.patience": 20,
    }
    assert {name: options[name] for name in OPEN} == expected  # their losses depend on these


@pytest.mark.parametrize(
    ("num_pairs", "vocabulary_size", "hidden_size", "dropout", "batch_tokens", "max_steps"),
    [
        (1_000, 1_000, 256, 0.4, 500, 5_000),
        (5_000, 1_000, 256, 0.4, 500, 5_000),
        (5_001, 4_000, 512, 0.3, 1_000, 10_000),
        (30_000, 8_000, 512, 0.2, 1_000, 30_000),
        (1_000_000, 16_000, 512, 0.1, 2_000, 60_000),
    ],
)
def test_sizes_fit_the_text(
    tmp_path: Path,
    num_pairs: int,
    vocabulary_size: int,
    hidden_size: int,
    dropout: float,
    batch_tokens: int,
    max_steps: int,
) -> None:
    config, message = fitted(own_text(tmp_path), num_pairs)
    check_options(config)
    found = config.subwords.vocabulary_size, config.model.hidden_size, config.model.dropout
    assert found == (vocabulary_size, hidden_size, dropout)
    assert (config.training.batch_tokens, config.training.max_steps) == (batch_tokens, max_steps)
    assert message is not None
    assert message.startswith(f"fitted to {num_pairs:,} training pairs: subwords.vocabulary_size={vocabulary_size} ")
    assert f"model.dropout={dropout}" in message


def test_early_stopping_can_come_before_the_last_step(tmp_path: Path) -> None:
    for num_pairs in (1, 9_999, 99_999, 999_999):
        training = fitted(own_text(tmp_path), num_pairs)[0].training
        assert training.validate_every * (training.patience + 2) <= training.max_steps


def test_what_was_set_stays(tmp_path: Path) -> None:
    config, message = fitted(own_text(tmp_path, "model.dropout=0", "subwords.vocabulary_size=8000"), 1000)
    assert (config.model.dropout, config.subwords.vocabulary_size, config.model.hidden_size) == (0, 8000, 256)
    assert message is not None
    assert "dropout" not in message
    assert "vocabulary_size" not in message
    everything = [f"{name}={value}" for name, value in fit_to(10**9).items()]
    config = own_text(tmp_path, *everything)
    assert fitted(config, 5) == (config, None)


def test_an_experiment_sets_it_all(tmp_path: Path) -> None:
    config = fitted(own_text(tmp_path, "experiment=multi30k"), 1000)[0]
    assert (config.subwords.vocabulary_size, config.model.dropout, config.training.max_steps) == (5000, 0.2, 3400)


def test_a_cosine_ends_with_the_steps_that_fit(tmp_path: Path) -> None:
    assert fitted(own_text(tmp_path, "optim=cosine"), 1000)[0].optim.decay_steps == 5000
    assert fitted(own_text(tmp_path, "optim=cosine", "training.max_steps=9"), 1000)[0].optim.decay_steps == 201
    assert fitted(own_text(tmp_path, "optim=cosine", "optim.decay_steps=777"), 1000)[0].optim.decay_steps == 777
    assert fitted(own_text(tmp_path), 1000)[0].optim.decay_steps is None


def test_a_run_keeps_what_it_began_with(tmp_path: Path) -> None:
    before = fitted(own_text(tmp_path, "model.dropout=0.35", "data.dev_pairs=7"), 1000)[0]
    again = as_begun(own_text(tmp_path, "training.patience=3"), before)
    assert (again.training.patience, again.model.dropout, again.data.dev_pairs) == (3, 0.35, 7)
    assert again.data.test_pairs is None
    assert fitted(again, 10**6) == (again, None)


def test_the_documented_table_is_what_fits() -> None:
    """A row names options before its numbers; where it names two, a cell has two numbers, with ", " between them."""
    documented: dict[str, list[float]] = {}
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    section = text.split("## Text of your own")[1].split("\n## ")[0]
    header, _, *rows = (line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|"))
    for names, *cells in rows:
        columns = zip(*(cell.split(", ") for cell in cells), strict=True)
        for name, column in zip(re.findall(r"`([^`]+)`", names), columns, strict=True):
            documented[name] = [float(number.replace(",", "")) for number in column]
    assert header[1:] == ["up to 5,000", "up to 20,000", "up to 200,000", "more"]
    for column, num_pairs in enumerate((5_000, 20_000, 200_000, 200_001)):
        assert {name: values[column] for name, values in documented.items()} == fit_to(num_pairs)
    for num_pairs in (5_000, 20_000):
        assert fit_to(num_pairs + 1) != fit_to(num_pairs)
