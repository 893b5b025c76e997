"""From input lines, as bytes, to output lines."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from s2s.config.decoding import Column, OutputFormat
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.line_constraints import LineConstraints
from s2s.decoding.streaming.input_lines import Bucket, decode
from s2s.decoding.streaming.output_formats import format_translation

_logger = logging.getLogger(__name__)
_WORD_SEPARATOR = "|"
_BUCKET_BATCHES = 4  # batches of a bucket: fewer buckets to hand out, and batches of more equal length


def split_fields(line: str, columns: Sequence[Column], number: int) -> tuple[str, LineConstraints]:
    """The source of a line, and the constraints on its translation in the tab-separated fields after it.

    Missing fields are empty, and those after the last column are left out, both with a warning that names the line.
    Without columns a tab is white space.
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
    must, avoid = (
        tuple(word.strip() for word in given.get(column, "").split(_WORD_SEPARATOR) if word.strip())
        for column in (Column.must, Column.avoid)
    )
    return source, LineConstraints(given.get(Column.prefix, ""), must, avoid)


@dataclass(frozen=True)
class LineTranslator:
    """Translates lines of bytes.

    Attributes:
        translator: of the sentences.
        output_format: how translations are written.
        columns: what the tab-separated fields after the source are.
    """

    translator: BatchTranslator
    output_format: OutputFormat = OutputFormat.text
    columns: Sequence[Column] = ()

    @property
    def bucket_lines(self) -> int:
        """The most lines of a bucket."""
        return _BUCKET_BATCHES * self.translator.batch_size

    def __call__(self, bucket: Bucket) -> list[bytes]:
        """The output for each line of a bucket, line ends included."""
        numbered = zip(bucket.numbers, bucket.lines, strict=True)
        split = [split_fields(decode(line, number), self.columns, number) for number, line in numbered]
        sources, constraints = [source for source, _ in split], [each for _, each in split]
        translations = self.translator.translations(sources, numbers=bucket.numbers, constraints=constraints)
        outputs = (
            format_translation(translation, number, source, self.output_format)
            for translation, number, source in zip(translations, bucket.numbers, sources, strict=True)
        )
        return ["".join(f"{line}\n" for line in lines).encode() for lines in outputs]


def load_line_translator(
    runs: str | Sequence[str],
    *,
    output_format: OutputFormat = OutputFormat.text,
    columns: Sequence[Column] = (),
    **options: Any,
) -> LineTranslator:
    """Load a translator of lines; see `BatchTranslator.load` for the other options."""
    return LineTranslator(BatchTranslator.load(runs, **options), output_format, columns)
