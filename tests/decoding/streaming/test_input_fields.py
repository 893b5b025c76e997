"""Fields after the source say what is asked of its translation."""

import pytest

from s2s.config.search import Column
from s2s.decoding.line_constraints import Demand
from s2s.decoding.streaming.line_translator import split_columns

ALL = [Column.prefix, Column.must, Column.avoid]


@pytest.mark.parametrize(
    ("line", "columns", "source", "demand"),
    [
        ("a\tb", [], "a\tb", Demand()),
        ("a\tb c", [Column.prefix], "a", Demand(prefix="b c")),
        ("a\tb\tc | d e|\t", ALL, "a", Demand("b", ("c", "d e"))),
        ("a\tb|c\td", [Column.avoid, Column.prefix], "a", Demand("d", avoid=("b", "c"))),
        ("\t\t|\t ", ALL, "", Demand()),
    ],
)
def test_fields_are_read_by_their_column(
    line: str, columns: list[Column], source: str, demand: Demand, caplog: pytest.LogCaptureFixture
) -> None:
    found, asked = split_columns(line, columns, 7)
    assert found == source
    assert (asked.must, asked.avoid, asked.prefix.strip()) == (demand.must, demand.avoid, demand.prefix)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a", "got 1; those missing are empty"),
        ("a\tb", "got 2; those missing are empty"),
        ("a\tb\t\t\td", "got 5; those beyond are left out"),
    ],
)
def test_a_wrong_number_of_fields_is_told(line: str, message: str, caplog: pytest.LogCaptureFixture) -> None:
    source, demand = split_columns(line, ALL, 7)
    assert (source, demand) == ("a", Demand("b" if "b" in line else ""))
    assert f"line 7: expected 4 fields between tabs (source, prefix, must, avoid), {message}" in caplog.text
