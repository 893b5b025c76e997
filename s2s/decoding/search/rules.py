"""Rules on the next token: functions of the tokens so far, which set log probabilities to -inf.

B sentences, K beams of a sentence, T tokens so far (without `<s>`), V tokens of the vocabulary, P tokens of the longest
prefix. A rule is `rule(log_probabilities_BKV, tokens_BKT, sentence_B)`. It works in place and leaves the log
probabilities of allowed tokens as they are: a hypothesis is scored by the model, not by what else was allowed.

A new rule is written here and built in `build_rules`, from an option in s2s/config/search.py.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from s2s.config.search import SearchConfig
from s2s.data.vocabulary.subwords import EOS
from s2s.decoding.search.phrases import NO_TOKEN, Phrases

Rule = Callable[[Tensor, Tensor, Tensor], None]


@dataclass(frozen=True)
class MinimumLength:
    """No `</s>` before the minimum length of a sentence, in tokens."""

    min_lengths_B: Tensor

    def __call__(self, log_probabilities_BKV: Tensor, tokens_BKT: Tensor, sentence_B: Tensor) -> None:
        is_short_B1 = (self.min_lengths_B[sentence_B] > tokens_BKT.shape[2])[:, None]
        log_probabilities_BKV[:, :, EOS].masked_fill_(is_short_B1, -math.inf)


@dataclass(frozen=True)
class NoRepeat:
    """No n-gram of `size` tokens occurs twice in a hypothesis (Paulus et al. 2018, section 2.5)."""

    size: int

    def __call__(self, log_probabilities_BKV: Tensor, tokens_BKT: Tensor, sentence_B: Tensor) -> None:
        length = tokens_BKT.shape[2]
        if length < self.size:
            return
        ngrams_BKNn = tokens_BKT.unfold(2, self.size, 1)
        last_BK1n = tokens_BKT[:, :, None, length - self.size + 1 :]
        is_repeated_BKN = (ngrams_BKNn[..., :-1] == last_BK1n).all(-1)
        _forbid(log_probabilities_BKV, ngrams_BKNn[..., -1], is_repeated_BKN)


@dataclass(frozen=True)
class Avoid:
    """No phrase of a sentence occurs: the last token of one is forbidden where all the others precede it.

    The tokens to come are not known there, so a phrase is forbidden even where its last word could continue: "two"
    forbids "two" + "fold" as well, but not a "twofold" that is segmented otherwise.
    """

    phrases: Phrases

    def __call__(self, log_probabilities_BKV: Tensor, tokens_BKT: Tensor, sentence_B: Tensor) -> None:
        phrases = self.phrases.of_sentences(sentence_B)
        last_BC = (phrases.length_BC - 1).clamp(min=0)
        is_last_BKC = (phrases.progress(tokens_BKT) == last_BC[:, None]) & (phrases.length_BC > 0)[:, None]
        token_BC = phrases.tokens_BCL.gather(2, last_BC[:, :, None])[:, :, 0].clamp(min=0)
        _forbid(log_probabilities_BKV, token_BC[:, None].expand(is_last_BKC.shape), is_last_BKC)


def _forbid(log_probabilities_BKV: Tensor, token_BKN: Tensor, is_forbidden_BKN: Tensor) -> None:
    """Forbid some tokens; the same token may be listed several times, forbidden or not."""
    added_BKN = torch.zeros_like(token_BKN, dtype=log_probabilities_BKV.dtype).masked_fill(is_forbidden_BKN, -math.inf)
    log_probabilities_BKV.scatter_add_(2, token_BKN, added_BKN)


@dataclass(frozen=True)
class Rules:
    """All rules of a search.

    Attributes:
        rules: each forbids some tokens.
        prefix_BP: tokens with which the translation of each sentence begins, padded with `NO_TOKEN`. No rule forbids
            them, but they need a probability greater than 0. The last may be `</s>`. None: no prefix.
    """

    rules: Sequence[Rule] = ()
    prefix_BP: Tensor | None = None

    def apply(self, log_probabilities_BKV: Tensor, tokens_BKT: Tensor, sentence_B: Tensor) -> None:
        """Set the log probabilities of forbidden tokens to -inf."""
        position = tokens_BKT.shape[2]
        if self.prefix_BP is None or position >= self.prefix_BP.shape[1]:
            return self._forbid(log_probabilities_BKV, tokens_BKT, sentence_B)
        token_B = self.prefix_BP[sentence_B, position]
        is_forced_B11 = (token_B != NO_TOKEN)[:, None, None]
        token_BK1 = token_B.clamp(min=0)[:, None, None].expand(-1, tokens_BKT.shape[1], 1)
        forced_BK1 = log_probabilities_BKV.gather(2, token_BK1)
        self._forbid(log_probabilities_BKV, tokens_BKT, sentence_B)
        free_BK1 = log_probabilities_BKV.gather(2, token_BK1)
        log_probabilities_BKV.masked_fill_(is_forced_B11, -math.inf)
        log_probabilities_BKV.scatter_(2, token_BK1, torch.where(is_forced_B11, forced_BK1, free_BK1))

    def _forbid(self, log_probabilities_BKV: Tensor, tokens_BKT: Tensor, sentence_B: Tensor) -> None:
        for rule in self.rules:
            rule(log_probabilities_BKV, tokens_BKT, sentence_B)


def build_rules(
    search: SearchConfig,
    source_lengths_B: Tensor,
    max_lengths_B: Tensor,
    avoided: Sequence[Phrases] = (),
    prefixes: Sequence[Sequence[int]] = (),
) -> Rules | None:
    """The rules that the options ask for; None where every token is allowed.

    Args:
        search: the options.
        source_lengths_B: tokens of each source, `</s>` included.
        max_lengths_B: longest translations.
        avoided: phrases that must not occur.
        prefixes: tokens with which each translation begins; left out: none.
    """
    rules: list[Rule] = []
    if search.min_length or search.min_length_factor:
        relative_B = ((source_lengths_B - 1) * search.min_length_factor).long()
        rules.append(MinimumLength(relative_B.clamp(min=search.min_length).minimum(max_lengths_B)))
    if search.no_repeat_ngram:
        rules.append(NoRepeat(search.no_repeat_ngram))
    rules += map(Avoid, avoided)
    prefix_BP = pad_prefixes(prefixes, max_lengths_B.device) if any(prefixes) else None
    return Rules(rules, prefix_BP) if rules or prefix_BP is not None else None


def pad_prefixes(rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """The tokens with which each translation begins (B, P), padded with `NO_TOKEN`."""
    longest = max((len(row) for row in rows), default=0)
    padded = [[*row, *[NO_TOKEN] * (longest - len(row))] for row in rows]
    return torch.tensor(padded, dtype=torch.long, device=device).reshape(len(rows), longest)
