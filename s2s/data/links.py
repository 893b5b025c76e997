"""Links between the words of a sentence and of its translation: where they come from, and the files that hold them.

Letters: I source words, J target words. A link (i, j) says that target word j translates source word i; both count
from 0.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from s2s.config import LinkFormat
from s2s.data.corpora import read_lines
from s2s.errors import DataError

Link = tuple[int, int]


class Gold(NamedTuple):
    """The links that people gave to a sentence pair: those they were sure of, and those that are possible too."""

    sure: set[Link]
    possible: set[Link]


_LINK = re.compile(r"([0-9]{1,9})([-p?])([0-9]{1,9})")  # nine digits: no sentence is longer, and int() stays cheap
_NAACL = re.compile(r"([0-9]{1,6})\s+([0-9]{1,9})\s+([0-9]{1,9})(?:\s+([SP]))?(?:\s+[0-9.]+)?")


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


def diagonal_links(num_sources: int, num_targets: int) -> list[Link]:
    """The baseline that knows nothing but the numbers of words: I source words, J target words.

    Target word j, whose middle lies at (j + 1/2) / J of its sentence, is linked to the source word that lies there in
    the other one: i = floor((j + 1/2) I / J).
    """
    if not num_sources:
        return []
    return [((2 * target + 1) * num_sources // (2 * num_targets), target) for target in range(num_targets)]


def parse_pharaoh(line: str, *, base: int = 0, is_reversed: bool = False) -> Gold:
    """Read the links of one sentence pair, such as "0-0 1-2 2p1": i-j is sure, ipj (or i?j) is possible.

    Args:
        line: source word i, target word j.
        base: number of the first word in it, 0 or 1.
        is_reversed: target words stand first.

    Raises:
        DataError: a link is written in another way, or counts from 0 where base is 1.
    """
    gold = Gold(set(), set())
    for text in line.split():
        match = _LINK.fullmatch(text)
        if match is None:
            raise DataError(f"expected links such as 0-1 (sure) or 0p1 (possible), got {text[:40]!r} in {line[:80]!r}")
        source, kind, target = match.groups()
        link = (int(source) - base, int(target) - base)
        if min(link) < 0:
            raise DataError(
                f"expected words that count from {base}, got {text!r} in {line[:80]!r}: do they count from 0?"
            )
        (gold.sure if kind == "-" else gold.possible).add(link[::-1] if is_reversed else link)
    return gold


def format_pharaoh(links: Iterable[Link]) -> str:
    """Write links as sorted "i-j", separated by spaces, each once."""
    return " ".join(f"{source}-{target}" for source, target in sorted(set(links)))


def read_gold(
    path: Path, form: LinkFormat = LinkFormat.pharaoh, *, base: int = 0, is_reversed: bool = False
) -> list[Gold]:
    """Read a file of links, plain or .gz, one entry a sentence pair.

    Args:
        path: of the file.
        form: pharaoh (a line a pair, see `parse_pharaoh`), or naacl: a line a link, `PAIR I J [S|P] [CONFIDENCE]`,
            where pairs and words count from 1, 0 is no word, and a link without a letter is sure (Mihalcea and Pedersen
            2003). Such a file does not know of pairs after the last one that has a link.
        base: pharaoh: number of the first word.
        is_reversed: target words stand first.

    Raises:
        DataError: the file is missing, or a line is written in another way.
    """
    golds: list[Gold] = []
    for number, line in enumerate(read_lines(path), start=1):
        try:
            match form:
                case LinkFormat.pharaoh:
                    golds.append(parse_pharaoh(line, base=base, is_reversed=is_reversed))
                case LinkFormat.naacl:
                    _add_naacl(golds, line, is_reversed)
        except DataError as error:
            raise DataError(f"{path}, line {number}: {error}") from error
    return golds


def _add_naacl(golds: list[Gold], line: str, is_reversed: bool) -> None:
    """Put the link of a line into its pair, for which room is made."""
    match = _NAACL.fullmatch(line.strip())
    if match is None or int(match[1]) == 0:
        raise DataError(f"expected PAIR I J, then S or P if it is known, PAIR from 1, got {line[:80]!r}")
    number, source, target, kind = int(match[1]), int(match[2]), int(match[3]), match[4]
    while len(golds) < number:
        golds.append(Gold(set(), set()))
    if source and target:
        link = (source - 1, target - 1)
        (golds[number - 1].possible if kind == "P" else golds[number - 1].sure).add(link[::-1] if is_reversed else link)
