"""From input lines, as bytes, to output lines."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from s2s.config.decoding import Column, OutputFormat
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.familiarity import Familiarity
from s2s.decoding.line_constraints import LineConstraints
from s2s.decoding.line_warnings import LineWarning, collected_warnings, warn_of_line
from s2s.decoding.postprocessing import NBestList
from s2s.decoding.streaming.input_lines import Bucket, decode
from s2s.decoding.streaming.output_formats import format_translation
from s2s.runs.folder import RunFolder

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
        warn_of_line(
            number,
            "expected %d fields between tabs (%s), got %d; %s",
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


class BucketOutput(NamedTuple):
    """What becomes of a bucket.

    Attributes:
        lines: the output for each of its lines, in their order, line ends included.
        warnings: about single lines, in any order.
        doubts: the lines whose translation is doubtful, and why.
    """

    lines: list[bytes]
    warnings: list[LineWarning]
    doubts: list[LineWarning]


class TranslatedLine(NamedTuple):
    """A line of the input and its translation.

    Attributes:
        number: of the line, counted from 1.
        source: its text.
        translation: of the text.
    """

    number: int
    source: str
    translation: NBestList


@dataclass(frozen=True)
class LineTranslator:
    """Translates lines of bytes.

    Attributes:
        translator: of the sentences.
        familiarity: of the run with a text.
        output_format: how translations are written.
        columns: what the tab-separated fields after the source are.
    """

    translator: BatchTranslator
    familiarity: Familiarity
    output_format: OutputFormat = OutputFormat.text
    columns: Sequence[Column] = ()

    @property
    def bucket_lines(self) -> int:
        """The most lines of a bucket."""
        return _BUCKET_BATCHES * self.translator.batch_size

    def __call__(self, bucket: Bucket) -> BucketOutput:
        """The output for each line of a bucket, with what there is to warn of."""
        with collected_warnings() as warnings:
            lines = self.translate(bucket)
        outputs = ["".join(f"{text}\n" for text in self.formatted(line)).encode() for line in lines]
        doubts = [LineWarning(line.number, doubt) for line in lines if (doubt := self.doubt(line)) is not None]
        return BucketOutput(outputs, warnings, doubts)

    def translate(self, bucket: Bucket) -> list[TranslatedLine]:
        """The lines of a bucket, translated; warnings are logged."""
        numbered = zip(bucket.numbers, bucket.lines, strict=True)
        split = [split_fields(decode(line, number), self.columns, number) for number, line in numbered]
        sources, constraints = [source for source, _ in split], [each for _, each in split]
        translations = self.translator.translations(sources, numbers=bucket.numbers, constraints=constraints)
        return list(map(TranslatedLine, bucket.numbers, sources, translations))

    def formatted(self, line: TranslatedLine) -> list[str]:
        """The lines to write for a line."""
        return format_translation(line.translation, line.number, line.source, self.output_format)

    def doubt(self, line: TranslatedLine) -> str | None:
        """Why the translation of a line is probably of little use; None where nothing speaks against it."""
        return self.familiarity.doubt(line.source, line.translation)


def load_line_translator(
    runs: str | Sequence[str],
    *,
    output_format: OutputFormat = OutputFormat.text,
    columns: Sequence[Column] = (),
    **options: Any,
) -> LineTranslator:
    """Load a translator of lines; see `BatchTranslator.load` for the other options."""
    translator = BatchTranslator.load(runs, **options)
    first = RunFolder.existing(runs if isinstance(runs, str | Path) else runs[0])
    familiarity = Familiarity.load(first, translator.source)
    if columns or not translator.search.is_free:  # columns force words too, which are less probable
        familiarity = replace(familiarity, confidence=None)
    return LineTranslator(translator, familiarity, output_format, columns)
