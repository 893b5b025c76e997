"""Confidence intervals and tests of significance; what can be, on paper."""

import logging
import os

import pytest
from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest

from s2s.evaluation.scores import comparable_metrics, lowercased_metric
from s2s.evaluation.significance import Resampling, resample

RIGHT = [f"line {number} of this text is quite right ." for number in range(30)]
WRONG = ["nothing fits here"] * 30
MIXED = [right if number % 3 else f"{right} indeed" for number, right in enumerate(RIGHT)]
OTHER = [right if number % 5 else "no" for number, right in enumerate(RIGHT)]
BOTH = pytest.mark.parametrize("method", list(Resampling), ids=lambda method: method.name)


@BOTH
def test_no_shuffling_and_no_sample_differs_more_than_all_wrong_from_all_right(method: Resampling) -> None:
    """So p is that of the observation alone among 1 + 199."""
    baseline, system = resample(method, [WRONG, RIGHT], [RIGHT], {"ter": TER()}, num_samples=199, seed=1)
    assert baseline["ter"].p_value is None
    assert system["ter"].p_value == pytest.approx(1 / 200)


@BOTH
def test_equal_scores_are_no_difference(method: Resampling) -> None:
    rows = resample(method, [MIXED, MIXED, RIGHT], [RIGHT], comparable_metrics(), num_samples=100, seed=1)
    assert [rows[1][name].p_value for name in ("bleu", "chrf", "ter")] == [1, 1, 1]
    p_value = rows[2]["ter"].p_value
    assert p_value is not None
    assert p_value < 0.05


def test_lines_that_are_all_alike_leave_no_doubt() -> None:
    """Every sample scores as the whole: BLEU of one wrong word in six, as in test_scores."""
    hypotheses, references = ["a b c d e f"] * 7, ["a b c d e g"] * 7
    [row] = resample(Resampling.bootstrap, [hypotheses], [references], {"bleu": BLEU()}, num_samples=100, seed=3)
    assert row["bleu"].mean == round(100 * (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25, 2)
    assert row["bleu"].ci == 0


def test_the_interval_of_two_lines_on_paper() -> None:
    """One right, one wrong: a sample's TER is 0, 50 or 100, in 1, 2 and 1 of 4 cases; 95 % is all of 0 to 100."""
    [row] = resample(Resampling.bootstrap, [["a b", "c d"]], [["a b", "x y"]], {"ter": TER()}, num_samples=400, seed=3)
    assert row["ter"].mean == pytest.approx(50, abs=7)
    assert row["ter"].ci == 50


def test_a_baseline_alone_has_no_p_value() -> None:
    for method in Resampling:
        [row] = resample(method, [MIXED], [RIGHT], {"bleu": BLEU()}, num_samples=100, seed=3)
        assert row["bleu"].p_value is None
        assert (row["bleu"].ci is None) == (method is Resampling.randomization)


@BOTH
def test_the_numbers_are_those_of_sacrebleu(method: Resampling, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = resample(method, [MIXED, OTHER], [RIGHT, OTHER], comparable_metrics(), num_samples=150, seed=77)
    monkeypatch.setenv("SACREBLEU_SEED", "77")
    named = [("Baseline: mixed", MIXED), ("other", OTHER)]
    test = PairedTest(named, comparable_metrics(), [RIGHT, OTHER], test_type=method.value, n_samples=150)
    signatures, columns = test()
    for name, kind in (("bleu", "BLEU"), ("chrf", "chrF2"), ("ter", "TER")):
        assert rows[1][name].p_value == columns[kind][1].p_value  # type: ignore[union-attr]
        assert rows[1][name].signature == str(signatures[kind])


def test_one_kind_of_metric_may_come_twice() -> None:
    metrics: dict[str, Metric] = {"bleu": BLEU(), **lowercased_metric()}
    shouted = [line.upper() for line in RIGHT]
    [row] = resample(Resampling.bootstrap, [shouted], [RIGHT], metrics, num_samples=100, seed=3)
    assert row["lowercased_bleu"].mean == 100
    assert row["bleu"].mean != 100


def test_the_signature_says_what_was_done() -> None:
    labels = {"test": "wmt17", "lang": "en-de"}
    for method, word in ((Resampling.bootstrap, "bs:120"), (Resampling.randomization, "ar:120")):
        rows = resample(method, [MIXED, OTHER], [RIGHT], {"bleu": BLEU()}, num_samples=120, seed=9, labels=labels)
        assert rows[1]["bleu"].signature.startswith(f"nrefs:1|{word}|seed:9|test:wmt17|lang:en-de|case:mixed|")


def test_the_seed_decides() -> None:
    def means(seed: int) -> list[float | None]:
        metrics = comparable_metrics()
        [row] = resample(Resampling.bootstrap, [OTHER], [RIGHT], metrics, num_samples=100, seed=seed)
        return [significance.mean for significance in row.values()]

    assert means(5) == means(5) != means(6)


@pytest.mark.parametrize("before", [None, "31"])
def test_nothing_of_sacrebleu_stays_changed(before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SACREBLEU_SEED", raising=False)
    if before is not None:
        monkeypatch.setenv("SACREBLEU_SEED", before)
    level = logging.getLogger("sacrebleu").level
    with pytest.raises(IndexError):
        resample(Resampling.bootstrap, [[]], [[]], {"bleu": BLEU()}, num_samples=100, seed=3)
    assert os.environ.get("SACREBLEU_SEED") == before
    assert logging.getLogger("sacrebleu").level == level
