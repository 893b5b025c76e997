"""`s2s-classify`: lines in, labels and their probabilities out; or, of labelled text, how many labels are right."""

import json
import logging
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from s2s.cli.app import run_app
from s2s.config.commands import ClassifyConfig
from s2s.data.text.corpus import paths_of
from s2s.data.text.parallel_text import Files, read_pairs
from s2s.data.vocabulary.labels import classes_of
from s2s.decoding.streaming.input_lines import decode, open_input, read_blocks
from s2s.decoding.text_classifier import TextClassifier
from s2s.tasks.classification import _draw, judged, likeliest

_logger = logging.getLogger(__name__)


def main() -> None:
    """The command."""
    run_app("classify", ClassifyConfig, classify)


def classify(config: ClassifyConfig) -> None:
    """Label standard input line by line, N lines in, N lines out, in order; or judge the labels of given texts."""
    labeller = TextClassifier.load(config.run, device=config.device, batch_size=config.batch_size)
    if config.data.test:
        output = Path(config.output) if config.output else Path(config.run) / "evaluation"
        _judge_files(labeller, paths_of(config.data.test), output)
        return
    with open_input(None) as source:
        for window in read_blocks(source):
            if window is not None:
                numbered = enumerate(window.lines, start=window.first_line)
                lines = [decode(line, number) for number, line in numbered]
                sys.stdout.buffer.write("".join(_labelled(labeller, lines, window.first_line)).encode())
                sys.stdout.buffer.flush()


def _judge_files(labeller: TextClassifier, files: Files, folder: Path) -> None:
    """Judge the labels of given texts: one JSON object on stdout, pictures in a folder."""
    pairs = list(read_pairs(*files))
    classes = classes_of(pairs, labeller.labels, files)
    rows = _rows(labeller, [pair.source for pair in pairs], first_line=1)
    found = judged(labeller.log_probabilities(rows), classes, labeller.labels)
    json.dump({"lines": len(pairs), **found.as_json(labeller.labels.names)}, sys.stdout, ensure_ascii=False)
    print(flush=True)
    _draw(found, labeller.labels.names, folder)


def _rows(labeller: TextClassifier, lines: Sequence[str], first_line: int) -> list[list[int]]:
    """Pieces of each line, with a warning that names a line of which the model will not read all."""
    rows = labeller.encode(lines)
    for number, row in enumerate(rows, start=first_line):
        if len(row) > labeller.max_pieces:
            message = "line %d: %d pieces are more than this run's training.max_pieces=%d; cut"
            _logger.warning(message, number, len(row), labeller.max_pieces)
    return rows


def _labelled(labeller: TextClassifier, lines: Sequence[str], first_line: int) -> list[str]:
    """A line of output for each line; a blank one for a blank one."""
    found = labeller.log_probabilities(_rows(labeller, lines, first_line))
    written = format_labels(likeliest(found, labeller.labels))
    return [f"{text}\n" if line.strip() else "\n" for line, text in zip(lines, written, strict=True)]


def format_labels(given: Iterable[tuple[str, float]]) -> list[str]:
    """The label of each text, a tab, and its probability."""
    return [f"{label}\t{probability:.6f}" for label, probability in given]
