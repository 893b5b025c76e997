"""Links between the words of a sentence and of its translation, and the Pharaoh format.

Letters: I source words, J target words. A link (i, j) says that target word j translates source word i; both count
from 0.
"""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2s.errors import DataError

Link = tuple[int, int]

_LINK = re.compile(r"([0-9]{1,9})([-p])([0-9]{1,9})")  # nine digits: no sentence is longer, and int() stays cheap


def links_from_weights(weights_JI: NDArray[np.floating[Any]]) -> list[Link]:
    """Link each target word to the source word that it attends to most (the first of equals); sorted."""
    num_targets, num_sources = weights_JI.shape
    if num_targets and not num_sources:
        raise ValueError(f"expected at least one source word to link to, got weights of shape {weights_JI.shape}")
    return sorted((int(row.argmax()), target) for target, row in enumerate(weights_JI))


def parse_pharaoh(line: str) -> tuple[set[Link], set[Link]]:
    """Read the links of one sentence pair, such as "0-0 1-2 2p1".

    Returns:
        The sure links, written i-j, and the possible ones, written ipj: source word i, target word j.

    Raises:
        DataError: a link is written in another way.
    """
    sure: set[Link] = set()
    possible: set[Link] = set()
    for text in line.split():
        match = _LINK.fullmatch(text)
        if match is None:
            raise DataError(f"expected links such as 0-1 (sure) or 0p1 (possible), got {text[:40]!r} in {line[:80]!r}")
        source, kind, target = match.groups()
        (sure if kind == "-" else possible).add((int(source), int(target)))
    return sure, possible


def format_pharaoh(links: Iterable[Link]) -> str:
    """Write links as sorted "i-j", separated by spaces, each once."""
    return " ".join(f"{source}-{target}" for source, target in sorted(set(links)))
