"""Lines whose tab-separated fields say what is asked of the translation: `source TAB prefix TAB word|word`."""

import logging
from collections.abc import Sequence

from s2s.config import Column
from s2s.decoding.translator import Demand

_logger = logging.getLogger(__name__)
_WORD_SEPARATOR = "|"


def split_columns(line: str, columns: Sequence[Column], number: int) -> tuple[str, Demand]:
    """The source of a line, and what is asked of its translation.

    Fields that are missing ask for nothing, and those beyond the last column are left out, both with a warning that
    names the line. Without columns a tab is white space.
    """
    if not columns:
        return line, Demand()
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
    return source, Demand(given.get(Column.prefix, ""), must, avoid)


def _words(field: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in field.split(_WORD_SEPARATOR) if word.strip())
