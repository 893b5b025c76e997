"""Small corpora, and options for runs on them that take a second or two, composed as the commands do it."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_module
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import open_dict, read_write

from s2s.cli.arguments import overrides_of
from s2s.cli.commands import command_of
from s2s.cli.composition import register, typed

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
LEARNS = (
    *(option for option in TINY if not option.startswith("training.batch_tokens")),
    "training.batch_size=16",
    "training.batch_tokens=999",
    "optim.learning_rate=0.02",
    "optim.ema_decay=0",
)
"""Options with which a classifier learns `labelled_options` in 80 steps."""


def filled(options: Sequence[str], **places: Path) -> list[str]:
    """The options with {NAME} replaced by the place of that name."""
    for name, place in places.items():
        options = [option.replace(f"{{{name}}}", str(place)) for option in options]
    return list(options)


def compose(command: str, *arguments: str, is_sweep: bool = False) -> Any:
    """The options of a command, checked, as what it runs would see them."""
    overrides = overrides_of(arguments, command, command_of(command), is_sweep=is_sweep)
    if is_sweep:  # the first job of it
        overrides = [
            f"{each.key_or_group}={next(each.sweep_string_iterator())}"
            if each.is_sweep_override()
            else str(each.input_line)
            for each in OverridesParser.create().parse_overrides(overrides)
        ]
    register(command, command_of(command))
    with initialize_config_module("s2s.conf", version_base="1.3"):
        options = hydra_compose(command, overrides=overrides, return_hydra_config=True)
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
