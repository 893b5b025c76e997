"""Tables of text for a terminal, in which a Korean letter is as wide as two Latin ones."""

from collections.abc import Sequence

from tabulate import tabulate


def table(rows: Sequence[Sequence[object]], sides: str = "<>") -> str:
    """Rows whose columns stand under each other, two spaces apart.

    Args:
        rows: equally many cells each; the first one may hold the names of the columns. None is an empty cell.
        sides: for each column "<" (to the left) or ">" (to the right); the last one is for all further columns too.
    """
    align = [{"<": "left", ">": "right"}[side] for side in sides.ljust(len(rows[0]), sides[-1])]
    text: str = tabulate(rows, tablefmt="plain", colalign=align, disable_numparse=True, preserve_whitespace=True)
    return text
