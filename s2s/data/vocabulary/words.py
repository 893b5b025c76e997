"""Words and the subword pieces that they are made of.

Letters: S source pieces, T target pieces, I source words, J target words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2s.data.vocabulary.subwords import Subwords

WORD_START = "\u2581"  # sentencepiece writes a space as this character, "▁"
_BYTES = re.compile(r"(?:<0x[0-9A-Fa-f]{2}>)+")  # a character outside the subword model, spelt as its UTF-8 bytes


@dataclass(frozen=True)
class Words:
    """The words of a text: what white space separates in it as it is given, so that others count the same.

    Pieces alone do not show these words: normalisation makes spaces (of "´", a space and an accent) and takes away what
    stands between some (U+200B).

    Attributes:
        ids: pieces, word after word.
        sizes: how many of them each word has, which is none where a word holds nothing but invisible characters.
    """

    ids: list[int]
    sizes: list[int]

    @classmethod
    def of(cls, text: str, subwords: Subwords) -> "Words":
        """Each word is encoded by itself."""
        rows = subwords.encode(text.split())
        return cls([index for row in rows for index in row], [len(row) for row in rows])

    @classmethod
    def of_line(cls, text: str, subwords: Subwords) -> "Words":
        """The text is encoded as a whole, as a translator reads it.

        That gives the pieces of the single words, unless the subwords do not take for a space what separates words
        (U+001C). Then the words that the pieces show are counted from the beginning, and those beyond the last word of
        the text belong to it.
        """
        words = cls.of(text, subwords)
        (ids,) = subwords.encode([text])
        if words.ids == ids:
            return words
        num_words = len(words.sizes)
        word_of = np.minimum(words_of_pieces(subwords.pieces(ids)), max(0, num_words - 1))
        return cls(ids, np.bincount(word_of, minlength=num_words).tolist())

    def first(self, num_pieces: int) -> list[int]:
        """How many of so many first pieces each word has."""
        starts = np.cumsum([0, *self.sizes[:-1]])
        sizes: list[int] = np.clip(num_pieces - starts, 0, self.sizes).tolist()
        return sizes


def words_of_pieces(pieces: Sequence[str]) -> list[int]:
    """Number the word that each sentencepiece piece belongs to, counting from 0.

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
    texts = [""] * (words[-1] + 1 if words else 0)
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
    sizes = (np.bincount(words_of_pieces(pieces)).tolist() for pieces in (source_pieces, target_pieces))
    return word_weights(weights_TS, *sizes)


def word_weights(
    weights_TS: NDArray[np.floating[Any]], source_sizes: Sequence[int], target_sizes: Sequence[int]
) -> NDArray[np.float64]:
    """What `merge_weights` does, where it is known how many pieces each word has; a word may have none.

    Args:
        weights_TS: a row for each target piece, a column for each source piece.
        source_sizes: pieces of each source word; they sum to S.
        target_sizes: of each target word; they sum to T.

    Returns:
        The weights (J, I). The row of a target word without pieces is 0.
    """
    belongs_SI, belongs_TJ = (np.repeat(np.eye(len(sizes)), sizes, axis=0) for sizes in (source_sizes, target_sizes))
    average_JT = (belongs_TJ / np.maximum(target_sizes, 1)).T
    merged_JI: NDArray[np.float64] = average_JT @ weights_TS.astype(np.float64) @ belongs_SI
    return merged_JI


def _decode_bytes(match: re.Match[str]) -> str:
    return bytes(int(code, 16) for code in re.findall(r"<0x(..)>", match.group())).decode("utf-8", errors="replace")
