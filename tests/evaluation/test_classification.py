"""Scores of labels, worked out on paper."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s.evaluation.classification import NUM_BINS, calibration_error, classification_scores, reliability


def log(*rows: list[float]) -> np.ndarray:
    return np.log(np.array(rows))


def test_scores_on_paper() -> None:
    """Three classes of 2, 1 and 2 texts; given: 0, 1 | 1 | 0, 2."""
    probabilities = log([0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.1, 0.8, 0.1], [0.6, 0.1, 0.3], [0.2, 0.2, 0.6])
    found = classification_scores(probabilities, np.array([0, 0, 1, 2, 2]))
    assert found.confusion_CC == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    assert found.accuracy == pytest.approx(60)
    assert found.f1_C == pytest.approx([100 * 2 / 4, 100 * 2 / 3, 100 * 2 / 3])
    assert found.f1 == pytest.approx(100 * (1 / 2 + 2 / 3 + 2 / 3) / 3)
    assert found.loss_nats == pytest.approx(-sum(map(math.log, (0.7, 0.2, 0.8, 0.3, 0.6))) / 5)


def test_calibration_on_paper() -> None:
    """Confidence 0.95 twice, of which one is right; 0.55 and 0.6 in one bin, both right."""
    bins_M = reliability(np.array([0.95, 0.55, 0.95, 0.6]), np.array([True, True, False, True]))
    assert [each.num_texts for each in bins_M] == [0, 0, 0, 0, 0, 2, 0, 0, 0, 2]
    assert (bins_M[5].confidence, bins_M[5].accuracy) == (pytest.approx(0.575), 1)
    assert (bins_M[9].low, bins_M[9].high, bins_M[9].accuracy) == (0.9, 1.0, 0.5)
    assert math.isnan(bins_M[0].accuracy)
    assert calibration_error(bins_M) == pytest.approx((2 * 0.45 + 2 * 0.425) / 4)


def test_a_class_that_never_occurs_scores_nothing() -> None:
    found = classification_scores(log([0.9, 0.05, 0.05], [0.1, 0.8, 0.1]), np.array([0, 1]))
    assert found.f1_C == [100, 100, 0]
    assert found.f1 == 100


def test_a_class_that_occurs_on_one_side_only_counts() -> None:
    """The third class is given once and never true, the fourth neither."""
    found = classification_scores(log([0.9, 0.05, 0.03, 0.02], [0.1, 0.2, 0.6, 0.1]), np.array([0, 1]))
    assert found.f1_C == [100, 0, 0, 0]
    assert found.f1 == pytest.approx(100 / 3)


def test_json_has_names_and_filled_bins_only() -> None:
    found = classification_scores(log([0.9, 0.1], [0.2, 0.8]), np.array([0, 0])).as_json(["neg", "pos"])
    assert found["f1_by_label"] == {"neg": 66.67, "pos": 0.0}
    assert found["confusion"] == [[1, 1], [0, 0]]
    assert [(each["num_texts"], each["accuracy"]) for each in found["reliability"]] == [(1, 0.0), (1, 1.0)]


@given(st.lists(st.tuples(st.floats(1e-6, 1), st.booleans()), min_size=1, max_size=30))
def test_every_text_is_in_one_bin(texts: list[tuple[float, bool]]) -> None:
    confidence_N, is_right_N = (np.array(side) for side in zip(*texts, strict=True))
    bins_M = reliability(confidence_N, is_right_N)
    assert len(bins_M) == NUM_BINS
    assert sum(each.num_texts for each in bins_M) == len(texts)
    for each in bins_M:
        assert not each.num_texts or each.low - 1e-9 <= each.confidence <= each.high + 1e-9
    assert 0 <= calibration_error(bins_M) <= 1
