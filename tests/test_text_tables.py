"""Columns of a terminal."""

from s2s.text_tables import num_columns, table


def test_wide_letters_take_two_columns_and_accents_none() -> None:
    assert num_columns("ab") == 2
    assert num_columns("책a。") == 5
    assert num_columns("e\u0301") == 1
    assert num_columns("") == 0


def test_columns_stand_under_each_other() -> None:
    assert table([["책", "1.5", ""], ["book", "10.25", "x"]], "<><") == ["책      1.5", "book  10.25  x"]
