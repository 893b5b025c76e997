"""Runs side by side: numbers worked out on paper."""

import math
from pathlib import Path
from typing import Any

import pytest

from s2s.analysis.run_comparison import RunResult, compare


def result(cell: str, seed: int, bleu: float, **options: Any) -> RunResult:
    measures = {"bleu": bleu, "chrf": 2 * bleu, "dev_loss_nats": bleu / 10, "minutes": 1.0}
    signatures = {"bleu": "b", "chrf": "c"}
    return RunResult(Path("r"), {"seed": seed, "model.cell": cell, **options}, 9, measures, signatures, is_ended=True)


def test_mean_and_deviation_on_paper() -> None:
    """Of 10, 12 and 17: the mean is 13, and the sum of squares 9 + 1 + 16 = 26, halved 13."""
    rows = compare([result("gru", 1, 10), result("rnn", 1, 5), result("gru", 2, 12), result("gru", 3, 17)])
    assert [row.options for row in rows] == [{"model.cell": "gru"}, {"model.cell": "rnn"}]
    assert [row.num_runs for row in rows] == [3, 1]
    assert rows[0].means["bleu"] == 13
    assert rows[0].deviations["bleu"] == pytest.approx(math.sqrt(13))
    assert rows[0].means["chrf"] == 26
    assert rows[0].deviations["chrf"] == pytest.approx(2 * math.sqrt(13))
    assert rows[0].deviations["minutes"] == 0
    assert rows[1].means["bleu"] == 5
    assert rows[1].deviations["bleu"] is None


def test_rows_stand_in_the_order_of_their_numbers() -> None:
    results = [result("gru", 1, 1, size=size) for size in (100, 20, 3)]
    assert [row.options["size"] for row in compare(results)] == [3, 20, 100]


def test_seeds_alone_make_one_row_and_no_column() -> None:
    (row,) = compare([result("gru", seed, seed) for seed in (1, 2)])
    assert row.options == {}
    assert row.num_runs == 2
    assert compare([]) == []
