"""`s2s lengths`: BLEU of runs by the length of the source, as a table and a picture."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from s2s.cli.commands import Command
from s2s.cli.output_names import AUTO, chosen_path, path_for_runs
from s2s.cli.results import print_result
from s2s.config.decoding import PICTURE_HELP, ScoringConfig
from s2s.config.model import AttentionScore
from s2s.config.options import LARGEST_SEED, Takes, check_ascending, option
from s2s.config.pictures import LABELS_HELP, LANGUAGE_HELP, TITLE_HELP, Language, check_labels

if TYPE_CHECKING:
    from s2s.analysis.plots.line_plots import Panel
    from s2s.evaluation.lengths import LengthGroup
    from s2s.evaluation.significance import Significance
    from s2s.evaluation.testsets import ScoredText
    from s2s.runs.folder import RunFolder

    GroupScores = list[tuple[float, Significance]]
    """Of each group of lines: BLEU, 0 to 100, and how certain it is."""

_logger = logging.getLogger(__name__)
_APART = 0.07  # places of a group, so that intervals stand beside each other


@dataclass
class LengthsConfig(ScoringConfig):
    """Options of `lengths`."""

    run: list[str] = option(
        "???", "a run, or RUN,RUN, or folders of runs: all below are scored on one test set", takes=Takes.run
    )
    edges: list[int] | None = option(
        None,
        "words at which a new group of lengths begins; null: about five groups of equally many lines",
        low=2,
        high=1_000_000,
    )
    bootstrap_samples: int = option(300, "test sets drawn, for the 95% confidence intervals", low=100, high=1_000_000)
    seed: int = option(12345, "of the test sets drawn", low=1, high=LARGEST_SEED)
    labels: list[str] = option([], LABELS_HELP, takes=Takes.sentence)
    title: str | None = option(None, TITLE_HELP, takes=Takes.sentence)
    language: Language = option(Language.en, LANGUAGE_HELP)
    output: str | None = option(AUTO, f"{PICTURE_HELP}; auto: in RUN/plots, or beside several runs", takes=Takes.file)

    def check(self) -> None:
        super().check()
        if self.edges:
            check_ascending("edges", self.edges)


def lengths(config: LengthsConfig) -> None:
    """Translate with each run and score by length: a table on stderr, one JSON object on stdout, and a picture."""
    from s2s.analysis.picture_words import localized
    from s2s.analysis.plots.figure import check_drawable
    from s2s.analysis.plots.line_plots import plot_panels
    from s2s.analysis.run_comparison import find_translation_runs, read_result, run_labels, short_names
    from s2s.evaluation.lengths import even_edges, length_groups
    from s2s.evaluation.testsets import read_scored_text

    runs = find_translation_runs(config.run)
    picture = chosen_path(config.output, path_for_runs([run.path for run in runs], "lengths", ".png", folder="plots"))
    if picture is not None:
        check_drawable(picture)
    check_labels(config.labels, len(runs), "runs")
    results = [read_result(run) for run in runs]
    labels = config.labels or run_labels(results, config.language)
    text = read_scored_text(config.data, runs)
    groups = length_groups(text.sources, even_edges(text.sources) if config.edges is None else config.edges)
    found = {name: _scores(config, run, text, groups) for name, run in zip(short_names(runs), runs, strict=True)}
    _print_table(found, groups)
    rows = [
        {
            "run": name,
            "words": group.name,
            "lines": len(group.rows),
            "mean_words": round(group.mean_words, 2),
            "bleu": bleu,
            "bleu_mean": significance.mean,
            "bleu_ci": significance.ci,
            "bleu_signature": significance.signature,
        }
        for name, scores in found.items()
        for group, (bleu, significance) in zip(groups, scores, strict=True)
    ]
    result = {"lines": len(text.sources), "search": config.search.strategy.name, "rows": rows}
    print_result(result)
    if picture is not None:
        has_attention = [result.options["model.attention"] != AttentionScore.none.name for result in results]
        curves = list(zip(labels, found.values(), has_attention, strict=True))
        title = localized("BLEU by length of the source", config.language) if config.title is None else config.title
        plot_panels([_panel(curves, groups, config.language)], picture, title=title)
        _logger.info("drawn in %s", picture)


def _scores(config: LengthsConfig, run: "RunFolder", text: "ScoredText", groups: "list[LengthGroup]") -> "GroupScores":
    from s2s.evaluation.lengths import intervals_by_length, scores_by_length
    from s2s.evaluation.scores import comparable_metrics
    from s2s.evaluation.systems import load_translator

    hypotheses = load_translator(run, config).translate(text.sources)
    metric = comparable_metrics(text.target_language)["bleu"]
    scores = scores_by_length(groups, hypotheses, text.references, metric)
    num, seed, labels = config.bootstrap_samples, config.seed, text.labels
    intervals = intervals_by_length(
        groups, hypotheses, text.references, metric, num_samples=num, seed=seed, labels=labels
    )
    return list(zip(scores, intervals, strict=True))


def _print_table(found: "dict[str, GroupScores]", groups: "list[LengthGroup]") -> None:
    from s2s.text_tables import table

    rows: list[list[object]] = [
        ["words", *(group.name for group in groups)],
        ["lines", *(len(group.rows) for group in groups)],
    ]
    rows += [[name, *(f"{bleu:.2f} ±{each.ci:4.1f}" for bleu, each in scores)] for name, scores in found.items()]
    _logger.info("BLEU by words of the source, with half the width of its 95%% interval\n%s", table(rows))
    [(_, first), *_] = next(iter(found.values()))
    _logger.info("BLEU  %s", first.signature)


def _panel(
    found: "Sequence[tuple[str, GroupScores, bool]]", groups: "list[LengthGroup]", language: Language
) -> "Panel":
    """A curve for each run, dashed where it has attention, as `s2s memory` draws it."""
    from s2s.analysis.picture_words import localized
    from s2s.analysis.plots.line_plots import Curve, Panel

    places = [float(index) for index in range(len(groups))]
    curves = []
    for colour, (name, scores, has_attention) in enumerate(found):
        lows, highs = zip(*(significance.interval or () for _, significance in scores), strict=True)
        curves.append(
            Curve(
                name,
                [place + _APART * (colour - (len(found) - 1) / 2) for place in places],
                [bleu for bleu, _ in scores],
                lows,
                highs,
                colour,
                "--" if has_attention else "-",
            )
        )
    return Panel(
        "",
        localized("words of the source (sentences of this length)", language),
        "BLEU",
        curves,
        y_limits=(0, 1.05 * max(max(1.0, *curve.high_N) for curve in curves)),
        x_ticks=places,
        x_tick_names=[f"{group.name}\n({len(group.rows)})" for group in groups],
    )


COMMAND = Command(
    lengths,
    LengthsConfig,
    bare=("run",),
    examples=(
        "runs/demo",
        "runs/demo runs/other edges=7,10,13",
        "runs/demo data.test=other.ko,other.en search=greedy",
    ),
    common=("data.test",),
)
