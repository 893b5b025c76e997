"""From lines of input, as bytes, to lines of output."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from s2s.config.decoding import Column, OutputFormat
from s2s.decoding.line_constraints import LineConstraints
from s2s.decoding.postprocessing import Translation
from s2s.decoding.streaming.input_lines import Share, decode
from s2s.decoding.streaming.output_formats import format_translation
from s2s.decoding.translator import Translator

_logger = logging.getLogger(__name__)
_WORD_SEPARATOR = "|"


def split_columns(line: str, columns: Sequence[Column], number: int) -> tuple[str, LineConstraints]:
    """The source of a line, and what is asked of its translation.

    Fields that are missing ask for nothing, and those beyond the last column are left out, both with a warning that
    names the line. Without columns a tab is white space.
    """
    if not columns:
        return line, LineConstraints()
    source, *fields = line.split("\t")
    if len(fields) != len(columns):
        names = ", ".join(["source", *(column.name for column in columns)])
        _logger.warning(
            "line %d: expected %d fields between tabs (%s), got %d; %s",
            number,
            len(columns) + 1,
            names,
            len(fields) + 1,
            "those beyond are left out" if len(fields) > len(columns) else "those missing are empty",
        )
    given = dict(zip(columns, fields, strict=False))
    must, avoid = (_words(given.get(column, "")) for column in (Column.must, Column.avoid))
    return source, LineConstraints(given.get(Column.prefix, ""), must, avoid)


def _words(field: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in field.split(_WORD_SEPARATOR) if word.strip())


_SHARE_BATCHES = 4  # a share of several batches: fewer to hand out, and sentences of one batch differ less in length


@dataclass(frozen=True)
class LineTranslator:
    """A translator with what is around it in the shell.

    Attributes:
        translator: of the sentences.
        output_format: how translations are written.
        columns: what the tab-separated fields after the source are.
    """

    translator: Translator
    output_format: OutputFormat = OutputFormat.text
    columns: Sequence[Column] = ()

    @property
    def share_lines(self) -> int:
        """Lines of a share."""
        return _SHARE_BATCHES * self.translator.batch_size

    def __call__(self, share: Share) -> list[bytes]:
        """What to write for each line of a share, line ends included."""
        numbered = zip(share.numbers, share.lines, strict=True)
        asked = [split_columns(decode(line, number), self.columns, number) for number, line in numbered]
        sources, demands = [source for source, _ in asked], [demand for _, demand in asked]
        translations = self.translator.translations(sources, numbers=share.numbers, demands=demands)
        return list(map(self._written, translations, share.numbers, sources))

    def _written(self, translation: Translation, number: int, source: str) -> bytes:
        lines = format_translation(translation, number, source, self.output_format)
        return "".join(f"{line}\n" for line in lines).encode()


def load_lines(
    runs: str | Sequence[str],
    *,
    output_format: OutputFormat = OutputFormat.text,
    columns: Sequence[Column] = (),
    **options: Any,
) -> LineTranslator:
    """Load a translator of lines; see `Translator.load` for the other options."""
    return LineTranslator(Translator.load(runs, **options), output_format, columns)
