"""Word alignments: from attention over subword pieces to words, files of links, and the alignment error rate.

Letters: S source pieces, T target pieces, I source words, J target words. A link (i, j) says that target word j
translates source word i; both count from 0.
"""

import re
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
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


WORD_START = "\u2581"  # sentencepiece writes a space as this character, "▁"
_BYTES = re.compile(r"(?:<0x[0-9A-Fa-f]{2}>)+")  # a character outside the subword model, spelt as its UTF-8 bytes
_LINK = re.compile(r"([0-9]{1,9})([-p?])([0-9]{1,9})")  # nine digits: no sentence is longer, and int() stays cheap
_NAACL = re.compile(r"([0-9]{1,6})\s+([0-9]{1,9})\s+([0-9]{1,9})(?:\s+([SP]))?(?:\s+[0-9.]+)?")


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


@dataclass(frozen=True)
class AlignmentScores:
    """Counts of links, added up over a corpus, and what follows from them (Och and Ney 2003, section 5).

    A are the links found, S the sure ones, and P the possible ones, which the sure ones belong to.

    Attributes:
        num_pairs: sentence pairs.
        num_found: |A|.
        num_sure: |S|.
        num_possible: |P|.
        num_found_sure: |A ∩ S|.
        num_found_possible: |A ∩ P|.
    """

    num_pairs: int
    num_found: int
    num_sure: int
    num_possible: int
    num_found_sure: int
    num_found_possible: int

    @property
    def precision(self) -> float:
        """|A ∩ P| / |A|, 0 where nothing was found."""
        return self.num_found_possible / self.num_found if self.num_found else 0.0

    @property
    def recall(self) -> float:
        """|A ∩ S| / |S|, 0 where nothing is sure."""
        return self.num_found_sure / self.num_sure if self.num_sure else 0.0

    @property
    def error_rate(self) -> float:
        """AER = 1 - (|A ∩ S| + |A ∩ P|) / (|A| + |S|): 0 is best.

        It is 0 if every sure link is found and no link lies outside P, and 1 if nothing fits.
        """
        return 1 - (self.num_found_sure + self.num_found_possible) / (self.num_found + self.num_sure)


def alignment_scores(predicted: Iterable[AbstractSet[Link]], golds: Iterable[Gold]) -> AlignmentScores:
    """Score the links of sentence pairs against gold links, in the same order; `possible` need not repeat `sure`.

    Raises:
        DataError: the numbers of sentence pairs differ, or there is no link to score.
    """
    answers, solutions = list(predicted), list(golds)
    if len(answers) != len(solutions):
        raise DataError(
            f"expected gold links for as many sentence pairs as were aligned, got {len(solutions)} for {len(answers)}"
        )
    pairs = [(found, gold.sure, gold.sure | gold.possible) for found, gold in zip(answers, solutions, strict=True)]
    scores = AlignmentScores(
        num_pairs=len(pairs),
        num_found=sum(len(found) for found, _, _ in pairs),
        num_sure=sum(len(sure) for _, sure, _ in pairs),
        num_possible=sum(len(possible) for _, _, possible in pairs),
        num_found_sure=sum(len(found & sure) for found, sure, _ in pairs),
        num_found_possible=sum(len(found & possible) for found, _, possible in pairs),
    )
    if not scores.num_found + scores.num_sure:
        raise DataError(f"expected links to score, got none in {len(pairs)} sentence pairs")
    return scores


def _num_words(words: Sequence[int]) -> int:
    return words[-1] + 1 if words else 0


def _decode_bytes(match: re.Match[str]) -> str:
    return bytes(int(code, 16) for code in re.findall(r"<0x(..)>", match.group())).decode("utf-8", errors="replace")
