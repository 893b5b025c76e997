"""`report`: one page about runs of every kind, and what a browser makes of it."""

import re
from pathlib import Path

import numpy as np
import pytest

from browser import Tags, needs_chromium, opened
from s2s.analysis.attention import WordAttention
from s2s.analysis.pages.report_page import marked, report_page
from s2s.analysis.run_comparison import RunResult
from s2s.analysis.run_report import ReportedRun, ReportedSystem, ReportedText
from s2s.evaluation.score_table import ScoredSystem
from s2s.evaluation.scores import corpus_scores, lowercased_metric
from s2s.evaluation.significance import Resampling, Significance
from s2s.evaluation.testsets import ScoredText

MARKUP = '</dd><script>alert("1")</script><img src=x onerror=alert(1)>&amp;'


def run(name: str, blind: bool = False, **measures: float) -> ReportedRun:
    signatures = {"bleu": f"signature of {name}", "chrf": "of chrf"} if "bleu" in measures else {}
    options = {"task": "translate", "seed": 1, "data.root": name, "model.attention": "none" if blind else "dot"}
    metrics = [
        {"step": 50, "kind": "train", "loss_nats": 3.5, "elapsed_s": 9.0},
        {"step": 100, "kind": "dev", "loss_nats": None, "bleu": 12.25, "elapsed_s": 18.0},
        {"step": 200, "kind": "dev", "loss_nats": 2.5, "bleu": 11.0, "elapsed_s": 36.0},
    ]
    return ReportedRun(name, RunResult(Path(name), options, 200, measures, signatures, bool(signatures)), metrics)


def system(
    index: int, name: str, hypotheses: list[str], p_value: float | None, attention: WordAttention | None
) -> ReportedSystem:
    references = ["a b c d", "e f g h", "i j k l"]
    scores = corpus_scores(hypotheses, references) | corpus_scores(hypotheses, references, metrics=lowercased_metric())
    significance = {
        Resampling.bootstrap: {key: Significance(30.0, 1.5, None, "of bs") for key in ("bleu", "chrf", "ter")},
        Resampling.randomization: {key: Significance(None, None, p_value, "of ar") for key in ("bleu", "chrf", "ter")},
    }
    return ReportedSystem(
        index, ScoredSystem(name, hypotheses, scores, 1.0, "x.txt", significance), attention, ("ko", "en")
    )


def whole_page(name: str) -> str:
    text = ScoredText("t", ["w", name, "w w w"], [["a b c d", "e f g h", "i j k l"]])
    look = WordAttention([name, "b"], [name], np.array([[0.75, 0.25]]))
    results = ReportedText(
        text,
        "beam",
        [
            system(0, name, ["a b c d", "e f g h", "i j"], None, look),
            system(1, "second", ["a b c d", name, "i j"], 0.012, None),
            system(2, "third", ["a b c d", "e f g h", "i j"], 0.5, None),
        ],
    )
    runs = [run(name, bleu=30.0, chrf=50.0, minutes=1.5), run("second", blind=True), run("third")]
    return report_page(runs, [results], num_samples=4)


def test_all_that_there_is_stands_on_the_page() -> None:
    text = whole_page("first")
    for words in (
        "ended at step 200",
        "unfinished at step 200",
        "signature of first",
        "30.00",
        "12.25",
        "[28.50, 31.50]",
        ", p = 0.0120</strong>",
        "p = 0.5000 n. s.",
        "of bs",
        "of ar",
        "model.attention=none: it looks at no source word",
        "has nothing to say about the sentence",
        "translate 1 of 3 lines differently",
        "dev BLEU by updates of the weights",
        "dev BLEU by minutes of training",
        "<td>0.30</td><td>100</td><td>–</td><td>12.25</td>",  # a validation after 18 s, whose loss was not finite
    ):
        assert words in text, words
    assert re.findall("line (.) *<", text) == ["2"]
    assert re.findall('data-percents="([^"]*)"', text) == ["75.00 25.00"]
    names = re.findall('<th scope="row">([a-z._]+)</th>', text.split("<details>")[0])
    assert names == ["data.root", "model.attention"]


def test_markup_in_names_and_texts_stays_text() -> None:
    tags = Tags(whole_page(MARKUP))
    assert tags.names.count("script") == 1
    assert "img" not in tags.names
    assert (tags.addresses, tags.handlers) == (["data:,"], [])


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("a b c", "a b c", "a b c"),
        ("a <b> c.", "a c.", "a <mark>&lt;b&gt;</mark> c."),
        ("x y", "a b", "<mark>x</mark> <mark>y</mark>"),
        ("a b", "", "<mark>a b</mark>"),
        ("", "a", ""),
        ("a  b", "a b", "a  b"),
    ],
)
def test_what_stands_otherwise_is_marked(text: str, reference: str, expected: str) -> None:
    assert marked(text, reference) == expected


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize("name", ["first", "책 <b>", MARKUP])
def test_a_browser_shows_it_without_a_complaint(tmp_path: Path, name: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(whole_page(name), encoding="utf-8")
    found = opened(path, tmp_path / "profile")
    assert '<p class="note" aria-live="polite"></p>' not in found  # the script ran
    assert found.count("<svg") > 10
