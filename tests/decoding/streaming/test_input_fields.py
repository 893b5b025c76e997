"""The fields after the source are constraints on its translation."""

import pytest

from s2s.config.decoding import Column
from s2s.decoding.line_constraints import LineConstraints
from s2s.decoding.streaming.line_translator import split_fields

ALL = [Column.prefix, Column.must, Column.avoid]


@pytest.mark.parametrize(
    ("line", "columns", "source", "constraints"),
    [
        ("a\tb", [], "a\tb", LineConstraints()),
        ("a\tb c", [Column.prefix], "a", LineConstraints(prefix="b c")),
        ("a\tb\tc | d e|\t", ALL, "a", LineConstraints("b", ("c", "d e"))),
        ("a\tb|c\td", [Column.avoid, Column.prefix], "a", LineConstraints("d", avoid=("b", "c"))),
        ("\t\t|\t ", ALL, "", LineConstraints()),
    ],
)
def test_fields_are_read_by_their_column(
    line: str, columns: list[Column], source: str, constraints: LineConstraints, caplog: pytest.LogCaptureFixture
) -> None:
    found, asked = split_fields(line, columns, 7)
    assert found == source
    assert (asked.must, asked.avoid, asked.prefix.strip()) == (constraints.must, constraints.avoid, constraints.prefix)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a", "got 1; those missing are empty"),
        ("a\tb", "got 2; those missing are empty"),
        ("a\tb\t\t\td", "got 5; those beyond are left out"),
    ],
)
def test_a_wrong_number_of_fields_is_reported(line: str, message: str, caplog: pytest.LogCaptureFixture) -> None:
    source, constraints = split_fields(line, ALL, 7)
    assert (source, constraints) == ("a", LineConstraints("b" if "b" in line else ""))
    assert f"line 7: expected 4 fields between tabs (source, prefix, must, avoid), {message}" in caplog.text
