"""`s2s-classify`: lines in, labels and their probabilities out; or, of labelled text, how many labels are right."""

import json
import logging
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from s2s.analysis.label_plots import plot_confusion, plot_reliability
from s2s.analysis.terminal import table
from s2s.cli.app import run_app
from s2s.config import ClassifyConfig, Config
from s2s.data.corpora import Pair, read_pairs
from s2s.data.labels import Labels
from s2s.data.prepare import Files, classes_of, paths_of
from s2s.data.subwords import Subwords
from s2s.decoding.labeller import Labeller
from s2s.decoding.lines import decode, open_input, read_windows
from s2s.errors import MissingExtraError
from s2s.evaluation.classification import Judgement, judge
from s2s.files import write_json, write_lines
from s2s.models.classifier import Classifier
from s2s.runs import RunFolder
from s2s.training.loop import Validation

_logger = logging.getLogger(__name__)
_NUM_SAMPLES = 5
_MOST_PRINTED = 12  # labels of a table that fits a terminal
LogProbabilities = npt.NDArray[np.float32]


def main() -> None:
    """The command."""
    run_app("classify", ClassifyConfig, classify)


def classify(config: ClassifyConfig) -> None:
    """Label standard input line by line, N lines in, N lines out, in order; or judge the labels of given texts."""
    labeller = Labeller.load(config.run, device=config.device, batch_size=config.batch_size)
    if config.data.test:
        output = Path(config.output) if config.output else Path(config.run) / "evaluation"
        _judge_files(labeller, paths_of(config.data.test), output)
        return
    with open_input(None) as source:
        for window in read_windows(source):
            if window is not None:
                numbered = enumerate(window.lines, start=window.first_line)
                lines = [decode(line, number) for number, line in numbered]
                sys.stdout.buffer.write("".join(_labelled(labeller, lines, window.first_line)).encode())
                sys.stdout.buffer.flush()


def _judge_files(labeller: Labeller, files: Files, folder: Path) -> None:
    """Judge the labels of given texts: one JSON object on stdout, pictures in a folder."""
    pairs = list(read_pairs(*files))
    classes = classes_of(pairs, labeller.labels, files)
    rows = _rows(labeller, [pair.source for pair in pairs], first_line=1)
    found = judged(labeller.log_probabilities(rows), classes, labeller.labels)
    json.dump({"lines": len(pairs), **found.as_json(labeller.labels.names)}, sys.stdout, ensure_ascii=False)
    print(flush=True)
    _draw(found, labeller.labels.names, folder)


def _rows(labeller: Labeller, lines: Sequence[str], first_line: int) -> list[list[int]]:
    """Pieces of each line, with a warning that names a line of which the model will not read all."""
    rows = labeller.encode(lines)
    for number, row in enumerate(rows, start=first_line):
        if len(row) > labeller.max_pieces:
            message = "line %d: %d pieces are more than this run's training.max_pieces=%d; cut"
            _logger.warning(message, number, len(row), labeller.max_pieces)
    return rows


def _labelled(labeller: Labeller, lines: Sequence[str], first_line: int) -> list[str]:
    """A line of output for each line; a blank one for a blank one."""
    found = labeller.log_probabilities(_rows(labeller, lines, first_line))
    written = format_labels(likeliest(found, labeller.labels))
    return [f"{text}\n" if line.strip() else "\n" for line, text in zip(lines, written, strict=True)]


def likeliest(log_probabilities_NC: LogProbabilities, labels: Labels) -> list[tuple[str, float]]:
    """The likeliest label of each text, and its probability."""
    given_N = log_probabilities_NC.argmax(axis=1)
    probability_N = np.exp(log_probabilities_NC.max(axis=1))
    return [(labels.names[given], float(value)) for given, value in zip(given_N, probability_N, strict=True)]


def format_labels(given: Iterable[tuple[str, float]]) -> list[str]:
    """The label of each text, a tab, and its probability."""
    return [f"{label}\t{probability:.6f}" for label, probability in given]


def classifier_validation(
    model: Classifier, subwords: Subwords, labels: Labels, pairs: list[Pair], config: Config, device: torch.device
) -> Callable[[], Validation]:
    """A function that scores the dev set with the model's present weights: loss, accuracy and F1."""
    labeller = Labeller(model, subwords, labels, config.training.max_pieces, device)
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
    labeller = Labeller.load(run.path, device=config.device)
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
    _logger.info("\nclassify with\n  s2s-classify run=%s < IN > OUT", shlex.quote(str(run.path)))


def judged(log_probabilities_NC: LogProbabilities, classes: Sequence[int], labels: Labels) -> Judgement:
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


def _table(found: Judgement, names: list[str]) -> list[str]:
    """F1 of each label, and how many of its texts were given which one."""
    shown = names[:_MOST_PRINTED]
    rows = [["label", "F1", *(f"as {name}" for name in shown)]]
    for name, f1, counts in zip(shown, found.f1_C, found.confusion_CC, strict=False):
        rows.append([name, f"{f1:.2f}", *(f"{count:,}" for count in counts[:_MOST_PRINTED])])
    return table(rows, "<" + ">" * (len(rows[0]) - 1))


def _draw(found: Judgement, names: list[str], folder: Path) -> None:
    """The confusion matrix and the reliability of the probabilities, where the extra for pictures is installed."""
    try:
        plot_confusion(found.confusion_CC, names, folder / "confusion.png")
        plot_reliability(found.bins_M, folder / "reliability.png")
    except MissingExtraError as error:
        _logger.info("no pictures: %s", error)
        return
    _logger.info("drawn in %s and reliability.png", folder / "confusion.png")
