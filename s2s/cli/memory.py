"""`s2s memory`: how far each cell carries a word across fillers, with attention and without."""

import json
import logging
import statistics
import sys
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm import tqdm

from s2s.analysis.copy_task import accuracy, build_copyist, copying_batch, teach
from s2s.analysis.plots.figure import check_drawable
from s2s.analysis.plots.line_plots import Curve, Panel, plot_panels
from s2s.cli.commands import Command
from s2s.config.commands import MemoryConfig
from s2s.config.model import AttentionScore, Cell

_logger = logging.getLogger(__name__)
_NUM_TEST_WORDS = 1000
_TEST_SEED = 0  # training has seeds from 1 on


class Copyist(NamedTuple):
    """A kind of model."""

    cell: Cell
    score: AttentionScore

    @property
    def name(self) -> str:
        """For tables and legends."""
        return self.cell.name if self.score is AttentionScore.none else f"{self.cell.name} with attention"


Found = dict[Copyist, list[list[float]]]
"""For each distance the accuracies, one a seed."""


def memory(config: MemoryConfig) -> None:
    """Train and test a model for each kind, distance and seed: table on stderr, JSON on stdout, and a picture."""
    if config.output is not None:
        check_drawable(Path(config.output))
    kinds = [Copyist(cell, AttentionScore.none) for cell in config.cells]
    kinds += [Copyist(cell, AttentionScore.dot) for cell in config.attention_cells]
    found = _measure(kinds, config)
    _print_table(found, config.distances)
    rows = [
        {"cell": kind.cell.name, "attention": kind.score.name, "distance": distance, "accuracies": accuracies}
        for kind, by_distance in found.items()
        for distance, accuracies in zip(config.distances, by_distance, strict=True)
    ]
    json.dump({"chance": 10.0**-config.word_length, "rows": rows}, sys.stdout, allow_nan=False)
    print()
    if config.output is not None:
        plot_panels([_panel(found, config)], Path(config.output))
        _logger.info("drawn in %s", config.output)


def _measure(kinds: list[Copyist], config: MemoryConfig) -> Found:
    found: Found = {kind: [[] for _ in config.distances] for kind in kinds}
    choices = list(product(kinds, range(len(config.distances)), range(1, config.seeds + 1)))
    for kind, index, seed in tqdm(choices, desc="training", unit="model", disable=None):
        found[kind][index].append(_measure_one(kind, config.distances[index], seed, config))
    return found


def _measure_one(kind: Copyist, distance: int, seed: int, config: MemoryConfig) -> float:
    torch.manual_seed(seed)
    model = build_copyist(kind.cell, kind.score, config.hidden_size)
    sizes = {"word_length": config.word_length, "steps": config.steps, "batch_size": config.batch_size}
    teach(model, distance, **sizes, seed=seed)
    unseen = torch.Generator().manual_seed(_TEST_SEED)
    return round(accuracy(model, copying_batch(_NUM_TEST_WORDS, config.word_length, distance, unseen)), 3)


def _print_table(found: Found, distances: list[int]) -> None:
    _logger.info("words copied without an error (%), mean over seeds, by the number of fillers")
    _logger.info("%-20s%s", "", "".join(f"{distance:>7}" for distance in distances))
    for kind, by_distance in found.items():
        means = [100 * statistics.fmean(accuracies) for accuracies in by_distance]
        _logger.info("%-20s%s", kind.name, "".join(f"{mean:7.1f}" for mean in means))


def _panel(found: Found, config: MemoryConfig) -> Panel:
    lines = [
        Curve(
            kind.name,
            config.distances,
            [100 * statistics.fmean(accuracies) for accuracies in by_distance],
            [100 * min(accuracies) for accuracies in by_distance] if config.seeds > 1 else (),
            [100 * max(accuracies) for accuracies in by_distance] if config.seeds > 1 else (),
            colour,
            "-" if kind.score is AttentionScore.none else "--",
        )
        for colour, (kind, by_distance) in enumerate(found.items())
    ]
    return Panel(
        f"words of {config.word_length} letters, after {config.steps} training steps",
        "fillers between the word and its copy",
        "words copied without an error (%)",
        lines,
        is_x_log=True,
        x_ticks=config.distances,
        y_limits=(-4, 104),
    )


COMMAND = Command(memory, MemoryConfig)
