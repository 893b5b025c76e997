"""Phrases (sequences of tokens) that are looked for in hypotheses.

B sentences, K beams of a sentence, C phrases of a sentence, L tokens of the longest, T tokens so far, N n-grams of a
hypothesis, V tokens of the vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NO_TOKEN = -1
"""Pads phrases and prefixes."""


@dataclass(frozen=True)
class WordBoundaries:
    """Which tokens may belong to one word; not needed where each token is a word.

    Attributes:
        continues_V: True for tokens that continue the word before them, if it can continue.
        can_continue_V: True for tokens whose word can continue.
    """

    continues_V: Tensor
    can_continue_V: Tensor

    def joins(self, left: Tensor, right: Tensor) -> Tensor:
        """Whether two tokens are parts of one word, element by element."""
        is_both = (left != NO_TOKEN) & (right != NO_TOKEN)
        return is_both & self.can_continue_V[left.clamp(min=0)] & self.continues_V[right.clamp(min=0)]


@dataclass(frozen=True)
class Phrases:
    """Phrases of each sentence (or one row of them, for all), padded with `NO_TOKEN`.

    Attributes:
        tokens_BCL: of each phrase.
        length_BC: in tokens; 0 where there is no phrase.
        boundaries: a phrase must begin and end with a whole word; None: it may occur anywhere.
    """

    tokens_BCL: Tensor
    length_BC: Tensor
    boundaries: WordBoundaries | None = None

    @classmethod
    def of(
        cls, rows: Sequence[Sequence[Sequence[int]]], device: torch.device, boundaries: WordBoundaries | None = None
    ) -> "Phrases":
        """The phrases of each sentence; an empty one counts as none."""
        num_phrases = max((len(row) for row in rows), default=0)
        longest = max((len(phrase) for row in rows for phrase in row), default=0)
        tokens_BCL = torch.full((len(rows), num_phrases, longest), NO_TOKEN)
        for index, row in enumerate(rows):
            for at, phrase in enumerate(row):
                tokens_BCL[index, at, : len(phrase)] = torch.tensor(phrase, dtype=torch.long)
        return cls(tokens_BCL.to(device), (tokens_BCL != NO_TOKEN).sum(-1).to(device), boundaries)

    def of_sentences(self, sentence_B: Tensor) -> "Phrases":
        """The phrases of some sentences only."""
        if len(self.tokens_BCL) == 1:
            return self
        return Phrases(self.tokens_BCL[sentence_B], self.length_BC[sentence_B], self.boundaries)

    def progress(self, tokens_BKT: Tensor) -> Tensor:
        """How many tokens of each phrase the hypotheses end with (B, K, C), less than all; -1 where it cannot begin.

        It does not matter whether the phrase occurs before.
        """
        num_tokens = tokens_BKT.shape[2]
        shape = *tokens_BKT.shape[:2], self.length_BC.shape[1]
        progress_BKC = torch.full(shape, -1, device=tokens_BKT.device)
        for count in range(min(self.tokens_BCL.shape[2], num_tokens + 1)):
            end_BK1n = tokens_BKT[:, :, None, num_tokens - count :]
            is_end_BKC = (end_BK1n == self.tokens_BCL[:, None, :, :count]).all(-1) & (self.length_BC > count)[:, None]
            if self.boundaries is not None and count < num_tokens:
                before_BK1 = tokens_BKT[:, :, num_tokens - count - 1, None]
                is_end_BKC &= ~self.boundaries.joins(before_BK1, self.tokens_BCL[:, None, :, 0])
            progress_BKC = progress_BKC.masked_fill(is_end_BKC, count)
        return progress_BKC

    def occur(self, tokens_BKT: Tensor) -> Tensor:
        """Whether each phrase (B, K, C) occurs; at the end of the tokens, its last word may still continue."""
        num_tokens = tokens_BKT.shape[2]
        occur_BKC = torch.zeros(*tokens_BKT.shape[:2], self.length_BC.shape[1], dtype=torch.bool).to(tokens_BKT.device)
        for length in range(1, min(self.tokens_BCL.shape[2], num_tokens) + 1):
            ngrams_BKN1n = tokens_BKT.unfold(2, length, 1)[:, :, :, None]
            is_equal_BKNC = (ngrams_BKN1n == self.tokens_BCL[:, None, None, :, :length]).all(-1)
            if self.boundaries is not None:
                is_joined_BKT = self.boundaries.joins(tokens_BKT[:, :, :-1], tokens_BKT[:, :, 1:])
                is_whole_BKN = torch.ones_like(is_equal_BKNC[..., 0])
                is_whole_BKN[:, :, 1:] &= ~is_joined_BKT[:, :, : num_tokens - length]
                is_whole_BKN[:, :, : num_tokens - length] &= ~is_joined_BKT[:, :, length - 1 :]
                is_equal_BKNC &= is_whole_BKN[..., None]
            occur_BKC |= is_equal_BKNC.any(2) & (self.length_BC == length)[:, None]
        return occur_BKC
