"""Columns of a terminal."""

from s2s.text_tables import table


def test_columns_stand_under_each_other() -> None:
    rows = [["책", "1.5", ""], ["book", "10.25", "x"]]
    assert table(rows, "<><").splitlines() == ["책      1.5", "book  10.25  x"]


def test_wide_letters_take_two_columns_and_accents_none() -> None:
    rows = [["책a。", 1], ["e\u0301", 2], ["abcdefg", 3]]
    assert table(rows).splitlines() == ["책a。    1", "e\u0301        2", "abcdefg  3"]


def test_the_last_side_is_for_all_further_columns() -> None:
    rows = [["run", "a", "long"], ["  x", 1, None]]
    assert table(rows, "<>").splitlines() == ["run  a  long", "  x  1"]
    assert table(rows, "<").splitlines() == ["run  a  long", "  x  1"]
    assert table([["x"]], "<><") == "x"


def test_text_that_looks_like_a_number_stays_as_it_is() -> None:
    assert table([["1e5", "0.50"]]) == "1e5  0.50"
