"""The table and the JSON of an evaluation."""

import json

from s2s.evaluation.score_table import ScoredSystem, score_table
from s2s.evaluation.scores import Scores
from s2s.evaluation.significance import Resampling, Significance


def scores(bleu: float, chrf: float, ter: float, lowercased_bleu: float) -> Scores:
    return {
        "bleu": bleu,
        "bleu_signature": "of bleu",
        "chrf": chrf,
        "chrf_signature": "of chrf",
        "ter": ter,
        "ter_signature": "of ter",
        "lowercased_bleu": lowercased_bleu,
        "lowercased_bleu_signature": "of lower-cased bleu",
    }


def significance(mean: float | None, ci: float | None, p_value: float | None) -> dict[str, Significance]:
    return {name: Significance(mean, ci, p_value, f"{name}|n:7") for name in ("bleu", "chrf", "ter")}


BASELINE = ScoredSystem("runs/a", ["x"], scores(30.5, 50.25, 60, 31), 1.234567, "a.txt")
SYSTEM = ScoredSystem("runs/long-name", ["y"], scores(29, 51, 60.5, 30), 12, "b.txt")
TESTED = [
    ScoredSystem(
        "runs/a", ["x"], BASELINE.scores, 1.234567, "a.txt", {Resampling.bootstrap: significance(30, 1.5, None)}
    ),
    ScoredSystem(
        "runs/long-name",
        ["y"],
        SYSTEM.scores,
        12,
        "b.txt",
        {
            Resampling.bootstrap: significance(29.25, 2, 0.04321),
            Resampling.randomization: significance(None, None, 0.5),
        },
    ),
]


def test_a_plain_table() -> None:
    assert score_table("search", [BASELINE, SYSTEM]).splitlines() == [
        "search          BLEU   chrF   TER    seconds",
        "runs/a          30.50  50.25  60.00  1.23",
        "runs/long-name  29.00  51.00  60.50  12.00",
        "BLEU  of bleu",
        "chrF  of chrf",
        "TER   of ter",
        "BLEU without regard to case, for papers that score so; never beside BLEU: runs/a 31.00, runs/long-name 30.00",
        "      of lower-cased bleu",
    ]


def test_intervals_differences_and_p_values() -> None:
    assert score_table("run", TESTED).splitlines()[:6] == [
        "run                 BLEU                  chrF                  TER                   seconds",
        "runs/a              30.50 [28.50, 31.50]  50.25 [28.50, 31.50]  60.00 [28.50, 31.50]  1.23",
        "runs/long-name      29.00 [27.25, 31.25]  51.00 [27.25, 31.25]  60.50 [27.25, 31.25]  12.00",
        "  difference        -1.50                 +0.75                 +0.50",
        "  p, bootstrap      0.0432                0.0432                0.0432",
        "  p, randomization  0.5000                0.5000                0.5000",
    ]


def test_json_leaves_out_what_is_not_known() -> None:
    row = json.loads(json.dumps(TESTED[1].as_json()))
    assert (row["bleu"], row["lowercased_bleu_signature"]) == (29, "of lower-cased bleu")
    assert (row["translation_s"], row["output"]) == (12, "b.txt")
    assert row["bootstrap"]["chrf"] == {"mean": 29.25, "ci": 2, "p_value": 0.04321, "signature": "chrf|n:7"}
    assert row["randomization"]["ter"] == {"p_value": 0.5, "signature": "ter|n:7"}
    assert "p_value" not in TESTED[0].as_json()["bootstrap"]["bleu"]
    assert BASELINE.as_json() == {**BASELINE.scores, "translation_s": 1.235, "output": "a.txt"}
