"""Every file under conf/ is composed and run for a few steps, and every option group of the models too."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from processes import ROOT
from s2s.config.optim import Schedule
from s2s.config.options import flatten
from s2s.config.training import Config, Precision
from s2s.tasks.train_run import train
from tiny_runs import TINY, compose, file_options, labelled_options, write_corpus

GROUPS = sorted(path.relative_to(ROOT / "conf") for path in (ROOT / "conf").glob("*/*.yaml"))
PHRASEBOOK = ("data.train_pairs=60", "data.dev_pairs=7", "data.test_pairs=5", "subwords.vocabulary_size=300")


def multi30k(folder: Path) -> list[str]:
    """A folder with the names of the public set's files."""
    source, target = write_corpus(folder / "text", 40)
    for split in ("train", "val", "test_2016_flickr"):
        for path, language in ((source, "en"), (target, "de")):
            with gzip.open(folder / f"{split}.{language}.gz", "wb") as file:
                file.write(path.read_bytes())
    return ["data=multi30k", f"data.root={folder}"]


def test_every_file_is_packaged() -> None:
    packages = {path.parent.name for path in GROUPS}
    text = (ROOT / "pyproject.toml").read_text()
    assert all(f'"s2s.conf.{name}"' in text for name in packages)


@pytest.mark.parametrize("path", GROUPS, ids=str)
@pytest.mark.slow
def test_every_choice_trains(path: Path, tmp_path: Path) -> None:
    group, name = path.parent.name, path.stem
    data = {
        "phrasebook": ["data=phrasebook", *PHRASEBOOK],
        "multi30k": multi30k(tmp_path),
        "files": file_options(tmp_path / "files"),
        **dict.fromkeys(("labelled", "sentiment", "sentiment_pieces"), labelled_options(tmp_path / "labelled")),
    }.get(name, file_options(tmp_path / "files"))
    choice = [] if group == "data" else [f"{group}={name}"]
    run = tmp_path / "run"
    sizes = [option for option in TINY if "vocabulary" not in option or name != "phrasebook"]
    train(compose("train", *data, *choice, *sizes, f"run={run}", "training.max_steps=3"))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 3
    assert json.loads((run / "summary.json").read_text())["test"]["lines"] > 0


@pytest.mark.parametrize("path", GROUPS, ids=str)
def test_a_choice_is_a_few_lines(path: Path) -> None:
    content = yaml.safe_load((ROOT / "conf" / path).read_text())
    assert "_target_" not in str(content)
    assert isinstance(content, dict)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["model.attention=none"],
        ["model.attention=additive", "model.layers=2", "model.residual=true"],
        ["model.attention=general", "model.tie=output"],
        ["model.scale_attention=true", "model.tie=all"],
        ["model.input_feeding=true", "model=gru"],
        ["model.bidirectional=false"],
        ["subwords.shared=false", "subwords.kind=bpe", "subwords.character_coverage=1.0"],
        ["data.clean=false"],
        ["optim.max_grad_norm=0", "optim.label_smoothing=0", "optim.ema_decay=0"],
        ["model.locked_dropout=true", "model.layers=2", "model.embedding_dropout=0.3"],
        ["model.locked_dropout=true", "model.input_feeding=true", "model.layers=2"],
        ["model.layer_dropout=0", "model.output_dropout=0.3"],
        ["model.source_word_dropout=0.2", "model.target_word_dropout=0.1"],
        ["optim.optimizer=adamw", "optim.weight_decay=0.1"],
        ["optim.optimizer=sgd", "optim.momentum=0.5", "optim.learning_rate=0.1"],
        ["optim=cosine", "optim.decay_steps=20"],
        ["training.stop_metric=loss", "training.patience=1"],
        ["training.max_minutes=0.0001"],
        ["training.max_epochs=1", "training.accumulate=3"],
        ["subwords.sampling=true", "subwords.sampling_alpha=0.5"],
        ["subwords.sampling=true", "subwords.kind=bpe", "subwords.shared=false"],
    ],
    ids=" ".join,
)
def test_options_train(options: list[str], tmp_path: Path) -> None:
    train(compose("train", *file_options(tmp_path), *TINY, f"run={tmp_path / 'run'}", "training.max_steps=3", *options))
    assert (tmp_path / "run" / "best" / "weights.safetensors").exists()


def test_the_phrasebook_can_be_turned_round(tmp_path: Path) -> None:
    languages = ["data.source_language=en", "data.target_language=ko"]
    sizes = [option for option in TINY if "vocabulary" not in option]
    run = tmp_path / "run"
    train(compose("train", *PHRASEBOOK, *languages, *sizes, f"run={run}", "training.max_steps=2"))
    assert (run / "text" / "test.source").read_text().isascii()


def test_the_default_run_folder_names_data_and_model() -> None:
    config: Config = compose("train")
    assert config.run == "runs/phrasebook-lstm"
    config = compose("train", "data=multi30k", "model=gru", "experiment=multi30k")
    assert config.run == "runs/multi30k-gru"


def test_the_baseline_depends_on_no_clock_and_on_no_default() -> None:
    config: Config = compose("train", "data=multi30k", "experiment=baseline")
    training, optim = config.training, config.optim
    assert config.precision is Precision.fp32
    assert (training.max_steps, training.max_minutes, training.max_epochs) == (3400, None, None)
    assert training.patience * training.validate_every >= training.max_steps  # early stopping comes after the end
    assert (optim.schedule, optim.decay_steps) == (Schedule.cosine, None)
    written = flatten_yaml(yaml.safe_load((ROOT / "conf" / "experiment" / "baseline.yaml").read_text()))
    named = {name for name, value in flatten(config).items() if name in written and value == written[name]}
    assert named == written.keys()


def flatten_yaml(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every value of a YAML file by its dotted name."""
    flat: dict[str, Any] = {}
    for name, value in content.items():
        flat |= flatten_yaml(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat
