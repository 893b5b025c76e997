"""Text in columns of a terminal, in which a Korean letter is as wide as two Latin ones."""

import unicodedata
from collections.abc import Sequence


def letter_columns(text: str) -> list[int]:
    """How many columns each character takes: 0, 1 or 2."""
    return [0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text]


def num_columns(text: str) -> int:
    """How many columns a text takes."""
    return sum(letter_columns(text))


def table(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """The lines of a table whose columns stand under each other, two spaces apart.

    Args:
        rows: equally many cells each.
        sides: for each column "<" (to the left) or ">" (to the right).
    """
    widths = [max(map(num_columns, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(_placed, row, sides, widths)).rstrip() for row in rows]


def _placed(cell: str, side: str, width: int) -> str:
    space = " " * (width - num_columns(cell))
    return cell + space if side == "<" else space + cell
