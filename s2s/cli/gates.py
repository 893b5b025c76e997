"""`s2s gates`: what the gates of a trained encoder do at each piece of a sentence, and how long its units remember."""

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from s2s.cli.commands import Command
from s2s.cli.output_names import AUTO, chosen_path, sentence_name
from s2s.cli.results import print_result
from s2s.config.decoding import PICTURE_HELP
from s2s.config.options import Options, Takes, option
from s2s.config.pictures import LANGUAGE_HELP, TITLE_HELP, Direction, Language
from s2s.errors import ConfigError

if TYPE_CHECKING:
    from s2s.analysis.gate_reading import GateReading
    from s2s.analysis.gates import UnitHalfLife

_logger = logging.getLogger(__name__)


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
    title: str | None = option(None, TITLE_HELP, takes=Takes.sentence)
    language: Language = option(Language.en, LANGUAGE_HELP)
    output: str | None = option(AUTO, f"{PICTURE_HELP}; auto: in RUN/plots, named after the sentence", takes=Takes.file)

    def check(self) -> None:
        if not self.text.strip():
            raise ConfigError("text must be a sentence, but is blank")


def gates(config: GatesConfig) -> None:
    """A table of units on stderr, and a picture; for a program, all values of the drawn units as JSON on stdout."""
    from s2s.analysis.gate_reading import read_gates
    from s2s.analysis.plots.figure import check_drawable, save_figure
    from s2s.analysis.plots.gate_maps import draw_gates
    from s2s.decoding.batch_translator import BatchTranslator
    from s2s.runs.folder import RunFolder
    from s2s.text_tables import table

    run = RunFolder.existing(config.run)
    picture = chosen_path(config.output, run.path / "plots" / _picture_name(config))
    if picture is not None:
        check_drawable(picture)
    translator = BatchTranslator.load(run.path, device="cpu")
    reading = read_gates(
        translator, run, config.text, layer=config.layer, direction=config.direction, num_lines=config.lines
    )
    drawn = reading.chosen(config.units, config.num_units)
    rows = [[unit, f"{gate:.3f}", f"{life:.1f}"] for unit, gate, life in reading.chosen([], config.num_units)]
    keeps = reading.keeps.value
    _logger.info("units by their mean %s over %d lines, the largest first", keeps, reading.num_lines)
    _logger.info("%s", table([["unit", "mean gate", "half-life (pieces)"], *rows], ">"))
    print_result(_result(reading, drawn))
    if picture is not None:
        figure = draw_gates(reading, drawn, title=config.title, language=config.language)
        save_figure(figure, picture, has_few_colours=True)
        _logger.info("drawn in %s", picture)


def _picture_name(config: GatesConfig) -> str:
    """The name of the file to draw: after the sentence, and after a layer that is not the first."""
    name = f"gates-{sentence_name(config.text)}"
    name += f"-layer-{config.layer}" if config.layer > 1 else ""
    name += "-backwards" if config.direction is Direction.backwards else ""
    return f"{name}.png"


def _result(reading: "GateReading", drawn: "list[UnitHalfLife]") -> dict[str, Any]:
    """For a program to read; null where nothing is ever lost, as JSON has no infinity."""
    chosen = [each.unit for each in drawn]
    traces = {
        name.name: [[round(value, 4) for value in row] for row in each_SH[:, chosen].T.tolist()]
        for name, each_SH in reading.values.items()
    }
    rows = [
        {
            "unit": unit,
            "mean_gate": round(mean_gate, 4),
            "half_life": round(half_life, 2) if math.isfinite(half_life) else None,
        }
        for unit, mean_gate, half_life in reading.units
    ]
    return {"pieces": reading.pieces, "drawn_units": chosen, **traces, "units": rows}


COMMAND = Command(
    gates,
    GatesConfig,
    bare=("run",),
    examples=(
        "runs/demo text='저는 어제 책을 읽었어요.'",
        "runs/demo text='저는 어제 책을 읽었어요.' units=3,17 lines=0",
    ),
)
