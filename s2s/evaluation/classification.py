"""How good labels are, and how well their probabilities can be trusted.

N texts, C classes, M bins of confidence.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Ids = npt.NDArray[np.int64]
NUM_BINS = 10


@dataclass(frozen=True)
class Bin:
    """Texts of whose label a model is about equally certain.

    Attributes:
        low, high: bounds of the confidence, the upper one included.
        num_texts: how many; the rest is NaN where there are none.
        confidence: mean probability of the label that was given, 0 to 1.
        accuracy: share of the labels that are right, 0 to 1.
    """

    low: float
    high: float
    num_texts: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class ClassificationScores:
    """How well a model labels texts whose labels are known.

    Attributes:
        loss_nats: mean cross-entropy.
        accuracy: labels that are right, 0 to 100.
        f1: mean of `f1_C` over the classes that occur, among the texts or among the labels given, 0 to 100 (macro F1).
        f1_C: F1 of each class, 0 to 100; 0 for a class that was neither there nor given.
        confusion_CC: texts of each class (rows) by the label that they were given (columns).
        calibration_error: expected calibration error over `NUM_BINS` equal bins, in points, 0 to 100 (Guo et al. 2017,
            eq. 3).
        bins_M: the texts by confidence.
    """

    loss_nats: float
    accuracy: float
    f1: float
    f1_C: list[float]
    confusion_CC: list[list[int]]
    calibration_error: float
    bins_M: list[Bin]

    def as_json(self, names: list[str]) -> dict[str, Any]:
        """For a program to read, rounded; classes by their names, and only bins that hold something."""
        return {
            "loss_nats": round(self.loss_nats, 4),
            "accuracy": round(self.accuracy, 2),
            "f1": round(self.f1, 2),
            "f1_by_label": {name: round(value, 2) for name, value in zip(names, self.f1_C, strict=True)},
            "calibration_error": round(self.calibration_error, 2),
            "labels": names,
            "confusion": self.confusion_CC,
            "reliability": [asdict(each) for each in self.bins_M if each.num_texts],
        }


def classification_scores(log_probabilities_NC: Floats, class_N: Ids) -> ClassificationScores:
    """Compare the most probable class of each text, the first of equals, with its own; there must be a text."""
    num_classes = log_probabilities_NC.shape[1]
    given_N = log_probabilities_NC.argmax(axis=1)
    confusion_CC = np.bincount(class_N * num_classes + given_N, minlength=num_classes**2).reshape(num_classes, -1)
    # F1 is 2 TP / (2 TP + FP + FN), and the row and the column of a class add up to that denominator.
    of_class_C = confusion_CC.sum(0) + confusion_CC.sum(1)
    f1_C = 200 * confusion_CC.diagonal() / np.maximum(of_class_C, 1)
    confidence_N = np.exp(log_probabilities_NC.max(axis=1).astype(np.float64))
    bins_M = reliability(confidence_N, given_N == class_N)
    return ClassificationScores(
        loss_nats=-float(log_probabilities_NC[np.arange(len(class_N)), class_N].mean(dtype=np.float64)),
        accuracy=100 * float((given_N == class_N).mean()),
        f1=float(f1_C[of_class_C > 0].mean()),
        f1_C=f1_C.tolist(),
        confusion_CC=confusion_CC.tolist(),
        calibration_error=100 * calibration_error(bins_M),
        bins_M=bins_M,
    )


def reliability(confidence_N: Floats, is_right_N: npt.NDArray[np.bool_]) -> list[Bin]:
    """The texts in `NUM_BINS` bins of equal width over (0, 1]."""
    bin_N = np.clip(np.ceil(confidence_N * NUM_BINS).astype(int) - 1, 0, NUM_BINS - 1)
    bins_M = []
    for number in range(NUM_BINS):
        is_here_N = bin_N == number
        num_texts = int(is_here_N.sum())
        means = (float(values[is_here_N].mean()) if num_texts else math.nan for values in (confidence_N, is_right_N))
        bins_M.append(Bin(number / NUM_BINS, (number + 1) / NUM_BINS, num_texts, *means))
    return bins_M


def calibration_error(bins_M: list[Bin]) -> float:
    """Expected calibration error, 0 to 1: how far accuracy is from confidence, on average over the texts."""
    num_texts = sum(each.num_texts for each in bins_M)
    filled = [each for each in bins_M if each.num_texts]
    return sum(each.num_texts / num_texts * abs(each.accuracy - each.confidence) for each in filled)
