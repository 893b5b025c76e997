"""Words as search sees them: the pieces that write them."""

from functools import cached_property

import torch

from s2s.data.vocabulary.subwords import EOS, UNK, Subwords
from s2s.decoding.search.phrases import WordEdges

_MOST_SPELLINGS = 200
"""Of a long text there are thousands; a model that learnt the usual pieces hardly says those of the smallest."""


class Speller:
    """How text is written in the pieces of a vocabulary.

    A word begins with the piece sign of a space or, as after a quotation mark, without it; and it may be written in
    other pieces than the usual ones.
    """

    def __init__(self, subwords: Subwords) -> None:
        self._subwords = subwords

    def prefix(self, text: str) -> list[int]:
        """The usual pieces of a text, up to its first unknown character."""
        (ids,) = self._subwords.encode([text])
        return ids[: ids.index(UNK)] if UNK in ids else ids

    def is_writable(self, text: str) -> bool:
        """Whether there are pieces for all its characters, and it is not blank."""
        (ids,) = self._subwords.encode([text])
        return bool(ids) and UNK not in ids

    def usual(self, text: str) -> list[tuple[int, ...]]:
        """The usual pieces, and where there are any, the fewest that write the text without a space before it."""
        assert self.is_writable(text), text
        (ids,) = self._subwords.encode([text])
        return [tuple(ids), *self._spellings(self._written(text)[1:])[:1]]

    def all_spellings(self, text: str) -> list[tuple[int, ...]]:
        """The ways to write a text, with a space before it and without; none where a character is unknown."""
        if not self.is_writable(text):
            return []
        written = self._written(text)
        found = [*self._spellings(written), *self._spellings(written[1:])]
        return sorted(found, key=len)[:_MOST_SPELLINGS]

    def edges(self, device: torch.device) -> WordEdges:
        """Which pieces may belong to one word: those of letters that have a case, and digits.

        Words of other scripts take endings, or stand without spaces: there, a word is one wherever it is written.
        """
        pieces = self._subwords.all_pieces()
        is_text = [index > EOS for index in range(len(pieces))]
        goes_on = [text and _is_of_word(piece[0]) for text, piece in zip(is_text, pieces, strict=True)]
        is_open = [text and _is_of_word(piece[-1]) for text, piece in zip(is_text, pieces, strict=True)]
        return WordEdges(torch.tensor(goes_on, device=device), torch.tensor(is_open, device=device))

    def _written(self, text: str) -> str:
        """Normalised, with the sign of a space before each word."""
        return "".join(self._subwords.pieces(self._subwords.encode([text])[0]))

    def _spellings(self, written: str) -> list[tuple[int, ...]]:
        """The ways to cut a text into pieces, those of the fewest pieces first; of very many, only these."""
        from_here: list[list[tuple[int, ...]]] = [[()]]  # of the rest of the text from each position on
        for start in reversed(range(len(written))):
            found = []
            for rests, end in zip(from_here, range(start + 1, start + 1 + self._longest), strict=False):
                index = self._ids.get(written[start:end])
                if index is not None:
                    found += [(index, *rest) for rest in rests]
            from_here.insert(0, sorted(found, key=len)[:_MOST_SPELLINGS])
        return from_here[0]

    @cached_property
    def _ids(self) -> dict[str, int]:
        pieces = self._subwords.all_pieces()
        return {piece: index for index, piece in enumerate(pieces) if index > EOS}

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._ids))


def _is_of_word(character: str) -> bool:
    return character.isdigit() or character.lower() != character.upper()
