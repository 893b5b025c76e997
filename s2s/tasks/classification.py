"""TODO: say what s2s.tasks.classification is."""

import logging
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from s2s.analysis.plots.classification_plots import plot_confusion, plot_reliability
from s2s.config.training import Config
from s2s.data.text.parallel_text import Pair
from s2s.data.vocabulary.labels import Labels, classes_of
from s2s.data.vocabulary.subwords import Subwords
from s2s.decoding.text_classifier import TextClassifier
from s2s.errors import MissingExtraError
from s2s.evaluation.classification import ClassificationScores, judge
from s2s.files import write_json, write_lines
from s2s.models.classifier import Classifier
from s2s.runs.folder import RunFolder
from s2s.text_tables import table
from s2s.training.progress import Validation

_logger = logging.getLogger(__name__)
_NUM_SAMPLES = 5
_MOST_PRINTED = 12  # labels of a table that fits a terminal
LogProbabilities = npt.NDArray[np.float32]


def likeliest(log_probabilities_NC: LogProbabilities, labels: Labels) -> list[tuple[str, float]]:
    """The likeliest label of each text, and its probability."""
    given_N = log_probabilities_NC.argmax(axis=1)
    probability_N = np.exp(log_probabilities_NC.max(axis=1))
    return [(labels.names[given], float(value)) for given, value in zip(given_N, probability_N, strict=True)]


def classifier_validation(
    model: Classifier, subwords: Subwords, labels: Labels, pairs: list[Pair], config: Config, device: torch.device
) -> Callable[[], Validation]:
    """A function that scores the dev set with the model's present weights: loss, accuracy and F1."""
    labeller = TextClassifier(model, subwords, labels, config.training.max_pieces, device)
    rows = labeller.encode([pair.source for pair in pairs])
    classes = classes_of(pairs, labels, RunFolder(Path(config.run)).text("dev"))

    def validate() -> Validation:
        found = judge(labeller.log_probabilities(rows), np.array(classes))
        if not sys.stderr.isatty():
            _logger.info("validated: loss %.3f nats, accuracy %.2f, F1 %.2f", found.loss_nats, found.accuracy, found.f1)
        return Validation(found.loss_nats, {"accuracy": found.accuracy, "f1": found.f1})

    return validate


def sum_up_classifier(run: RunFolder, pairs: list[Pair], config: Config) -> None:
    """Judge the labels of the test set with the best weights, show some, and the way to get more."""
    labeller = TextClassifier.load(run.path, device=config.device)
    classes = classes_of(pairs, labeller.labels, run.text("test"))
    rows = labeller.encode([pair.source for pair in pairs])
    log_probabilities_NC = labeller.log_probabilities(rows)
    given = likeliest(log_probabilities_NC[:_NUM_SAMPLES], labeller.labels)
    samples = [
        {"text": pair.source, "label": pair.target, "given": label, "probability": f"{probability:.6f}"}
        for pair, (label, probability) in zip(pairs[:_NUM_SAMPLES], given, strict=True)
    ]
    write_lines(run.path / "samples.txt", [f"{name}: {text}" for sample in samples for name, text in sample.items()])
    for sample in samples:
        _logger.info("\n  text   %(text)s\n  label  %(label)s\n  given  %(given)s (%(probability)s)", sample)
    if num_cut := sum(len(row) > labeller.max_pieces for row in rows):
        _logger.info("\ncut %d texts of the test set to training.max_pieces=%d", num_cut, labeller.max_pieces)
    found, names = judged(log_probabilities_NC, classes, labeller.labels), labeller.labels.names
    write_json(run.summary, {"test": {"lines": len(pairs), **found.as_json(names)}, "samples": samples})
    _draw(found, names, run.path)  # last: what is known is kept, whatever becomes of a picture
    _logger.info("\nclassify with\n  s2s classify run=%s < IN > OUT", shlex.quote(str(run.path)))


def judged(log_probabilities_NC: LogProbabilities, classes: Sequence[int], labels: Labels) -> ClassificationScores:
    """Judge the labels that texts are given, with a table on stderr."""
    found = judge(log_probabilities_NC, np.array(classes))
    _logger.info(
        "\n%d texts: accuracy %.2f %%, F1 %.2f (mean of the labels), calibration error %.2f points, loss %.3f nats",
        len(classes),
        found.accuracy,
        found.f1,
        found.calibration_error,
        found.loss_nats,
    )
    for line in _table(found, labels.names):
        _logger.info("  %s", line)
    return found


def _table(found: ClassificationScores, names: list[str]) -> list[str]:
    """F1 of each label, and how many of its texts were given which one."""
    shown = names[:_MOST_PRINTED]
    rows = [["label", "F1", *(f"as {name}" for name in shown)]]
    for name, f1, counts in zip(shown, found.f1_C, found.confusion_CC, strict=False):
        rows.append([name, f"{f1:.2f}", *(f"{count:,}" for count in counts[:_MOST_PRINTED])])
    return table(rows, "<" + ">" * (len(rows[0]) - 1))


def _draw(found: ClassificationScores, names: list[str], folder: Path) -> None:
    """The confusion matrix and the reliability of the probabilities, where the extra for pictures is installed."""
    try:
        plot_confusion(found.confusion_CC, names, folder / "confusion.png")
        plot_reliability(found.bins_M, folder / "reliability.png")
    except MissingExtraError as error:
        _logger.info("no pictures: %s", error)
        return
    _logger.info("drawn in %s and reliability.png", folder / "confusion.png")
