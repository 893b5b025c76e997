"""Training a text classifier: what it is validated on, and how a run is summarized.

N texts, C classes.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from s2s.analysis.plots.classification_plots import plot_confusion, plot_reliability
from s2s.data.batching import labelled_batch
from s2s.data.text.parallel_text import Pair
from s2s.data.vocabulary.labels import Labels, classes_of
from s2s.data.vocabulary.learn import Vocabularies
from s2s.decoding.text_classifier import TextClassifier
from s2s.errors import MissingExtraError
from s2s.evaluation.classification import ClassificationScores, classification_scores
from s2s.models.classifier import build_classifier
from s2s.models.model import Model
from s2s.models.network_size import build_in_memory, training_copies
from s2s.tasks.task import TrainingTask
from s2s.text_tables import table
from s2s.training.progress import Validation

_logger = logging.getLogger(__name__)
_NUM_SAMPLES = 5
_MAX_COLUMNS = 12  # labels of a table that fits a terminal


class ClassificationTask(TrainingTask):
    """From texts to labels; validated with the loss, accuracy and F1."""

    unit = "text"
    target_vocabulary = Labels
    target_pieces = "labels"
    has_fixed_targets = True
    to_batch = staticmethod(labelled_batch)
    using_command = "classify"
    scoring_command = "classify"

    def vocabulary_files(self) -> tuple[Path, Path]:
        return self.run.text_subwords, self.run.labels

    def build_model(
        self, vocabularies: Vocabularies, dev: list[Pair], device: torch.device, precision: torch.dtype
    ) -> tuple[Model, Callable[[], Validation]]:
        subwords, labels = vocabularies
        assert isinstance(labels, Labels)
        build = partial(build_classifier, self.config.model, len(subwords), len(labels))
        model = build_in_memory(build, device, copies=training_copies(self.config.optim)).to(device)
        classifier = TextClassifier(model, subwords, labels, self.config.training.max_pieces, device)
        rows = classifier.encode([pair.source for pair in dev])
        classes = np.array(classes_of(dev, labels, self.run.text("dev")))

        def validate() -> Validation:
            found = classification_scores(classify_shown(classifier, rows, "validating"), classes)
            return Validation(found.loss_nats, {"accuracy": found.accuracy, "f1": found.f1})

        return model, validate

    def summarize(self, test: list[Pair]) -> None:
        run = self.run
        classifier = TextClassifier.load(run.path, device=self.config.device)
        classes = classes_of(test, classifier.labels, run.text("test"))
        rows = classifier.encode([pair.source for pair in test])
        log_probabilities_NC = classify_shown(classifier, rows, "scoring the test set")
        predicted = most_likely(log_probabilities_NC[:_NUM_SAMPLES], classifier.labels)
        samples = [
            {"text": pair.source, "label": pair.target, "given": label, "probability": f"{probability:.6f}"}
            for pair, (label, probability) in zip(test[:_NUM_SAMPLES], predicted, strict=True)
        ]
        for sample in samples:
            _logger.info("\n  text   %(text)s\n  label  %(label)s\n  given  %(given)s (%(probability)s)", sample)
        if num_cut := sum(len(row) > classifier.max_pieces for row in rows):
            _logger.info("\ncut %d texts of the test set to training.max_pieces=%d", num_cut, classifier.max_pieces)
        found, names = classification_scores(log_probabilities_NC, np.array(classes)), classifier.labels.names
        log_scores(found, names)
        self.write_summary({"lines": len(test), **found.as_json(names)}, samples)
        draw_scores(found, names, run.path)  # last, so that an error in it loses nothing


def classify_shown(classifier: TextClassifier, rows: Sequence[Sequence[int]], title: str) -> npt.NDArray[np.float32]:
    """`TextClassifier.log_probabilities`, with a bar of this title where stderr is a terminal."""
    with tqdm(desc=title, unit="text", total=len(rows), leave=False, dynamic_ncols=True, disable=None) as bar:
        return classifier.log_probabilities(rows, bar.update)


def most_likely(log_probabilities_NC: npt.NDArray[np.float32], labels: Labels) -> list[tuple[str, float]]:
    """The most likely label of each text, and its probability."""
    label_N = log_probabilities_NC.argmax(axis=1)
    probability_N = np.exp(log_probabilities_NC.max(axis=1))
    return [(labels.names[label], float(value)) for label, value in zip(label_N, probability_N, strict=True)]


def log_scores(found: ClassificationScores, names: list[str]) -> None:
    """Print the scores on stderr, with a table: F1 of each label, and how many of its texts were given each label."""
    _logger.info(
        "\n%d texts: accuracy %.2f %%, F1 %.2f (mean of the labels), calibration error %.2f points, loss %.3f nats",
        sum(map(sum, found.confusion_CC)),
        found.accuracy,
        found.f1,
        found.calibration_error,
        found.loss_nats,
    )
    shown = names[:_MAX_COLUMNS]
    rows = [["label", "F1", *(f"as {name}" for name in shown)]]
    for name, f1, counts in zip(shown, found.f1_C, found.confusion_CC, strict=False):
        rows.append([name, f"{f1:.2f}", *(f"{count:,}" for count in counts[:_MAX_COLUMNS])])
    for line in table(rows).splitlines():
        _logger.info("  %s", line)


def draw_scores(found: ClassificationScores, names: list[str], folder: Path) -> None:
    """Draw the confusion matrix and the reliability of the probabilities, if matplotlib is installed."""
    try:
        plot_confusion(found.confusion_CC, names, folder / "confusion.png")
        plot_reliability(found.bins_M, folder / "reliability.png")
    except MissingExtraError as error:
        _logger.info("no pictures: %s", error)
        return
    _logger.info("drawn in %s and reliability.png", folder / "confusion.png")
