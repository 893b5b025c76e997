"""`s2s-lengths`: BLEU of runs by the length of the source, as a table and a picture."""

import dataclasses
import json
import logging
import sys
from pathlib import Path
from typing import Any

from s2s.analysis.comparison import find_runs, short_names
from s2s.analysis.lengths import ClassScore, LengthClass, length_classes, scores_by_class
from s2s.analysis.line_plots import Line, Panel, plot_panels
from s2s.analysis.plots import check_drawable
from s2s.cli.app import run_app
from s2s.cli.evaluate import scored_text
from s2s.config import LengthsConfig, OutputFormat
from s2s.decoding.translator import Translator
from s2s.evaluation.testsets import ScoredText
from s2s.runs import RunFolder

_logger = logging.getLogger(__name__)
_APART = 0.07  # places of a class, so that intervals stand beside each other
Found = dict[str, list[ClassScore]]
"""Of each run, by its name."""


def main() -> None:
    """The command."""
    run_app("lengths", LengthsConfig, lengths)


def lengths(config: LengthsConfig) -> None:
    """Translate with each run and score by class: a table on stderr, one JSON object on stdout, and a picture."""
    if config.output is not None:
        check_drawable(Path(config.output))
    runs = find_runs(config.runs)
    text = scored_text(config.data, runs)
    classes = length_classes(text.sources, config.edges)
    names = short_names(runs)
    found = {name: _scores(config, run, text, classes) for name, run in zip(names, runs, strict=True)}
    _print_table(found, classes)
    if config.output is not None:
        plot_panels([_panel(found, classes)], Path(config.output))
        _logger.info("drawn in %s", config.output)
    rows = [_row(name, group, score) for name in found for group, score in zip(classes, found[name], strict=True)]
    json.dump({"lines": len(text.sources), "search": config.search.strategy.name, "rows": rows}, sys.stdout)
    print()


def _scores(config: LengthsConfig, run: RunFolder, text: ScoredText, classes: list[LengthClass]) -> list[ClassScore]:
    # Every line needs exactly one translation here, whatever is asked for in search.
    search = dataclasses.replace(config.search, num_best=1, format=OutputFormat.text)
    hypotheses = Translator.load(run.path, search=search, device=config.device).translate(text.sources)
    return scores_by_class(hypotheses, text, classes, num_samples=config.bootstrap_samples, seed=config.seed)


def _row(name: str, group: LengthClass, score: ClassScore) -> dict[str, Any]:
    return {
        "run": name,
        "words": group.name,
        "lines": len(group.rows),
        "mean_words": round(group.mean_words, 2),
        "bleu": score.bleu,
        "bleu_mean": score.mean,
        "bleu_ci": score.ci,
        "bleu_signature": score.signature,
    }


def _print_table(found: Found, classes: list[LengthClass]) -> None:
    width = max(map(len, found))
    _logger.info("BLEU by words of the source, with half the width of its 95% interval")
    _logger.info("%-*s%s", width, "words", "".join(f"{group.name:>14}" for group in classes))
    _logger.info("%-*s%s", width, "lines", "".join(f"{len(group.rows):>14}" for group in classes))
    for name, scores in found.items():
        _logger.info("%-*s%s", width, name, "".join(f"{score.bleu:8.2f} ±{score.ci:4.1f}" for score in scores))
    _logger.info("BLEU  %s", next(iter(found.values()))[0].signature)


def _panel(found: Found, classes: list[LengthClass]) -> Panel:
    places = [float(index) for index in range(len(classes))]
    lines = [
        Line(
            name,
            [place + _APART * (colour - (len(found) - 1) / 2) for place in places],
            [score.bleu for score in scores],
            [score.mean - score.ci for score in scores],
            [score.mean + score.ci for score in scores],
            colour,
        )
        for colour, (name, scores) in enumerate(found.items())
    ]
    ticks = [f"{group.name}\n({len(group.rows)})" for group in classes]
    return Panel(
        "",
        "words of the source (sentences of this length)",
        "BLEU",
        lines,
        x_ticks=places,
        x_tick_names=ticks,
    )
