"""Several runs on one page: what differs, how they learnt, what they scored, what they say, and where they look."""

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from s2s.analysis.attention import WordAttention
from s2s.analysis.pages.attention_page import HINT, attention_figure, attention_script
from s2s.analysis.pages.page import page
from s2s.analysis.pages.svg_chart import ChartLine, line_chart, swatch
from s2s.analysis.run_comparison import Result, differing
from s2s.config.training import MEASURES_OF, Measures, Task
from s2s.evaluation.lengths import even_edges, length_groups, scores_by_length
from s2s.evaluation.score_table import Scored
from s2s.evaluation.scores import comparable_metrics
from s2s.evaluation.significance import Evidence, Resampling
from s2s.evaluation.testsets import ScoredText

_TITLES = {"bleu": "BLEU", "chrf": "chrF", "ter": "TER"}
_ABOUT_TEST = {
    Task.translate: "Test scores are those that training ended with, each on the run's own test set and with its own "
    "search.",
    Task.classify: "Test scores are those that training ended with, each on the run's own test set. Classifiers are "
    "not scored anew here: that is s2s classify's data.test.",
}
_LOSSES = {"train": "training", "dev": "dev"}
_X_AXES: dict[str, Callable[[Mapping[str, Any]], float]] = {
    "updates of the weights": lambda row: float(row["step"]),
    "minutes of training": lambda row: row["elapsed_s"] / 60,
}
_BORDER = 0.05
_TOKEN = re.compile(r"\w+|[^\w\s]|\s+")
_EDGES = re.compile(r"(\s*)(.*?)(\s*)", re.DOTALL)


@dataclass(frozen=True)
class RunStory:
    """What the folder of a run tells.

    Attributes:
        name: what the page calls it.
        result: options, steps, scores.
        metrics: its rows, see `read_metrics`.
        note: why it has no place among the translations; empty where it has.
    """

    name: str
    result: Result
    metrics: Sequence[Mapping[str, Any]]
    note: str = ""


@dataclass(frozen=True)
class Said:
    """What a run made of a text.

    Attributes:
        run: its index among the stories.
        scored: its translations and scores, with evidence where it is compared.
        attention: where it looks in one sentence; None without attention, or where it says nothing.
        languages: of source and target.
    """

    run: int
    scored: Scored
    attention: WordAttention | None
    languages: tuple[str, str]


@dataclass(frozen=True)
class TextResults:
    """A text, and what the runs that have it made of it; the first is the baseline."""

    text: ScoredText
    search: str
    said: Sequence[Said] = field(default_factory=list)


def report_page(stories: Sequence[RunStory], texts: Sequence[TextResults], num_samples: int) -> str:
    """The whole page.

    Args:
        stories: of the runs, at least one; all of one task.
        texts: more than one where the runs have different ones; none where nothing was translated.
        num_samples: lines of each text that are shown.
    """
    names = ", ".join(story.name for story in stories)
    task = Task[stories[0].result.options["task"]]
    learning = _curves(stories, MEASURES_OF[task])
    parts = ["<h1>Runs at a glance</h1>", _overview(stories, task), _options(stories), learning]
    if len(texts) > 1:
        parts.append(
            f"<h2>Scores</h2><p>The runs were scored on {len(texts)} different texts. Scores of different texts cannot "
            "be compared, so each text has a part of its own.</p>"
        )
    for number, results in enumerate(texts, start=1):
        heading = f", text {number}" if len(texts) > 1 else ""
        parts += [_scores(results, heading), _by_length(results, heading), _samples(results, heading, num_samples)]
        parts.append(_attention(results, heading, stories))
    return page(f"s2s: {names}", "\n".join(parts), attention_script())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells are HTML; the first of each row names it."""
    heads = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for first, *cells in rows
    )
    table = f'<table class="numbers"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="scroll">{table}</div>'


def _overview(stories: Sequence[RunStory], task: Task) -> str:
    """A row a run, and what is to be said of those that could not be translated with."""
    measures = MEASURES_OF[task]
    best, test = (f"best dev {title}" for title in measures.dev.values()), measures.test.values()
    head = ["run", "state", "minutes", "lowest dev loss", *best, *(f"test {title}" for title in test)]
    rows = [[_name(index, story.name), *_told(story, measures)] for index, story in enumerate(stories)]
    notes = [f'<p class="hint">{escape(story.name)}: {escape(story.note)}</p>' for story in stories if story.note]
    signatures = [text for story in stories for text in story.result.signatures.values()]
    hint = f'<p class="hint">{_ABOUT_TEST[task]}</p>'
    return "\n".join([_table(head, rows), hint, _signatures(signatures), *notes])


def _told(story: RunStory, measures: Measures) -> list[str]:
    result = story.result
    state = "unfinished" if story.metrics else "no record of its training"
    state = "ended" if result.is_ended else state
    state += f" at step {result.step:,}" if result.step else ""
    numbers = [
        _number(result.measures.get("minutes"), 1),
        _number(result.measures.get("dev_loss_nats"), 3),
        *(_number(_best(story, name), 2) for name in measures.dev),
        *(_number(result.measures.get(name), 2) for name in measures.test),
    ]
    return [state, *numbers]


def _best(story: RunStory, name: str) -> float | None:
    """The highest value of a score on the dev set."""
    return max((row[name] for row in story.metrics if row["kind"] == "dev" and row[name] is not None), default=None)


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _name(index: int, name: str) -> str:
    return f"{swatch(index)} {escape(name)}"


def _signatures(signatures: Iterable[str]) -> str:
    return "".join(f'<p class="signatures">{escape(text)}</p>' for text in dict.fromkeys(signatures))


def _options(stories: Sequence[RunStory]) -> str:
    """The options that differ; all of them are there to be unfolded."""
    results = [story.result for story in stories]
    head = ["option", *(_name(index, story.name) for index, story in enumerate(stories))]
    names = differing(results)

    def rows(chosen: Iterable[str]) -> list[list[str]]:
        return [[escape(name), *(escape(_shown(result.options[name])) for result in results)] for name in chosen]

    different = _table(head, rows(names)) if names else "<p>The runs have the same options.</p>"
    if len(stories) == 1:
        different = ""
    every = f"<details><summary>all options</summary>{_table(head, rows(results[0].options))}</details>"
    return "\n".join(["<h2>Options</h2>" if len(stories) == 1 else "<h2>Options that differ</h2>", different, every])


def _shown(value: Any) -> str:
    return "–" if value is None or value == "" else str(value).lower() if isinstance(value, bool) else str(value)


def _curves(stories: Sequence[RunStory], measures: Measures) -> str:
    curves = [(kind, "loss_nats", f"{name} loss (nats a {measures.unit})") for kind, name in _LOSSES.items()]
    curves += [("dev", name, f"dev {title}") for name, title in measures.dev.items()]
    parts = ["<h2>Learning</h2>"]
    for kind, name, title in curves:
        parts.append(f"<h3>{title}</h3>")
        for x_name, by in _X_AXES.items() if kind == "dev" else [*_X_AXES.items()][:1]:
            lines = [
                ChartLine(story.name, index, _points(story.metrics, kind, name, by))
                for index, story in enumerate(stories)
            ]
            parts.append(line_chart(lines, x_name=x_name, y_name=title.split(" (")[0]))
    rows = [
        [
            _name(index, story.name),
            f"{row['elapsed_s'] / 60:.2f}",
            f"{row['step']:,}",
            _number(row["loss_nats"], 3),
            *(_number(row[name], 2) for name in measures.dev),
        ]
        for index, story in enumerate(stories)
        for row in story.metrics
        if row["kind"] == "dev"
    ]
    table = _table(["run", "minutes", "step", "dev loss", *(f"dev {title}" for title in measures.dev.values())], rows)
    parts.append(f"<details><summary>all validations</summary>{table}</details>")
    return "\n".join(parts)


def _points(
    metrics: Sequence[Mapping[str, Any]], kind: str, name: str, by: Callable[[Mapping[str, Any]], float]
) -> list[tuple[float, float]]:
    """Where each row that has a value stands on the x axis, and its value; null is NaN."""
    return [
        (by(row), math.nan if row[name] is None else float(row[name]))
        for row in metrics
        if row["kind"] == kind and name in row
    ]


def _scores(results: TextResults, heading: str) -> str:
    """Scores with intervals, and for all runs but the first how they differ from it."""
    systems = [said.scored for said in results.said]
    rows = []
    for said in results.said:
        rows.append([_name(said.run, said.scored.name), *(_score(said.scored, name) for name in _TITLES)])
        if said is not results.said[0]:
            rows.append(["difference, p", *(_difference(systems[0], said.scored, name) for name in _TITLES)])
    tests = [evidence.signature for found in systems[-1].evidence.values() for evidence in found.values()]
    signatures = [str(systems[0].scores[f"{name}_signature"]) for name in _TITLES]
    return "\n".join(
        [
            f"<h2>Scores{heading}</h2>",
            f'<p class="hint">{_about_scores(results)}</p>',
            _table(["run", *_TITLES.values()], rows),
            _signatures(signatures),
            f"<details><summary>signatures of intervals and p</summary>{_signatures(tests)}</details>",
        ]
    )


def _about_scores(results: TextResults) -> str:
    about = (
        f"{len(results.text.sources):,} lines, search={escape(results.search)}. In brackets: 95 % confidence intervals "
        "of bootstrap resampling."
    )
    if len(results.said) == 1:
        return about
    return (
        f"{about} Differences are from {escape(results.said[0].scored.name)}; p, of paired approximate randomization, "
        f"says how probable one as large would be by chance. From {_BORDER} on it is not known whether the runs differ "
        "(n. s.)."
    )


def _score(system: Scored, name: str) -> str:
    found = system.evidence.get(Resampling.bootstrap, {}).get(name)
    interval = ""
    if found is not None and found.mean is not None and found.ci is not None:
        interval = f" <small>[{found.mean - found.ci:.2f}, {found.mean + found.ci:.2f}]</small>"
    return f"{float(system.scores[name]):.2f}{interval}"


def _difference(baseline: Scored, system: Scored, name: str) -> str:
    gain = float(system.scores[name]) - float(baseline.scores[name])
    found: Evidence | None = system.evidence.get(Resampling.randomization, {}).get(name)
    if found is None or found.p_value is None:
        return f"{gain:+.2f}"
    p_value = f"p = {found.p_value:.4f}"
    return f"{gain:+.2f}, {p_value} n. s." if found.p_value >= _BORDER else f"<strong>{gain:+.2f}, {p_value}</strong>"


def _by_length(results: TextResults, heading: str) -> str:
    """BLEU of lines with short and with long sources."""
    groups = length_groups(results.text.sources, even_edges(results.text.sources))
    metric = comparable_metrics(results.text.target_language)["bleu"]
    middles = [group.mean_words for group in groups]
    lines, rows = [], []
    for said in results.said:
        scores = scores_by_length(groups, said.scored.hypotheses, results.text.references, metric)
        lines.append(ChartLine(said.scored.name, said.run, list(zip(middles, scores, strict=True))))
        rows.append([_name(said.run, said.scored.name), *(f"{score:.2f}" for score in scores)])
    head = ["words", *(f"{group.name} <small>({len(group.rows)} lines)</small>" for group in groups)]
    chart = line_chart(lines, x_name="words of the source (mean of a group of lines)", y_name="BLEU")
    return "\n".join([f"<h2>BLEU by source length{heading}</h2>", chart, _table(head, rows)])


def _samples(results: TextResults, heading: str, number: int) -> str:
    """Lines at equal distances among those that the runs translate differently, or among all of a single run."""
    hypotheses = [said.scored.hypotheses for said in results.said]
    rows = [row for row in range(len(results.text.sources)) if len({lines[row] for lines in hypotheses}) > 1]
    hint = f"The runs translate {len(rows):,} of {len(results.text.sources):,} lines differently."
    if len(hypotheses) == 1 or not rows:
        rows, hint = list(range(len(results.text.sources))), "" if len(hypotheses) == 1 else hint
    chosen = [rows[index * len(rows) // number] for index in range(min(number, len(rows)))]
    hint += " Marked: what stands otherwise in the reference. The lines were taken at equal distances, unread."
    cards = [_sample(results, row) for row in dict.fromkeys(chosen)]
    return "\n".join([f"<h2>Translations side by side{heading}</h2>", f'<p class="hint">{hint}</p>', *cards])


def _sample(results: TextResults, row: int) -> str:
    references = [lines[row] for lines in results.text.references]
    cells = [("source", escape(results.text.sources[row])), *(("reference", escape(text)) for text in references)]
    cells += [
        (_name(said.run, said.scored.name), marked(said.scored.hypotheses[row], references[0])) for said in results.said
    ]
    inner = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in cells)
    return f'<div class="sample"><p class="side hint">line {row + 1:,}</p><dl>{inner}</dl></div>'


def marked(text: str, reference: str) -> str:
    """A text as HTML, in which the words that stand otherwise in the reference are marked."""
    words, others = _TOKEN.findall(text), _TOKEN.findall(reference)
    matcher = difflib.SequenceMatcher(None, words, others, autojunk=False)
    parts = ((kind == "equal", "".join(words[start:end])) for kind, start, end, _, _ in matcher.get_opcodes())
    return "".join(escape(part) if is_equal else _mark(part) for is_equal, part in parts)


def _mark(part: str) -> str:
    """The part as HTML, marked but for the spaces around it."""
    before, word, after = _EDGES.fullmatch(part).groups()  # type: ignore[union-attr]  # it matches whatever comes
    return f"{before}<mark>{escape(word)}</mark>{after}" if word else before + after


def _attention(results: TextResults, heading: str, stories: Sequence[RunStory]) -> str:
    """Where each run looks while it says its own translation of one sentence."""
    parts = [f"<h2>Attention{heading}</h2>", f'<p class="hint">{HINT}</p>']
    for said in results.said:
        parts.append(f"<h3>{_name(said.run, said.scored.name)}</h3>")
        if said.attention is not None:
            parts.append(attention_figure(said.attention, said.languages))
        elif stories[said.run].result.options["model.attention"] == "none":
            parts.append("<p>This run was trained with model.attention=none: it looks at no source word.</p>")
        else:
            parts.append("<p>This run has nothing to say about the sentence.</p>")
    return "\n".join(parts)
