"""Sentences typed at a terminal, each translated at once."""

import logging
import shutil
import sys
from collections.abc import Sequence

from s2s.analysis.attention import PiecePair, attention_of_pairs
from s2s.analysis.text_heat_map import LEGEND, text_heat_map
from s2s.cli.greeting import greeting
from s2s.cli.prompt import PromptCommand, answer_typed_lines
from s2s.decoding.line_warnings import collected_warnings
from s2s.decoding.streaming.input_lines import Bucket
from s2s.decoding.streaming.line_translator import LineTranslator, TranslatedLine
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import load_config

_logger = logging.getLogger(__name__)


class TypedTranslation:
    """Translates lines, and remembers the last one."""

    def __init__(self, translator: LineTranslator) -> None:
        self._translator = translator
        self._last: TranslatedLine | None = None

    def answer(self, number: int, line: bytes) -> None:
        """Print the translation of a line, and on stderr what there is to warn of."""
        with collected_warnings() as warnings:
            [translated] = self._translator.translate(Bucket([number], [line]))
        self._last = translated
        for warning in warnings:
            _logger.warning("  %s", warning.text)
        for text in self._translator.formatted(translated):
            print(text, flush=True)
        if (doubt := self._translator.doubt(translated)) is not None:
            _logger.warning("  %s", doubt)

    def show_attention(self) -> None:
        """Draw the attention of the last translation."""
        translator = self._translator.translator
        if not translator.model.has_attention:
            print("this run has no attention: its decoder sees the last vector of the encoder only", file=sys.stderr)
            return
        if self._last is None or not self._last.translation.hypotheses[0].ids:
            print("nothing has been translated yet: type a sentence first", file=sys.stderr)
            return
        source_ids = translator.source.encode([self._last.source])[0][: translator.search.max_source_pieces]
        pair = PiecePair(source_ids, list(self._last.translation.hypotheses[0].ids))
        [found] = attention_of_pairs(translator, [pair])
        assert found is not None
        width = shutil.get_terminal_size().columns
        print(text_heat_map(found.target, found.source, found.weights_JI, width), file=sys.stderr)
        print(LEGEND, file=sys.stderr)


def translate_typed_lines(translator: LineTranslator, runs: Sequence[str]) -> None:
    """Greet, and translate each line that is typed, until `:quit` or Ctrl-D."""
    run = RunFolder.existing(runs[0])
    config = load_config(run.config)
    print(greeting(run, config, num_runs=len(runs)), file=sys.stderr)
    session = TypedTranslation(translator)
    commands = {"attention": PromptCommand("where the model looked in the last sentence", session.show_attention)}
    answer_typed_lines(f"{config.data.source_language}> ", session.answer, commands)
