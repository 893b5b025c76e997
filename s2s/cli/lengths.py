"""`s2s lengths`: BLEU of runs by the length of the source, as a table and a picture."""

import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2s.analysis.plots.figure import check_drawable
from s2s.analysis.plots.line_plots import Curve, Panel, plot_panels
from s2s.analysis.run_comparison import find_translation_runs, short_names
from s2s.cli.commands import Command
from s2s.config.decoding import PICTURE_HELP, ScoringConfig, folder_list
from s2s.config.options import check_ascending, option
from s2s.decoding.translator import Translator
from s2s.evaluation.lengths import LengthGroup, even_edges, intervals_by_length, length_groups, scores_by_length
from s2s.evaluation.scores import comparable_metrics
from s2s.evaluation.significance import Significance
from s2s.evaluation.testsets import ScoredText, read_scored_text
from s2s.runs.folder import RunFolder
from s2s.text_tables import table

_logger = logging.getLogger(__name__)
_APART = 0.07  # places of a group, so that intervals stand beside each other


@dataclass
class LengthsConfig(ScoringConfig):
    """Options of `lengths`."""

    runs: Any = option("???", "a folder, or [FOLDER,FOLDER]: all runs in it and below it are scored on one test set")
    edges: list[int] | None = option(
        None, "words at which a new group of lengths begins; null: about five groups of equally many lines", low=2
    )
    bootstrap_samples: int = option(300, "test sets drawn, for the 95% confidence intervals", low=100)
    seed: int = option(12345, "of the test sets drawn", low=1)
    output: str | None = option("lengths.png", PICTURE_HELP)

    def check(self) -> None:
        super().check()
        folder_list("runs", self.runs)
        if self.edges:
            check_ascending("edges", self.edges)


@dataclass(frozen=True)
class GroupScore:
    """BLEU of one group, 0 to 100, and how sure it is."""

    bleu: float
    significance: Significance

    @property
    def interval(self) -> tuple[float, float]:
        """Where 95 % of the sets of sentences drawn from the group score."""
        assert self.significance.mean is not None
        assert self.significance.ci is not None
        return self.significance.mean - self.significance.ci, self.significance.mean + self.significance.ci


Found = dict[str, list[GroupScore]]
"""Of each run, by its name."""


def lengths(config: LengthsConfig) -> None:
    """Translate with each run and score by length: a table on stderr, one JSON object on stdout, and a picture."""
    if config.output is not None:
        check_drawable(Path(config.output))
    runs = find_translation_runs(config.runs)
    text = read_scored_text(config.data.test, config.data.testset, config.data.language_pair, runs)
    edges = even_edges(text.sources) if config.edges is None else config.edges
    groups = length_groups(text.sources, edges)
    names = short_names(runs)
    found = {name: _scores(config, run, text, groups) for name, run in zip(names, runs, strict=True)}
    _print_table(found, groups)
    rows = [_row(name, group, score) for name in found for group, score in zip(groups, found[name], strict=True)]
    result = {"lines": len(text.sources), "search": config.search.strategy.name, "rows": rows}
    json.dump(result, sys.stdout, allow_nan=False)
    print()
    if config.output is not None:
        plot_panels([_panel(found, groups)], Path(config.output))
        _logger.info("drawn in %s", config.output)


def _scores(config: LengthsConfig, run: RunFolder, text: ScoredText, groups: list[LengthGroup]) -> list[GroupScore]:
    translator = Translator.load(
        run.path, search=config.search, device=config.device, precision=config.precision, batch_size=config.batch_size
    )
    hypotheses = translator.translate(text.sources)
    metric = comparable_metrics(text.target_language)["bleu"]
    scores = scores_by_length(groups, hypotheses, text.references, metric)
    intervals = intervals_by_length(
        groups,
        hypotheses,
        text.references,
        metric,
        num_samples=config.bootstrap_samples,
        seed=config.seed,
        labels=text.labels,
    )
    return [GroupScore(*each) for each in zip(scores, intervals, strict=True)]


def _row(name: str, group: LengthGroup, score: GroupScore) -> dict[str, Any]:
    return {
        "run": name,
        "words": group.name,
        "lines": len(group.rows),
        "mean_words": round(group.mean_words, 2),
        "bleu": score.bleu,
        "bleu_mean": score.significance.mean,
        "bleu_ci": score.significance.ci,
        "bleu_signature": score.significance.signature,
    }


def _print_table(found: Found, groups: list[LengthGroup]) -> None:
    rows: list[list[object]] = [
        ["words", *(group.name for group in groups)],
        ["lines", *(len(group.rows) for group in groups)],
    ]
    rows += [[name, *(f"{score.bleu:.2f} ±{score.significance.ci:4.1f}" for score in found[name])] for name in found]
    _logger.info("BLEU by words of the source, with half the width of its 95%% interval\n%s", table(rows))
    _logger.info("BLEU  %s", next(iter(found.values()))[0].significance.signature)


def _panel(found: Found, groups: list[LengthGroup]) -> Panel:
    places = [float(index) for index in range(len(groups))]
    lines = [
        Curve(
            name,
            [place + _APART * (colour - (len(found) - 1) / 2) for place in places],
            [score.bleu for score in scores],
            [score.interval[0] for score in scores],
            [score.interval[1] for score in scores],
            colour,
        )
        for colour, (name, scores) in enumerate(found.items())
    ]
    ticks = [f"{group.name}\n({len(group.rows)})" for group in groups]
    return Panel(
        "",
        "words of the source (sentences of this length)",
        "BLEU",
        lines,
        x_ticks=places,
        x_tick_names=ticks,
    )


COMMAND = Command(lengths, LengthsConfig)
