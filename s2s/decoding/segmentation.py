"""All ways in which a vocabulary segments a text into tokens."""

from functools import cached_property

import torch

from s2s.data.vocabulary.subwords import EOS, UNK, Subwords
from s2s.decoding.search.phrases import WordBoundaries

Segmentation = tuple[int, ...]
"""The tokens of a text."""
_MOST_SEGMENTATIONS = 200
"""A long text has thousands; a model that learnt the usual tokens hardly ever produces those of the smallest."""


class Segmenter:
    """Segments text into the tokens of a vocabulary.

    A word begins with the piece sign of a space or, as after a quotation mark, without it; and it may consist of other
    tokens than the usual ones.
    """

    def __init__(self, subwords: Subwords) -> None:
        self._subwords = subwords

    def known_prefix(self, text: str) -> list[int]:
        """The usual tokens of a text, up to its first unknown character."""
        (ids,) = self._subwords.encode([text])
        return ids[: ids.index(UNK)] if UNK in ids else ids

    def is_known(self, text: str) -> bool:
        """Whether there are tokens for all its characters, and it is not blank."""
        (ids,) = self._subwords.encode([text])
        return bool(ids) and UNK not in ids

    def usual_segmentations(self, text: str) -> list[Segmentation]:
        """The usual segmentation and, where there is one, the shortest without a space before the text."""
        assert self.is_known(text), text
        (ids,) = self._subwords.encode([text])
        return [tuple(ids), *self._segmentations(self._normalized(text)[1:])[:1]]

    def all_segmentations(self, text: str) -> list[Segmentation]:
        """All segmentations, with a space before the text and without; none where a character is unknown."""
        if not self.is_known(text):
            return []
        normalized = self._normalized(text)
        found = [*self._segmentations(normalized), *self._segmentations(normalized[1:])]
        return sorted(found, key=len)[:_MOST_SEGMENTATIONS]

    def boundaries(self, device: torch.device) -> WordBoundaries:
        """Which tokens may belong to one word: those of letters that have a case, and digits.

        Words of other scripts take endings, or stand without spaces: there, a word counts wherever it occurs.
        """
        pieces = self._subwords.all_pieces()
        is_text = [index > EOS for index in range(len(pieces))]
        continues = [text and _is_of_word(piece[0]) for text, piece in zip(is_text, pieces, strict=True)]
        can_continue = [text and _is_of_word(piece[-1]) for text, piece in zip(is_text, pieces, strict=True)]
        return WordBoundaries(torch.tensor(continues, device=device), torch.tensor(can_continue, device=device))

    def _normalized(self, text: str) -> str:
        """With the sign of a space before each word."""
        return "".join(self._subwords.pieces(self._subwords.encode([text])[0]))

    def _segmentations(self, normalized: str) -> list[Segmentation]:
        """Those of the fewest tokens first; of very many, only these."""
        of_rest: list[list[Segmentation]] = [[()]]  # of the rest of the text from each position on
        for start in reversed(range(len(normalized))):
            found = []
            for rests, end in zip(of_rest, range(start + 1, start + 1 + self._longest), strict=False):
                index = self._ids.get(normalized[start:end])
                if index is not None:
                    found += [(index, *rest) for rest in rests]
            of_rest.insert(0, sorted(found, key=len)[:_MOST_SEGMENTATIONS])
        return of_rest[0]

    @cached_property
    def _ids(self) -> dict[str, int]:
        pieces = self._subwords.all_pieces()
        return {piece: index for index, piece in enumerate(pieces) if index > EOS}

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._ids))


def _is_of_word(character: str) -> bool:
    return character.isdigit() or character.lower() != character.upper()
