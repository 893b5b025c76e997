"""Pictures of labels: drawn in every format, in Korean, and of classes that never occur."""

import math
from pathlib import Path

import pytest
from PIL import Image

from s2s.analysis.plots.classification_plots import plot_confusion, plot_reliability
from s2s.errors import ConfigError
from s2s.evaluation.classification import Bin

SIGNATURES = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
BINS = [Bin(0.0, 0.5, 0, math.nan, math.nan), Bin(0.5, 1.0, 3, 0.8, 1 / 3)]


@pytest.mark.parametrize("suffix", SIGNATURES)
def test_every_format_is_drawn(tmp_path: Path, suffix: str) -> None:
    confusion, reliability = tmp_path / f"new/confusion{suffix}", tmp_path / f"reliability{suffix}"
    plot_confusion([[3, 1], [0, 0]], ["나쁨", "좋음"], confusion)
    plot_reliability(BINS, reliability)
    for path in (confusion, reliability):
        assert path.read_bytes().startswith(SIGNATURES[suffix])


def numbers(path: Path) -> int:
    """How many groups of text an SVG holds: a picture of more of them says more."""
    return path.read_text(encoding="utf-8").count('<g id="text_')


def test_cells_are_numbered_until_there_are_too_many(tmp_path: Path) -> None:
    """Two by two: four counts, four labels, three ticks of the bar, three names of axes."""
    plot_confusion([[3, 1], [0, 5]], ["a", "b"], tmp_path / "few.svg")
    assert numbers(tmp_path / "few.svg") == 4 + 4 + 3 + 3
    names = [f"label {number}" for number in range(21)]
    plot_confusion([[0] * 21 for _ in names], names, tmp_path / "many.svg")
    assert numbers(tmp_path / "many.svg") == 2 * 21 + 3 + 3


@pytest.mark.slow
def test_many_labels_make_no_larger_picture(tmp_path: Path) -> None:
    """At 80 a side is 20 inches long, and no longer at 300, whose names could not be read; 150 pixels an inch."""
    for num, num_names in ((80, 80), (300, 0)):
        names = [f"label {number}" for number in range(num)]
        counts = [[int(row == column) for column in range(num)] for row in range(num)]
        plot_confusion(counts, names, tmp_path / "many.svg")
        assert numbers(tmp_path / "many.svg") == 2 * num_names + 3 + 3
        plot_confusion(counts, names, tmp_path / "many.png")
        with Image.open(tmp_path / "many.png") as image:
            assert max(image.size) <= 25 * 150


def test_long_names_make_no_larger_picture(tmp_path: Path) -> None:
    plot_confusion([[3, 1], [0, 5]], ["좋은 " * 99, "bad " * 999], tmp_path / "long.png")
    with Image.open(tmp_path / "long.png") as image:
        assert max(image.size) <= 8 * 150


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a picture file"):
        plot_reliability(BINS, tmp_path / "picture.jpeg")
