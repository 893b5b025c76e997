"""Phrases (sequences of words) that are looked for in what hypotheses say.

B sentences, K beams of a sentence, C phrases of a sentence, L words of the longest, T words said so far, V words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NO_WORD = -1
"""Fills up what is shorter than its neighbours."""


@dataclass(frozen=True)
class WordEdges:
    """Where the pieces of a text may belong to one word; for search over words that are words there is no need.

    Attributes:
        goes_on_V: True for pieces that go on with the word before, if that is open.
        is_open_V: True for pieces whose word can go on.
    """

    goes_on_V: Tensor
    is_open_V: Tensor

    def joins(self, left: Tensor, right: Tensor) -> Tensor:
        """Whether pieces are two parts of one word, element by element."""
        is_both = (left != NO_WORD) & (right != NO_WORD)
        return is_both & self.is_open_V[left.clamp(min=0)] & self.goes_on_V[right.clamp(min=0)]


@dataclass(frozen=True)
class Phrases:
    """Phrases of each sentence (or one row of them, for all), padded with `NO_WORD`.

    Attributes:
        words_BCL: of each phrase.
        length_BC: in words; 0 where there is no phrase.
        edges: a phrase is one only where it begins and ends with a whole word; None: anywhere.
    """

    words_BCL: Tensor
    length_BC: Tensor
    edges: WordEdges | None = None

    @classmethod
    def of(
        cls, rows: Sequence[Sequence[Sequence[int]]], device: torch.device, edges: WordEdges | None = None
    ) -> "Phrases":
        """The phrases of each sentence; an empty one is none."""
        num_phrases = max((len(row) for row in rows), default=0)
        longest = max((len(phrase) for row in rows for phrase in row), default=0)
        words_BCL = torch.full((len(rows), num_phrases, longest), NO_WORD)
        for index, row in enumerate(rows):
            for at, phrase in enumerate(row):
                words_BCL[index, at, : len(phrase)] = torch.tensor(phrase, dtype=torch.long)
        return cls(words_BCL.to(device), (words_BCL != NO_WORD).sum(-1).to(device), edges)

    def of_sentences(self, sentence_B: Tensor) -> "Phrases":
        """The phrases of some sentences only."""
        if len(self.words_BCL) == 1:
            return self
        return Phrases(self.words_BCL[sentence_B], self.length_BC[sentence_B], self.edges)

    def progress(self, words_BKT: Tensor) -> Tensor:
        """How many words of each phrase were said last (B, K, C), short of all; -1 where it cannot even begin.

        A beginning counts whether or not the phrase was said before.
        """
        num_said = words_BKT.shape[2]
        shape = *words_BKT.shape[:2], self.length_BC.shape[1]
        progress_BKC = torch.full(shape, -1, device=words_BKT.device)
        for count in range(min(self.words_BCL.shape[2], num_said + 1)):
            tail_BK1N = words_BKT[:, :, None, num_said - count :]
            is_said_BKC = (tail_BK1N == self.words_BCL[:, None, :, :count]).all(-1) & (self.length_BC > count)[:, None]
            if self.edges is not None and count < num_said:
                before_BK1 = words_BKT[:, :, num_said - count - 1, None]
                is_said_BKC &= ~self.edges.joins(before_BK1, self.words_BCL[:, None, :, 0])
            progress_BKC = progress_BKC.masked_fill(is_said_BKC, count)
        return progress_BKC

    def are_said(self, words_BKT: Tensor) -> Tensor:
        """Whether each phrase (B, K, C) is somewhere in the words so far; at their end, it need not end its word."""
        num_said = words_BKT.shape[2]
        are_said_BKC = torch.zeros(*words_BKT.shape[:2], self.length_BC.shape[1], dtype=torch.bool).to(words_BKT.device)
        for length in range(1, min(self.words_BCL.shape[2], num_said) + 1):
            windows_BKW1L = words_BKT.unfold(2, length, 1)[:, :, :, None]
            is_said_BKWC = (windows_BKW1L == self.words_BCL[:, None, None, :, :length]).all(-1)
            if self.edges is not None:
                joints_BKT = self.edges.joins(words_BKT[:, :, :-1], words_BKT[:, :, 1:])
                is_whole_BKW = torch.ones_like(is_said_BKWC[..., 0])
                is_whole_BKW[:, :, 1:] &= ~joints_BKT[:, :, : num_said - length]
                is_whole_BKW[:, :, : num_said - length] &= ~joints_BKT[:, :, length - 1 :]
                is_said_BKWC &= is_whole_BKW[..., None]
            are_said_BKC |= is_said_BKWC.any(2) & (self.length_BC == length)[:, None]
        return are_said_BKC
