"""`s2s memory`: how far each cell carries a word across fillers, with attention and without."""

import logging
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from s2s.cli.commands import Command
from s2s.cli.results import print_result
from s2s.config.decoding import PICTURE_HELP
from s2s.config.model import AttentionScore, Cell
from s2s.config.options import Options, Takes, as_argument, check_ascending, option
from s2s.config.pictures import LANGUAGE_HELP, TITLE_HELP, Language, check_labels
from s2s.errors import ConfigError

if TYPE_CHECKING:
    from s2s.analysis.copy_task import ModelKind
    from s2s.analysis.plots.line_plots import Panel

_logger = logging.getLogger(__name__)


@dataclass
class MemoryConfig(Options):
    """Options of `memory`."""

    cells: list[Cell] = option([Cell.rnn, Cell.lstm, Cell.gru], "cells of models without attention")
    attention_cells: list[Cell] = option([Cell.rnn], "cells of models with dot-product attention")
    distances: list[int] = option(
        [1, 3, 10, 30, 100], "fillers between a word and its copy, ascending", low=1, high=1000
    )
    word_length: int = option(2, "letters of a word, out of 10", low=1, high=100)
    hidden_size: int = option(64, "units of a state; half of them in an embedding", low=2, high=100_000)
    steps: int = option(2000, "updates of each model", low=1, high=1_000_000_000)
    batch_size: int = option(32, "words of a batch", low=1, high=1_000_000)
    seeds: int = option(1, "models trained of each kind and distance; the spread is over them", low=1, high=1_000_000)
    labels: list[str] = option(
        [], "names of the models in the picture: those of cells, then those of attention_cells", takes=Takes.sentence
    )
    title: str | None = option(None, TITLE_HELP, takes=Takes.sentence)
    language: Language = option(Language.en, LANGUAGE_HELP)
    output: str | None = option("memory.png", PICTURE_HELP, takes=Takes.file)

    def check(self) -> None:
        check_ascending("distances", self.distances)
        for name, cells in (("cells", self.cells), ("attention_cells", self.attention_cells)):
            if len(cells) > len(set(cells)):
                raise ConfigError(f"{name}={as_argument(cells)} must name each cell once")
        if not self.cells and not self.attention_cells:
            raise ConfigError("cells and attention_cells are both empty: name at least one cell")
        check_labels(self.labels, len(self.cells) + len(self.attention_cells), "models")


def memory(config: MemoryConfig) -> None:
    """Train and test a model for each kind, distance and seed: table on stderr, JSON on stdout, and a picture."""
    from s2s.analysis.copy_task import ModelKind, measure_copying
    from s2s.analysis.picture_words import localized
    from s2s.analysis.plots.figure import check_drawable
    from s2s.analysis.plots.line_plots import plot_panels
    from s2s.text_tables import table

    if config.output is not None:
        check_drawable(Path(config.output))
    kinds = [ModelKind(cell, AttentionScore.none) for cell in config.cells]
    kinds += [ModelKind(cell, AttentionScore.dot) for cell in config.attention_cells]
    found = measure_copying(
        kinds,
        config.distances,
        word_length=config.word_length,
        hidden_size=config.hidden_size,
        num_steps=config.steps,
        batch_size=config.batch_size,
        num_seeds=config.seeds,
    )
    cells: list[list[object]] = [["", *config.distances]]
    for kind, by_distance in found.items():
        cells.append([kind.name, *(f"{100 * statistics.fmean(accuracies):.1f}" for accuracies in by_distance)])
    _logger.info("words copied without an error (%%), mean over seeds, by the number of fillers\n%s", table(cells))
    rows = [
        {"cell": kind.cell.name, "attention": kind.score.name, "distance": distance, "accuracies": accuracies}
        for kind, by_distance in found.items()
        for distance, accuracies in zip(config.distances, by_distance, strict=True)
    ]
    print_result({"chance": 10.0**-config.word_length, "rows": rows})
    if config.output is not None:
        pattern = localized("words of {letters} letters, after {steps:,} training steps", config.language)
        title = pattern.format(letters=config.word_length, steps=config.steps)
        plot_panels([_panel(found, config)], Path(config.output), title=title if config.title is None else config.title)
        _logger.info("drawn in %s", config.output)


def _panel(found: "dict[ModelKind, list[list[float]]]", config: MemoryConfig) -> "Panel":
    from s2s.analysis.picture_words import localized
    from s2s.analysis.plots.line_plots import Curve, Panel

    language = config.language
    names = config.labels or [
        localized("{cell}, no attention", language).format(cell=kind.cell.name.upper())
        if kind.score is AttentionScore.none
        else localized("{cell}, {score} attention", language).format(cell=kind.cell.name.upper(), score=kind.score.name)
        for kind in found
    ]
    lines = [
        Curve(
            names[colour],
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
        "",
        localized("fillers between the word and its copy", language),
        localized("words copied without an error (%)", language),
        lines,
        is_x_log=True,
        x_ticks=config.distances,
        y_limits=(-4, 104),
    )


COMMAND = Command(
    memory,
    MemoryConfig,
    examples=(
        "",
        "cells=lstm,gru attention_cells=lstm distances=1,10,100",
    ),
)
