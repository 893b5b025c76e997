"""Links between the words of a sentence and of its translation.

Letters: I source words, J target words. A link (i, j) says that target word j translates source word i; both count
from 0.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Link = tuple[int, int]


def links_from_weights(weights_JI: NDArray[np.floating[Any]], threshold: float | None = None) -> list[Link]:
    """Link each target word to the source word that it attends to most (the first of equals); sorted.

    A target word that attends to nothing (a row of zeros) has no link.

    Args:
        weights_JI: a row for each target word.
        threshold: link each target word to every source word of at least this weight (above 0) instead.
    """
    num_targets, num_sources = weights_JI.shape
    if num_targets and not num_sources:
        raise ValueError(f"expected at least one source word to link to, got weights of shape {weights_JI.shape}")
    if threshold is not None:
        weights_IJ = weights_JI.T
        return [(int(source), int(target)) for source, target in np.argwhere(weights_IJ >= threshold)]
    return sorted((int(row.argmax()), target) for target, row in enumerate(weights_JI) if row.any())


def format_pharaoh(links: Iterable[Link]) -> str:
    """Write links as sorted "i-j", separated by spaces, each once."""
    return " ".join(f"{source}-{target}" for source, target in sorted(set(links)))
