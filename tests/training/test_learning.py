"""Models learn: sequences of digits turned round, which needs the whole source and its order."""

import json
import random
from pathlib import Path

import pytest

from s2s.decoding.batch_translator import BatchTranslator
from s2s.tasks.train_run import train
from tiny_runs import compose


def write_digits(folder: Path, split: str, num_lines: int, seed: int) -> list[str]:
    generator = random.Random(seed)
    rows = ["".join(generator.choices("0123456789", k=generator.randint(3, 10))) for _ in range(num_lines)]
    source, target = folder / f"{split}.source", folder / f"{split}.target"
    source.write_text("".join(f"{' '.join(row)}\n" for row in rows))
    target.write_text("".join(f"{' '.join(row[::-1])}\n" for row in rows))
    return [str(source), str(target)]


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_digits_are_turned_round(tmp_path: Path, cell: str) -> None:
    files = {split: write_digits(tmp_path, split, num, seed) for split, num, seed in
             (("train", 8000, 1), ("dev", 200, 2), ("test", 500, 3))}  # fmt: skip
    data = [f"data.{split}=[{','.join(pair)}]" for split, pair in files.items()]
    run = tmp_path / "run"
    options = ["model.embedding_size=32", "model.hidden_size=128", "model.dropout=0.1", "subwords.vocabulary_size=30"]
    limits = ["training.max_steps=1500", "training.validate_every=300", "optim.learning_rate=3e-3"]
    train(compose("train", "data=files", *data, f"model={cell}", *options, *limits, f"run={run}", "device=cpu"))
    source, target = (Path(name).read_text().splitlines() for name in files["test"])
    translations = BatchTranslator.load(run).translate(source)
    num_right = sum(translation == line for translation, line in zip(translations, target, strict=True))
    assert num_right >= 0.99 * len(target), json.loads((run / "summary.json").read_text())["samples"]
