"""Rules of what may be said next: functions of the words so far, which set log probabilities to -inf.

B sentences, K beams of a sentence, T words said so far (without `<s>`), V words, P words of the longest prefix. A rule
is `rule(log_probabilities_BKV, words_BKT, sentence_B)`, works in place, and keeps the other words' log probabilities:
what is said counts by what the model thinks of it, not by what was left to say.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from s2s.data.vocabulary.subwords import EOS
from s2s.decoding.search.phrases import NO_WORD, Phrases

Rule = Callable[[Tensor, Tensor, Tensor], None]


@dataclass(frozen=True)
class MinimumLength:
    """No `</s>` before so many words were said (of each sentence)."""

    min_lengths_B: Tensor

    def __call__(self, log_probabilities_BKV: Tensor, words_BKT: Tensor, sentence_B: Tensor) -> None:
        is_short_B1 = (self.min_lengths_B[sentence_B] > words_BKT.shape[2])[:, None]
        log_probabilities_BKV[:, :, EOS].masked_fill_(is_short_B1, -math.inf)


@dataclass(frozen=True)
class NoRepeat:
    """No sequence of `size` words occurs twice in a hypothesis (Paulus et al. 2018, section 2.5)."""

    size: int

    def __call__(self, log_probabilities_BKV: Tensor, words_BKT: Tensor, sentence_B: Tensor) -> None:
        num_said = words_BKT.shape[2]
        if num_said < self.size:
            return
        windows_BKWN = words_BKT.unfold(2, self.size, 1)
        last_BK1N = words_BKT[:, :, None, num_said - self.size + 1 :]
        is_repeated_BKW = (windows_BKWN[..., :-1] == last_BK1N).all(-1)
        _forbid(log_probabilities_BKV, windows_BKWN[..., -1], is_repeated_BKW)


@dataclass(frozen=True)
class Avoid:
    """None of a sentence's phrases is said: the last word of one is forbidden where all the others were said.

    What would follow is not known there, so that a phrase is forbidden too where its last word could go on: of pieces
    that write words, "two" forbids "two" + "fold" as well, but not a "twofold" that is cut otherwise.
    """

    phrases: Phrases

    def forbids(self, words: Sequence[int], num_words: int) -> bool:
        """Whether these words (of `num_words` there are) hold a phrase of the only sentence."""
        device = self.phrases.words_BCL.device
        words_11T = torch.tensor([[list(words)]], dtype=torch.long, device=device)
        sentence_B = torch.zeros(1, dtype=torch.long, device=device)
        for position, word in enumerate(words):
            allowed_11V = torch.zeros(1, 1, num_words, device=device)
            self(allowed_11V, words_11T[:, :, :position], sentence_B)
            if allowed_11V[0, 0, word] < 0:
                return True
        return False

    def __call__(self, log_probabilities_BKV: Tensor, words_BKT: Tensor, sentence_B: Tensor) -> None:
        phrases = self.phrases.of_sentences(sentence_B)
        last_BC = (phrases.length_BC - 1).clamp(min=0)
        is_last_BKC = (phrases.progress(words_BKT) == last_BC[:, None]) & (phrases.length_BC > 0)[:, None]
        word_BC = phrases.words_BCL.gather(2, last_BC[:, :, None])[:, :, 0].clamp(min=0)
        _forbid(log_probabilities_BKV, word_BC[:, None].expand(is_last_BKC.shape), is_last_BKC)


def _forbid(log_probabilities_BKV: Tensor, word_BKN: Tensor, is_forbidden_BKN: Tensor) -> None:
    """Forbid some words; the same word may be listed several times, forbidden or not."""
    added_BKN = torch.zeros_like(word_BKN, dtype=log_probabilities_BKV.dtype).masked_fill(is_forbidden_BKN, -math.inf)
    log_probabilities_BKV.scatter_add_(2, word_BKN, added_BKN)


@dataclass(frozen=True)
class Rules:
    """All rules of a search.

    Attributes:
        rules: what is forbidden.
        prefix_BP: words that each sentence begins with, padded with `NO_WORD`; they are said whatever the rules forbid,
            and need a probability greater than 0. It may end with `</s>`. None: no prefix.
    """

    rules: Sequence[Rule] = ()
    prefix_BP: Tensor | None = None

    def apply(self, log_probabilities_BKV: Tensor, words_BKT: Tensor, sentence_B: Tensor) -> None:
        """Set the log probabilities of words that must not be said to -inf."""
        position = words_BKT.shape[2]
        if self.prefix_BP is None or position >= self.prefix_BP.shape[1]:
            return self._forbid(log_probabilities_BKV, words_BKT, sentence_B)
        word_B = self.prefix_BP[sentence_B, position]
        is_forced_B11 = (word_B != NO_WORD)[:, None, None]
        word_BK1 = word_B.clamp(min=0)[:, None, None].expand(-1, words_BKT.shape[1], 1)
        forced_BK1 = log_probabilities_BKV.gather(2, word_BK1)
        self._forbid(log_probabilities_BKV, words_BKT, sentence_B)
        free_BK1 = log_probabilities_BKV.gather(2, word_BK1)
        log_probabilities_BKV.masked_fill_(is_forced_B11, -math.inf)
        log_probabilities_BKV.scatter_(2, word_BK1, torch.where(is_forced_B11, forced_BK1, free_BK1))

    def _forbid(self, log_probabilities_BKV: Tensor, words_BKT: Tensor, sentence_B: Tensor) -> None:
        for rule in self.rules:
            rule(log_probabilities_BKV, words_BKT, sentence_B)


def prefixes(rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """The words that each sentence begins with (B, P), padded with `NO_WORD`."""
    longest = max((len(row) for row in rows), default=0)
    padded = [[*row, *[NO_WORD] * (longest - len(row))] for row in rows]
    return torch.tensor(padded, dtype=torch.long, device=device).reshape(len(rows), longest)
