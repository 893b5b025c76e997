"""`s2s-gradients`: how gradients vanish and explode on their way back through time, as a picture and as figures."""

import json
import logging
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from s2s.analysis.comparison import find_translators, short_names
from s2s.analysis.gradients import (
    Curves,
    LanguageModel,
    Norms,
    Quantity,
    Start,
    joined,
    measure,
    measure_layer,
    scaled,
    windows,
)
from s2s.analysis.learning import learn
from s2s.analysis.line_plots import Dash, Line, Panel, plot_panels
from s2s.analysis.plots import check_drawable
from s2s.cli.app import run_app
from s2s.config import Cell, GradientsConfig, Split, SubwordKind, load_config
from s2s.data.corpora import read_pairs
from s2s.data.phrasebook import distinct_pairs
from s2s.data.subwords import EOS, Subwords, train_subwords
from s2s.decoding.translator import Translator
from s2s.runs import RunFolder

_logger = logging.getLogger(__name__)
_NUM_SENTENCES = {Split.train: 5000, Split.dev: 2000}
_VOCABULARY_SIZE = 500
_TRAINING_LENGTH = 100
_LEARNING_RATE = 3e-3
_SHOWN = (0, 1, 2, 5, 10, 20, 50, 100, 200)  # steps back of which JSON tells, besides the last
_MEASURED = (Quantity.hidden, Quantity.cell, Quantity.clipped)
_DASHES: dict[Quantity, Dash] = {Quantity.hidden: "-", Quantity.cell: "--", Quantity.bound: ":", Quantity.clipped: "-."}
_SMALLEST, _LARGEST = 1e-40, 1e40  # the picture ends there: what is beyond is as good as 0, or as no number
_SHOWN_CLIPPED = 0.5  # where clipping changes less than this, its curve would lie upon the other


@dataclass(frozen=True)
class Measured:
    """One system in one situation.

    Attributes:
        situation: at which point it was measured; a panel of the picture.
        name: of the cell or the run.
        by_length: its curves for each length of the sequences.
    """

    situation: str
    name: str
    by_length: dict[int, Curves]


def main() -> None:
    """The command."""
    run_app("gradients", GradientsConfig, gradients)


def gradients(config: GradientsConfig) -> None:
    """Measure; a table on stderr, one JSON object on stdout, and a picture."""
    if config.output is not None:
        check_drawable(Path(config.output))
    found = _measure_runs(config) if config.runs is not None else _measure_new_models(config)
    _print_table(found)
    json.dump(
        {"rows": [row for measured in found for row in _rows(measured)]},
        sys.stdout,
        ensure_ascii=False,
        allow_nan=False,
    )
    print()
    if config.output is not None:
        plot_panels(_panels(found), Path(config.output))
        _logger.info("drawn in %s", config.output)


# ----------------------------------------------------------------------------------------------------------------------
# New models


def _measure_new_models(config: GradientsConfig) -> list[Measured]:
    """Cells of equal size, that learn to say the next piece of the phrasebook's English."""
    text, num_pieces = _phrasebook_pieces(config.seed)
    found = []
    for cell in tqdm(Cell, desc="measuring", unit="cell", disable=None):
        for situation, model in _situations(cell, num_pieces, text[Split.train], config):
            curves = {
                length: measure(model, _batches(text[Split.dev], length + 1, config), config.max_grad_norm)
                for length in config.lengths
            }
            found.append(Measured(situation, cell.name, curves))
    return found


def _situations(
    cell: Cell, num_pieces: int, text_V: Tensor, config: GradientsConfig
) -> Iterator[tuple[str, LanguageModel]]:
    """A model in each of the situations in which it is looked at."""
    torch.manual_seed(config.seed)
    yield "at first: torch's own weights", LanguageModel(cell, num_pieces, config.hidden_size, Start.uniform)
    model = LanguageModel(cell, num_pieces, config.hidden_size, Start.orthogonal)
    yield "at first: orthogonal recurrent weights", model
    yield f"at first: orthogonal weights times {config.scale:g}", scaled(model, config.scale)
    batches = islice(windows(text_V, _TRAINING_LENGTH + 1, config.batch_size, config.seed), config.steps)
    losses = (model.loss_nats(window_BS) for window_BS in batches)
    learn(model, losses, learning_rate=_LEARNING_RATE, max_grad_norm=config.max_grad_norm)
    yield f"after {config.steps} steps of training from orthogonal weights", model


def _phrasebook_pieces(seed: int) -> tuple[dict[Split, Tensor], int]:
    """English sentences one after the other, for training and for measuring, and the number of different pieces."""
    lines = {split: [pair.target for pair in distinct_pairs(split, n, seed)] for split, n in _NUM_SENTENCES.items()}
    subwords, _ = train_subwords(
        lines[Split.train], vocabulary_size=_VOCABULARY_SIZE, kind=SubwordKind.unigram, character_coverage=1.0
    )
    return {split: joined(subwords.encode(text), EOS) for split, text in lines.items()}, len(subwords)


def _batches(pieces_V: Tensor, length: int, config: GradientsConfig) -> Iterator[Tensor]:
    return islice(windows(pieces_V, length, config.batch_size, config.seed), config.batches)


# ----------------------------------------------------------------------------------------------------------------------
# Trained runs


def _measure_runs(config: GradientsConfig) -> list[Measured]:
    """The first encoder layer of each run, as it reads forwards through the sentences of its own test set."""
    runs = find_translators(config.runs)
    return [_measure_run(run, name, config) for run, name in zip(runs, short_names(runs), strict=True)]


def _measure_run(run: RunFolder, name: str, config: GradientsConfig) -> Measured:
    translator = Translator.load(run.path, device="cpu")
    encoder = translator.model.encoder
    text_V = _source_pieces(run, translator.source)
    curves = {
        length: measure_layer(
            encoder.layers[0].forwards,  # type: ignore[arg-type]
            load_config(run.config).model.cell,
            (encoder.embedding(window_BS).detach() for window_BS in _batches(text_V, length, config)),
            config.seed,
        )
        for length in config.lengths
    }
    return Measured("trained encoders, reading forwards", name, curves)


def _source_pieces(run: RunFolder, subwords: Subwords) -> Tensor:
    pairs = read_pairs(*run.kept_text("test", advice="measure the run that it was exported from"))
    return joined(subwords.encode([pair.source for pair in pairs]), EOS)


# ----------------------------------------------------------------------------------------------------------------------
# What is shown


def _rows(measured: Measured) -> list[dict[str, Any]]:
    """For each length median, smallest and largest batch of every curve, at chosen steps back from the end."""
    rows = []
    for length, curves in measured.by_length.items():
        steps = [step for step in _SHOWN if step < length - 1] + [length - 1]
        found = {quantity.name: _spread(curve_NS[:, steps]) for quantity, curve_NS in curves.items()}
        rows.append({"when": measured.situation, "name": measured.name, "length": length, "steps_back": steps, **found})
    return rows


def _spread(curve_NS: Norms) -> dict[str, list[float | None]]:
    """Three digits each; what no double can hold, as a bound over very many steps, is None: JSON has no infinity."""
    found = {"median": np.median(curve_NS, axis=0), "low": curve_NS.min(axis=0), "high": curve_NS.max(axis=0)}
    return {
        name: [float(f"{value:.3g}") if math.isfinite(value) else None for value in values_S]
        for name, values_S in found.items()
    }


def _print_table(found: list[Measured]) -> None:
    """The norm at the first position of sequences of each length, as the median over batches."""
    _logger.info("norm of the gradient at the first position, median over batches, by length of the sequence")
    for situation in dict.fromkeys(measured.situation for measured in found):
        chosen = [measured for measured in found if measured.situation == situation]
        _logger.info("\n%s\n%-24s%s", situation, "", "".join(f"{length:>9}" for length in chosen[0].by_length))
        for measured in chosen:
            for quantity in next(iter(measured.by_length.values())):
                firsts = [np.median(curves[quantity][:, -1]) for curves in measured.by_length.values()]
                _logger.info("%-24s%s", f"{measured.name} {quantity.name}", "".join(f"{x:9.0e}" for x in firsts))


def _panels(found: list[Measured]) -> list[Panel]:
    """A panel for each situation, for the longest sequences."""
    colours = {name: index for index, name in enumerate(dict.fromkeys(measured.name for measured in found))}
    panels = []
    for situation in dict.fromkeys(measured.situation for measured in found):
        chosen = [measured for measured in found if measured.situation == situation]
        lines = [line for measured in chosen for line in _lines(measured, colours[measured.name])]
        limits = _limits([_longest(measured) for measured in chosen])
        panels.append(
            Panel(
                situation,
                "steps back from the end (pieces)",
                "norm of the loss's gradient",
                lines,
                is_y_log=True,
                y_limits=limits,
            )
        )
    return panels


def _longest(measured: Measured) -> Curves:
    return measured.by_length[max(measured.by_length)]


def _limits(chosen: list[Curves]) -> tuple[float, float]:
    """Room for what was measured; the bound, which may be far above, runs out of the picture."""
    values = np.concatenate([curves[name].flatten() for curves in chosen for name in _MEASURED if name in curves])
    return max(float(values.min()) / 10, _SMALLEST), min(float(values.max()) * 10, _LARGEST)


def _lies_upon(clipped_NS: Norms, hidden_NS: Norms) -> bool:
    """Whether clipping changes too little to be seen at most steps; gradients of 0 are what they were."""
    return float(np.mean(clipped_NS >= _SHOWN_CLIPPED * hidden_NS)) > 0.5


def _lines(measured: Measured, colour: int) -> Iterator[Line]:
    curves = _longest(measured)
    for quantity, curve_NS in curves.items():
        if quantity is Quantity.clipped and _lies_upon(curve_NS, curves[Quantity.hidden]):
            continue
        median_S, low_S, high_S = np.median(curve_NS, axis=0), curve_NS.min(axis=0), curve_NS.max(axis=0)
        yield Line(
            f"{measured.name}: {quantity.value}",
            range(len(median_S)),
            median_S.tolist(),
            low_S.tolist(),
            high_S.tolist(),
            colour,
            _DASHES[quantity],
        )
