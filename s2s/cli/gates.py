"""`s2s gates`: what the gates of a trained encoder do at each piece of a sentence, and how long its units remember."""

import enum
import json
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2s.cli.commands import Command
from s2s.config.decoding import PICTURE_HELP
from s2s.config.model import ModelConfig
from s2s.config.options import Options, Takes, option
from s2s.config.training import Task
from s2s.errors import ConfigError, RunError

if TYPE_CHECKING:
    from torch import Tensor

    from s2s.analysis.gates import Trace, UnitHalfLife
    from s2s.decoding.translator import Translator
    from s2s.runs.folder import RunFolder

_logger = logging.getLogger(__name__)


class Direction(enum.Enum):
    """Which half of a bidirectional encoder."""

    forwards = "forwards"
    backwards = "backwards"


@dataclass
class GatesConfig(Options):
    """Options of `gates`."""

    run: str = option("???", "folder of a trained lstm or gru run", takes=Takes.run)
    text: str = option("???", "sentence that its encoder reads", takes=Takes.sentence)
    layer: int = option(1, "of the encoder, from 1", low=1, high=100)
    direction: Direction = option(Direction.forwards, "forwards or backwards, in which the layer reads")
    units: list[int] = option(
        [], "units to draw, from 0; left out: those of the largest and smallest mean gates", low=0, high=1_000_000
    )
    num_units: int = option(
        8, "units with the largest mean gate, and with the smallest, that are drawn and printed", low=1, high=1_000_000
    )
    lines: int = option(200, "test sentences over which gates are averaged; 0: only text", low=0, high=1_000_000_000)
    output: str | None = option("gates.png", PICTURE_HELP, takes=Takes.file)

    def check(self) -> None:
        if not self.text.strip():
            raise ConfigError("text must be a sentence, but is blank")


def gates(config: GatesConfig) -> None:
    """A table of units on stderr, all values of the drawn units as one JSON object on stdout, and a picture."""
    from s2s.analysis.gates import KEEP_GATES, LayerReader, Trace, extremes, half_lives
    from s2s.analysis.plots.figure import check_drawable
    from s2s.analysis.plots.heat_maps import HeatMap, plot_heat_maps
    from s2s.decoding.translator import Translator
    from s2s.runs.folder import RunFolder
    from s2s.runs.saved_config import load_config
    from s2s.text_tables import table

    if config.output is not None:
        check_drawable(Path(config.output))
    run = RunFolder.existing(config.run)
    model = load_config(run.config, Task.translate).model
    _check(config, run, model)
    texts = [config.text] if config.lines == 0 else _test_lines(run, config.lines)
    translator = Translator.load(run.path, device="cpu")
    is_backwards = config.direction is Direction.backwards
    reader = LayerReader(translator.model.encoder, model.cell, config.layer - 1, is_backwards=is_backwards)
    size = reader.cell.hidden_size
    if not all(0 <= unit < size for unit in config.units):
        raise ConfigError(f"units={config.units}: this layer has units 0 to {size - 1}")
    source_S = _pieces(translator, config.text)
    pieces, values = translator.source.pieces(source_S.tolist()), reader.read(source_S)
    keeps = KEEP_GATES[model.cell]
    units = half_lives(reader.read(_pieces(translator, text))[keeps] for text in texts)
    by_unit = {each.unit: each for each in units}
    drawn = [by_unit[unit] for unit in config.units] or extremes(units, config.num_units)
    rows = [[unit, f"{gate:.3f}", f"{life:.1f}"] for unit, gate, life in extremes(units, config.num_units)]
    _logger.info("units by their mean %s over %d lines, the largest first", keeps.value, len(texts))
    _logger.info("%s", table([["unit", "mean gate", "half-life (pieces)"], *rows], ">"))
    print(json.dumps(_result(values, drawn, pieces, units), ensure_ascii=False, allow_nan=False))
    if config.output is not None:
        chosen = [each.unit for each in drawn]
        maps = [
            HeatMap(name.value, each_SH[:, chosen].T.numpy(), name not in (Trace.cell, Trace.hidden))
            for name, each_SH in values.items()
        ]
        names = [f"unit {each.unit} ({each.mean_gate:.2f})" for each in drawn]
        title = (
            f"{model.cell.name}, encoder layer {config.layer} reading {config.direction.name}; in brackets the mean "
        )
        is_divided = not config.units and len(drawn) == 2 * config.num_units
        divided_after = config.num_units if is_divided else None
        plot_heat_maps(maps, names, pieces, Path(config.output), title=title + keeps.value, divided_after=divided_after)
        _logger.info("drawn in %s", config.output)


def _check(config: GatesConfig, run: "RunFolder", model: ModelConfig) -> None:
    """Refuse what this run does not have.

    Raises:
        RunError: its cells have no gates.
        ConfigError: it has no such layer or direction.
    """
    from s2s.analysis.gates import KEEP_GATES

    if model.cell not in KEEP_GATES:
        raise RunError(f"run={run.path} has plain RNN cells, which have no gates: expected an lstm or gru run")
    if config.layer > model.layers:
        raise ConfigError(f"layer={config.layer}: the encoder of {run.path} has layers 1 to {model.layers}")
    if config.direction is Direction.backwards and not model.bidirectional:
        raise ConfigError(f"direction=backwards: the encoder of {run.path} reads forwards only")


def _test_lines(run: "RunFolder", number: int) -> list[str]:
    """The first `number` lines of the run's test set that are not blank, or all of them.

    Raises:
        RunError: there is no test set, or nothing in it.
    """
    from s2s.data.text.parallel_text import read_pairs

    pairs = read_pairs(*run.kept_text("test", advice="add lines=0"))
    lines = [pair.source for pair in pairs if pair.source.strip()]
    if not lines:
        raise RunError(f"run={run.path} has a test set of blank lines: add lines=0")
    return lines[:number]


def _pieces(translator: "Translator", text: str) -> "Tensor":
    """As the encoder reads them, `</s>` included."""
    from s2s.data.batching import source_batch

    source_1S, _ = source_batch(translator.source.encode([text]))
    return source_1S[0]


def _result(
    values: "dict[Trace, Tensor]", drawn: "list[UnitHalfLife]", pieces: list[str], units: "list[UnitHalfLife]"
) -> dict[str, Any]:
    """For a program to read; null where nothing is ever lost, as JSON has no infinity."""
    chosen = [each.unit for each in drawn]
    traces = {
        name.name: [[round(value, 4) for value in row] for row in each_SH[:, chosen].T.tolist()]
        for name, each_SH in values.items()
    }
    rows = [
        {
            "unit": unit,
            "mean_gate": round(mean_gate, 4),
            "half_life": round(half_life, 2) if math.isfinite(half_life) else None,
        }
        for unit, mean_gate, half_life in units
    ]
    return {"pieces": pieces, "drawn_units": chosen, **traces, "units": rows}


COMMAND = Command(gates, GatesConfig, bare=("run",))
