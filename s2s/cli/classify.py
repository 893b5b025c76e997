"""`s2s classify`: lines in, labels and their probabilities out; or the scores of these labels on labelled text."""

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from s2s.cli.commands import Command
from s2s.config.data import check_files
from s2s.config.options import Options, Takes, option
from s2s.config.training import DEVICE_HELP, Device
from s2s.errors import ConfigError

if TYPE_CHECKING:
    from s2s.data.text.parallel_text import Files
    from s2s.decoding.familiarity import Familiarity
    from s2s.decoding.text_classifier import TextClassifier

_logger = logging.getLogger(__name__)


@dataclass
class GivenTexts(Options):
    """Which labelled texts to judge."""

    test: list[str] = option(
        [],
        "TEXT,LABEL, plain or .gz, or one file, a tab between the two; left out: standard input is labelled",
        takes=Takes.file,
    )

    def check(self) -> None:
        check_files("data.test", self.test, "TEXT_FILE,LABEL_FILE")


@dataclass
class ClassifyConfig(Options):
    """Options of `classify`."""

    run: str = option("???", "folder of a run trained with task=classify", takes=Takes.run)
    device: Device = option(Device.auto, DEVICE_HELP)
    data: GivenTexts = field(default_factory=GivenTexts)
    batch_size: int = option(64, "texts labelled at once", low=1, high=1_000_000)
    output: str | None = option(None, "data.test: folder for pictures; left out: RUN/evaluation", takes=Takes.folder)

    def check(self) -> None:
        if self.output is not None and not self.data.test:
            raise ConfigError(f"output={self.output} is for the pictures of data.test, which is not given")


def classify(config: ClassifyConfig) -> None:
    """Label standard input line by line, N lines in, N lines out, in order; or score the labels of given texts."""
    from s2s.cli.greeting import greeting
    from s2s.cli.prompt import answer_typed_lines, is_interactive
    from s2s.data.text.parallel_text import paths_of
    from s2s.decoding.familiarity import Familiarity
    from s2s.decoding.line_warnings import Doubts, LineWarning
    from s2s.decoding.streaming.input_lines import decode, open_input, read_blocks
    from s2s.decoding.streaming.line_bar import line_bar
    from s2s.decoding.text_classifier import TextClassifier
    from s2s.runs.folder import RunFolder
    from s2s.runs.saved_config import load_config

    classifier = TextClassifier.load(config.run, device=config.device, batch_size=config.batch_size)
    if config.data.test:
        output = Path(config.output) if config.output else Path(config.run) / "evaluation"
        _score(classifier, paths_of(config.data.test), output)
        return
    run = RunFolder.existing(config.run)
    familiarity = Familiarity.load(run, classifier.subwords)
    if is_interactive():
        print(greeting(run, load_config(run.config)), file=sys.stderr)
        answer_typed_lines("text> ", partial(_answer, classifier, familiarity), {})
        return
    doubts = Doubts()
    with open_input(None) as source, line_bar("classifying", None, has_output=False) as on_lines:
        for block in filter(None, read_blocks(source)):
            lines = [decode(line, number) for number, line in enumerate(block.lines, start=block.first_line)]
            labels = _labels(classifier, lines, block.first_line)
            unseen = enumerate(map(familiarity.unseen_words, lines), start=block.first_line)
            doubts.add(len(lines), [LineWarning(number, doubt) for number, doubt in unseen if doubt is not None])
            sys.stdout.buffer.write("".join(f"{label}\n" for label in labels).encode())
            sys.stdout.buffer.flush()
            on_lines(len(lines))


def _answer(classifier: "TextClassifier", familiarity: "Familiarity", number: int, line: bytes) -> None:
    """Print the label of a line that was typed, and on stderr what there is to warn of."""
    from s2s.decoding.streaming.input_lines import decode

    text = decode(line, number)
    print(*_labels(classifier, [text], number), flush=True)
    if (doubt := familiarity.unseen_words(text)) is not None:
        _logger.warning("  %s", doubt)


def _score(classifier: "TextClassifier", files: "Files", folder: Path) -> None:
    """Score the labels of given texts: one JSON object on stdout, pictures in a folder."""
    import numpy as np

    from s2s.data.text.parallel_text import read_pairs
    from s2s.data.vocabulary.labels import classes_of
    from s2s.evaluation.classification import classification_scores
    from s2s.tasks.classification import classify_shown, draw_scores, log_scores

    pairs = list(read_pairs(*files))
    classes, names = classes_of(pairs, classifier.labels, files), classifier.labels.names
    rows = _rows(classifier, [pair.source for pair in pairs], first_line=1)
    log_probabilities_NC = classify_shown(classifier, rows, "classifying")
    found = classification_scores(log_probabilities_NC, np.array(classes))
    log_scores(found, names)
    print(json.dumps({"lines": len(pairs), **found.as_json(names)}, ensure_ascii=False), flush=True)
    draw_scores(found, names, folder)


def _rows(classifier: "TextClassifier", lines: Sequence[str], first_line: int) -> list[list[int]]:
    """The ids of each line, with a warning for each line that is too long to be read whole."""
    from s2s.decoding.line_warnings import warn_of_line

    rows = classifier.encode(lines)
    for number, row in enumerate(rows, start=first_line):
        if len(row) > classifier.max_pieces:
            message = "%d pieces are more than this run's training.max_pieces=%d; cut"
            warn_of_line(number, message, len(row), classifier.max_pieces)
    return rows


def _labels(classifier: "TextClassifier", lines: Sequence[str], first_line: int) -> list[str]:
    """The label of each line, a tab, and its probability; an empty text for a blank line."""
    from s2s.tasks.classification import most_likely

    found = classifier.log_probabilities(_rows(classifier, lines, first_line))
    labels = most_likely(found, classifier.labels)
    return [
        f"{label}\t{probability:.6f}" if line.strip() else ""
        for line, (label, probability) in zip(lines, labels, strict=True)
    ]


COMMAND = Command(
    classify,
    ClassifyConfig,
    bare=("run",),
    examples=(
        "runs/reviews < texts.txt",
        "runs/reviews data.test=texts.txt,labels.txt",
    ),
    common=("data.test",),
)
