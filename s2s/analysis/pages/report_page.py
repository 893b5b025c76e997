"""Several runs on one page: what differs, how they learnt, what they scored and translated, and where they look."""

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from s2s.analysis.pages.page import asset, page, render
from s2s.analysis.pages.svg_chart import ChartLine, line_chart
from s2s.analysis.run_comparison import differing
from s2s.analysis.run_report import ReportedRun, ReportedSystem, ReportedText
from s2s.config.training import MEASURES_OF, Measures, Task
from s2s.evaluation.lengths import even_edges, length_groups, scores_by_length
from s2s.evaluation.score_table import TITLES, ScoredSystem
from s2s.evaluation.scores import comparable_metrics
from s2s.evaluation.significance import Resampling

_LOSSES = {"train": "training", "dev": "dev"}
_X_AXES: dict[str, Callable[[Mapping[str, Any]], float]] = {
    "updates of the weights": lambda row: float(row["step"]),
    "minutes of training": lambda row: row["elapsed_s"] / 60,
}
_BORDER = 0.05  # p from which on runs do not differ for certain
_TOKEN = re.compile(r"\w+|[^\w\s]|\s+")
_EDGES = re.compile(r"(\s*)(.*?)(\s*)", re.DOTALL)
Table = tuple[Sequence[object], Sequence[Sequence[object]]]
"""The heads of columns, and rows; a number as a head or as the first cell of a row stands for the name of a run."""


def report_page(
    runs: Sequence[ReportedRun], texts: Sequence[ReportedText], num_samples: int, *, title: str | None = None
) -> str:
    """The whole page.

    Args:
        runs: at least one; all of one task.
        texts: more than one where the runs have different ones; none where nothing was translated.
        num_samples: lines of each text that are shown.
        title: of the page; left out: the names of the runs.
    """
    task = Task[runs[0].result.options["task"]]
    measures = MEASURES_OF[task]
    body = render(
        "report.html",
        title=title or "Runs at a glance",
        runs=runs,
        is_classifier=task is Task.classify,
        overview=_overview(runs, measures),
        test_signatures=[text for run in runs for text in run.result.signatures.values()],
        different_options=_options(runs, differing([run.result for run in runs])),
        all_options=_options(runs, runs[0].result.options),
        learning_curves=_learning_curves(runs, measures),
        validations=_validations(runs, measures),
        texts=[_text_values(results, num_samples) for results in texts],
        border=_BORDER,
        marked=marked,
    )
    return page(title or f"s2s: {', '.join(run.name for run in runs)}", body, asset("attention.js"))


def _overview(runs: Sequence[ReportedRun], measures: Measures) -> Table:
    """A row a run."""
    best, test = (f"best dev {title}" for title in measures.dev.values()), measures.test.values()
    rows = []
    for index, run in enumerate(runs):
        state = "unfinished" if run.metrics else "no record of its training"
        state = "ended" if run.result.is_ended else state
        known = run.result.measures
        dev = [row for row in run.metrics if row["kind"] == "dev"]
        rows.append(
            [
                index,
                str(run.result.path),
                state + (f" at step {run.result.step:,}" if run.result.step else ""),
                _number(known.get("minutes"), 1),
                _number(known.get("dev_loss_nats"), 3),
                *(
                    _number(max((row[name] for row in dev if row[name] is not None), default=None), 2)
                    for name in measures.dev
                ),
                *(_number(known.get(name), 2) for name in measures.test),
            ]
        )
    return ["run", "folder", "state", "minutes", "lowest dev loss", *best, *(f"test {title}" for title in test)], rows


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _options(runs: Sequence[ReportedRun], names: Iterable[str]) -> Table:
    return ["option", *range(len(runs))], [
        [name, *(_option(run.result.options[name]) for run in runs)] for name in names
    ]


def _option(value: Any) -> str:
    return "–" if value is None or value == "" else str(value).lower() if isinstance(value, bool) else str(value)


def _learning_curves(runs: Sequence[ReportedRun], measures: Measures) -> list[tuple[str, list[Markup]]]:
    """Titles, each with charts: of training over updates, of the dev set over minutes too."""
    curves = [(kind, "loss_nats", f"{name} loss (nats a {measures.loss_unit})") for kind, name in _LOSSES.items()]
    curves += [("dev", name, f"dev {title}") for name, title in measures.dev.items()]
    found = []
    for kind, name, title in curves:
        charts = [
            line_chart(
                [ChartLine(run.name, index, _points(run.metrics, kind, name, by)) for index, run in enumerate(runs)],
                x_name=x_name,
                y_name=title.split(" (")[0],
                is_x_from_zero=True,
            )
            for x_name, by in list(_X_AXES.items())[: 2 if kind == "dev" else 1]
        ]
        found.append((title, charts))
    return found


def _points(
    metrics: Sequence[Mapping[str, Any]], kind: str, name: str, by: Callable[[Mapping[str, Any]], float]
) -> list[tuple[float, float]]:
    """Where each row that has a value stands on the x axis, and its value; null is NaN."""
    return [
        (by(row), math.nan if row[name] is None else float(row[name]))
        for row in metrics
        if row["kind"] == kind and name in row
    ]


def _validations(runs: Sequence[ReportedRun], measures: Measures) -> Table:
    rows = [
        [
            index,
            f"{row['elapsed_s'] / 60:.2f}",
            f"{row['step']:,}",
            _number(row["loss_nats"], 3),
            *(_number(row[name], 2) for name in measures.dev),
        ]
        for index, run in enumerate(runs)
        for row in run.metrics
        if row["kind"] == "dev"
    ]
    return ["run", "minutes", "step", "dev loss", *(f"dev {title}" for title in measures.dev.values())], rows


def _text_values(results: ReportedText, num_samples: int) -> dict[str, Any]:
    """What the template shows of a text."""
    text, systems = results.text, results.systems
    groups = length_groups(text.sources, even_edges(text.sources))
    metric = comparable_metrics(text.target_language)["bleu"]
    by_length = [scores_by_length(groups, each.scored.hypotheses, text.references, metric) for each in systems]
    middles = [group.mean_words for group in groups]
    lines = [
        ChartLine(system.scored.name, system.run, list(zip(middles, scores, strict=True)))
        for system, scores in zip(systems, by_length, strict=True)
    ]
    hypotheses = [system.scored.hypotheses for system in systems]
    rows = [row for row in range(len(text.sources)) if len({lines[row] for lines in hypotheses}) > 1]
    difference = f"The runs translate {len(rows):,} of {len(text.sources):,} lines differently."
    if not rows:
        rows = list(range(len(text.sources)))
    resampled = systems[-1].scored.significance.values()
    return {
        "sources": text.sources,
        "references": text.references,
        "search": results.search,
        "systems": systems,
        "scores": _scores(systems),
        "score_signatures": [systems[0].scored.scores[f"{name}_signature"] for name in TITLES],
        "resampling_signatures": [found.signature for of_method in resampled for found in of_method.values()],
        "length_chart": line_chart(lines, x_name="words of the source (mean of a group of lines)", y_name="BLEU"),
        "by_length": (
            ["words", *(Markup("{} <small>({} lines)</small>").format(each.name, len(each.rows)) for each in groups)],
            [
                [system.run, *(f"{score:.2f}" for score in scores)]
                for system, scores in zip(systems, by_length, strict=True)
            ],
        ),
        "difference": difference if len(systems) > 1 else "",
        "sample_rows": dict.fromkeys(
            rows[index * len(rows) // num_samples] for index in range(min(num_samples, len(rows)))
        ),
    }


def _scores(systems: Sequence[ReportedSystem]) -> Table:
    """Scores with intervals, and for all runs but the first how they differ from it."""
    rows: list[list[object]] = []
    for system in systems:
        rows.append([system.run, *(_score(system.scored, name) for name in TITLES)])
        if system is not systems[0]:
            rows.append(["difference, p", *(_difference(systems[0].scored, system.scored, name) for name in TITLES)])
    return ["run", *TITLES.values()], rows


def _score(system: ScoredSystem, name: str) -> str:
    score, interval = f"{float(system.scores[name]):.2f}", system.interval(name)
    return score if interval is None else Markup("{} <small>[{:.2f}, {:.2f}]</small>").format(score, *interval)


def _difference(baseline: ScoredSystem, system: ScoredSystem, name: str) -> str:
    gain = float(system.scores[name]) - float(baseline.scores[name])
    found = system.significance.get(Resampling.randomization, {}).get(name)
    if found is None or found.p_value is None:
        return f"{gain:+.2f}"
    text = f"{gain:+.2f}, p = {found.p_value:.4f}"
    return f"{text} n. s." if found.p_value >= _BORDER else Markup("<strong>{}</strong>").format(text)


def marked(text: str, reference: str) -> Markup:
    """A text as HTML, in which the words that stand otherwise in the reference are marked."""
    words, others = _TOKEN.findall(text), _TOKEN.findall(reference)
    matcher = difflib.SequenceMatcher(None, words, others, autojunk=False)
    html = Markup()
    for kind, start, end, _, _ in matcher.get_opcodes():
        part = "".join(words[start:end])
        before, word, after = _EDGES.fullmatch(part).groups()  # type: ignore[union-attr]  # it matches whatever comes
        is_marked = kind != "equal" and word
        html += Markup("{}<mark>{}</mark>{}").format(before, word, after) if is_marked else escape(part)
    return html
