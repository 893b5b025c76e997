"""Word alignments: from attention over subword pieces to words, the Pharaoh format, and the alignment error rate.

Letters: S source pieces, T target pieces, I source words, J target words. A link (i, j) says that target word j
translates source word i; both count from 0.
"""

import re
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2s.errors import DataError

Link = tuple[int, int]

WORD_START = "\u2581"  # sentencepiece writes a space as this character, "▁"
_BYTES = re.compile(r"(?:<0x[0-9A-Fa-f]{2}>)+")  # a character outside the subword model, spelt as its UTF-8 bytes
_LINK = re.compile(r"([0-9]{1,9})([-p])([0-9]{1,9})")  # nine digits: no sentence is longer, and int() stays cheap


def words_of_pieces(pieces: Sequence[str]) -> list[int]:
    """Tell for each sentencepiece piece which word it belongs to, counting from 0.

    A word ends where "▁" stands between two pieces, at the start of one or at the end of the other. A lone "▁" belongs
    to the word that follows it, and at the end of the sentence to the word before it. A "▁" inside a piece splits
    nothing: the piece stays whole, in the word in which it starts.
    """
    words: list[int] = []
    word, has_text, before = 0, False, ""
    for piece in pieces:
        if has_text and (piece.startswith(WORD_START) or before.endswith(WORD_START)):
            word, has_text = word + 1, False
        words.append(word)
        has_text = has_text or piece.strip(WORD_START) != ""
        before = piece
    if has_text:
        return words
    return [min(index, max(0, word - 1)) for index in words]  # the sentence ends in lone "▁"s: no word of their own


def merge_pieces(pieces: Sequence[str]) -> list[str]:
    """Put the words together again; the text of word i is at i, as `words_of_pieces` counts them."""
    words = words_of_pieces(pieces)
    texts = [""] * _num_words(words)
    for word, piece in zip(words, pieces, strict=True):
        texts[word] += piece
    return [_BYTES.sub(_decode_bytes, text).strip(WORD_START).replace(WORD_START, " ") for text in texts]


def merge_weights(
    weights_TS: NDArray[np.floating[Any]], source_pieces: Sequence[str], target_pieces: Sequence[str]
) -> NDArray[np.float64]:
    """Turn the attention between pieces into attention between words.

    The weights of the pieces of a source word are added up, the rows of the pieces of a target word are averaged: rows
    that sum to 1 go on summing to 1. Cut off the end-of-sentence row and column before, or give them a piece of their
    own that starts with "▁".

    Args:
        weights_TS: a row for each target piece, a column for each source piece.

    Returns:
        The weights (J, I), a row for each target word.

    Raises:
        ValueError: the weights have another shape than the pieces ask for.
    """
    if weights_TS.shape != (len(target_pieces), len(source_pieces)):
        raise ValueError(
            f"expected weights of shape (target pieces, source pieces) = ({len(target_pieces)}, {len(source_pieces)}), "
            f"got {weights_TS.shape}"
        )
    belongs_SI = _membership(words_of_pieces(source_pieces))
    belongs_TJ = _membership(words_of_pieces(target_pieces))
    average_JT = (belongs_TJ / belongs_TJ.sum(axis=0)).T
    merged_JI: NDArray[np.float64] = average_JT @ weights_TS.astype(np.float64) @ belongs_SI
    return merged_JI


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


def alignment_error_rate(
    predicted: Iterable[AbstractSet[Link]], sure: Iterable[AbstractSet[Link]], possible: Iterable[AbstractSet[Link]]
) -> float:
    """Score predicted links A against sure links S and possible links P (Och and Ney 2003, section 5).

    AER = 1 - (|A ∩ S| + |A ∩ (S ∪ P)|) / (|A| + |S|), where each count is added up over the whole corpus first. It is
    0 if every sure link is found and no link lies outside S and P, and 1 if nothing fits. P need not repeat S.

    Args:
        predicted, sure, possible: one set for each sentence pair, in the same order.

    Raises:
        DataError: the numbers of sentence pairs differ, or there is no link to score.
    """
    corpora = [list(predicted), list(sure), list(possible)]
    if len({len(corpus) for corpus in corpora}) != 1:
        counts = ", ".join(str(len(corpus)) for corpus in corpora)
        raise DataError(f"expected as many predicted as sure and possible sets of links, got {counts}")
    hits = total = 0
    for found, certain, allowed in zip(*corpora, strict=True):
        hits += len(found & certain) + len(found & (certain | allowed))
        total += len(found) + len(certain)
    if not total:
        raise DataError(f"expected links to score, got none in {len(corpora[0])} sentence pairs")
    return 1 - hits / total


def _num_words(words: Sequence[int]) -> int:
    return words[-1] + 1 if words else 0


def _membership(words: Sequence[int]) -> NDArray[np.float64]:
    """1 where a piece (row) belongs to a word (column), else 0."""
    return np.eye(_num_words(words))[list(words)] if words else np.zeros((0, 0))


def _decode_bytes(match: re.Match[str]) -> str:
    return bytes(int(code, 16) for code in re.findall(r"<0x(..)>", match.group())).decode("utf-8", errors="replace")
