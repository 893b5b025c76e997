"""A heat map for a terminal: a word a row, a word a column, and a shade where they meet.

I columns, J rows.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from wcwidth import wcswidth

_SHADES = {0.05: "░", 0.3: "▒", 0.55: "▓", 0.8: "█"}
"""The least weight that has each shade."""
_MIN_WIDTH = 3  # of a column
LEGEND = ", ".join(f"{shade} from {least:g}" for least, shade in _SHADES.items())
"""What the shades mean."""


def text_heat_map(
    rows: Sequence[str], columns: Sequence[str], weights_JI: NDArray[np.floating[Any]], width: int
) -> str:
    """Draw weights between 0 and 1.

    Args:
        rows: J words, which stand at the left.
        columns: I words, which stand above.
        weights_JI: a weight for each row and column.
        width: of the terminal, in letters, of which a Korean one counts as two; columns that do not fit go into
            further tables below.
    """
    margin = max(map(_width, rows))
    widths = [max(_width(word), _MIN_WIDTH) for word in columns]
    tables: list[list[int]] = [[]]
    for column in range(len(columns)):
        used = margin + sum(widths[before] + 1 for before in tables[-1])
        if tables[-1] and used + 1 + widths[column] > width:
            tables.append([])
        tables[-1].append(column)
    lines: list[str] = []
    for table in tables:
        cells = [_padded("", margin), *(_padded(columns[column], widths[column]) for column in table)]
        lines += [""] if lines else []
        lines.append(" ".join(cells).rstrip())
        for word, weights_I in zip(rows, weights_JI, strict=True):
            shades = (_shade(float(weights_I[column])) * widths[column] for column in table)
            lines.append(" ".join([_padded(word, margin), *shades]).rstrip())
    return "\n".join(lines)


def _shade(weight: float) -> str:
    return next((shade for least, shade in reversed(_SHADES.items()) if weight >= least), " ")


def _width(text: str) -> int:
    return max(0, wcswidth(text))  # -1: it holds a control character


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
