"""Lexical constraints: phrases that must occur, by dynamic beam allocation (Post and Vilar 2018).

B sentences, K beams of a sentence, D constraints of a sentence, A alternatives of a constraint, C = D * A phrases, N
candidates of a beam, X = K * N candidates of a sentence, V tokens of the vocabulary.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from s2s.data.vocabulary.subwords import EOS
from s2s.decoding.search.beams import Beams, Choice, allowed_tokens
from s2s.decoding.search.phrases import Phrases, WordBoundaries
from s2s.decoding.search.rules import Rules


@dataclass(frozen=True)
class LexicalConstraints:
    """Constraints of each sentence, each met by one of its alternatives. As a rule: no `</s>` before all are met.

    Attributes:
        phrases: the alternatives of a constraint stand side by side.
        num_alternatives: phrases a constraint, some of which may be empty.
    """

    phrases: Phrases
    num_alternatives: int

    @classmethod
    def of(
        cls,
        rows: Sequence[Sequence[Sequence[Sequence[int]]]],
        device: torch.device,
        boundaries: WordBoundaries | None = None,
    ) -> "LexicalConstraints":
        """From the constraints of each sentence, each given by its alternatives, each of these a phrase."""
        most = max((len(alternatives) for row in rows for alternatives in row), default=0)
        padded = [
            [phrase for alternatives in row for phrase in [*alternatives, *[()] * (most - len(alternatives))]]
            for row in rows
        ]
        return cls(Phrases.of(padded, device, boundaries), most)

    def __call__(self, log_probabilities_BKV: Tensor, tokens_BKT: Tensor, sentence_B: Tensor) -> None:
        is_unmet_BK = self.num_missing(tokens_BKT, sentence_B) > 0
        log_probabilities_BKV[:, :, EOS].masked_fill_(is_unmet_BK, -math.inf)

    def are_met(self, tokens: Sequence[int], sentence: int) -> bool:
        """Whether a whole hypothesis, without `</s>`, meets all constraints of its sentence."""
        device = self.phrases.tokens_BCL.device
        tokens_11T = torch.tensor([[list(tokens)]], dtype=torch.long, device=device)
        return not self.num_missing(tokens_11T, torch.tensor([sentence], device=device)).any()

    def num_missing(self, tokens_BKT: Tensor, sentence_B: Tensor) -> Tensor:
        """Tokens (B, K) that are enough to meet all constraints.

        Of the constraints that are not met yet, only one counts as begun: a token that continues one may break off
        another. So each token that continues the one with the most progress makes the number smaller.
        """
        phrases = self.phrases.of_sentences(sentence_B)
        is_none_BC = phrases.length_BC == 0
        length_BC = phrases.length_BC.masked_fill(is_none_BC, phrases.tokens_BCL.shape[2] + 1)  # never the shortest
        left_BKC = length_BC[:, None] - phrases.progress(tokens_BKT).clamp(min=0)
        left_BKD, all_BKD = (self._by_constraint(each).amin(-1) for each in (left_BKC, length_BC[:, None]))
        is_met_BKD = self._by_constraint(phrases.occur(tokens_BKT)).any(-1)
        is_met_BKD |= self._by_constraint(is_none_BC[:, None]).all(-1)  # no constraint
        missing_BKD = all_BKD.masked_fill(is_met_BKD, 0)
        progress_BKD = (all_BKD - left_BKD).masked_fill(is_met_BKD, 0)
        return missing_BKD.sum(-1) - progress_BKD.amax(-1)

    def next_tokens(self, tokens_BKT: Tensor, sentence_B: Tensor) -> Tensor:
        """The token that continues each phrase (B, K, C); `</s>` where the constraint is met or there is none."""
        phrases = self.phrases.of_sentences(sentence_B)
        progress_BKC = phrases.progress(tokens_BKT)
        is_met_BKD1 = self._by_constraint(phrases.occur(tokens_BKT)).any(-1, keepdim=True)
        is_met_BKC = is_met_BKD1.expand(-1, -1, -1, self.num_alternatives).flatten(2)
        tokens_BKCL = phrases.tokens_BCL[:, None].expand(-1, tokens_BKT.shape[1], -1, -1)
        next_BKC = tokens_BKCL.gather(3, progress_BKC.clamp(min=0)[..., None])[..., 0]
        return next_BKC.masked_fill(is_met_BKC | (progress_BKC < 0) | (phrases.length_BC == 0)[:, None], EOS)

    def _by_constraint(self, values_BKC: Tensor) -> Tensor:
        values_BKDA: Tensor = values_BKC.unflatten(2, (-1, self.num_alternatives))
        return values_BKDA


@dataclass(frozen=True)
class ConstrainedExtensions:
    """The best extensions of each bank: hypotheses that miss equally many tokens compete among themselves only.

    Candidates are the likeliest tokens of each beam, and those that continue a phrase, or `</s>` where nothing is
    missing. In turn, from the bank that misses the least to the one that misses the most, each gives its best
    candidate, then its second best, and so on, until all slots are taken. (Post and Vilar divide the slots beforehand;
    taken in turn, none stays empty.)
    """

    constraints: LexicalConstraints
    rules: Rules

    def __call__(self, scores_BKV: Tensor, beams: Beams) -> Choice:
        assert beams.tokens_BKT is not None
        log_probabilities_BKV = allowed_tokens(scores_BKV, beams, self.rules)
        token_BKN, log_probability_BKN = self._candidates(log_probabilities_BKV, beams)
        total_BX = (beams.total_BK[:, :, None] + log_probability_BKN).flatten(1)
        num_candidates = token_BKN.shape[2]
        before_BKNT = beams.tokens_BKT[:, :, None].expand(-1, -1, num_candidates, -1)
        longer_BXT = torch.cat([before_BKNT, token_BKN[..., None]], dim=3).flatten(1, 2)
        missing_BX = self.constraints.num_missing(longer_BXT, beams.device_sentences_B)
        num_phrases, longest = self.constraints.phrases.tokens_BCL.shape[1:]
        most_missing = num_phrases // self.constraints.num_alternatives * longest
        order_BX = _round_robin(total_BX, missing_BX, num_banks=most_missing + 1)
        chosen_BK = order_BX[:, : beams.most_free]
        return Choice(
            chosen_BK // num_candidates,
            token_BKN.flatten(1).gather(1, chosen_BK),
            log_probability_BKN.flatten(1).gather(1, chosen_BK),
            total_BX.gather(1, chosen_BK),
        )

    def _candidates(self, log_probabilities_BKV: Tensor, beams: Beams) -> tuple[Tensor, Tensor]:
        """Candidate tokens of each beam (B, K, N) and their log probabilities; -inf where there are fewer.

        Not counted are tokens that are listed before, and those that are not among the likeliest of their beam, as many
        as the sentence has free slots: the slots of other sentences must not matter.
        """
        assert beams.tokens_BKT is not None
        next_BKC = self.constraints.next_tokens(beams.tokens_BKT, beams.device_sentences_B)
        count = min(beams.most_free, log_probabilities_BKV.shape[2])
        likeliest_BKN = log_probabilities_BKV.topk(count, dim=2).indices
        token_BKN = torch.cat([next_BKC, likeliest_BKN], dim=2)
        is_none_BKN = (token_BKN[..., :, None] == token_BKN[..., None, :]).tril(-1).any(-1)
        free_B11 = torch.from_numpy(beams.free_BG).to(token_BKN.device)[:, :, None]
        is_none_BKN[..., next_BKC.shape[2] :] |= torch.arange(count, device=token_BKN.device) >= free_B11
        return token_BKN, log_probabilities_BKV.gather(2, token_BKN).masked_fill(is_none_BKN, -math.inf)


def _round_robin(total_BX: Tensor, missing_BX: Tensor, num_banks: int) -> Tensor:
    """All candidates (B, X) in the order in which they get slots: the best of each bank, the second best, and so on."""
    order_BX = total_BX.argsort(dim=1, descending=True, stable=True)
    missing_BX = missing_BX.gather(1, order_BX)
    is_bank_BXM = missing_BX[:, :, None] == torch.arange(num_banks, device=missing_BX.device)
    rank_BX = is_bank_BXM.cumsum(1).gather(2, missing_BX[:, :, None])[:, :, 0]
    is_none_BX = total_BX.gather(1, order_BX) == -math.inf
    rank_BX = rank_BX.masked_fill(is_none_BX, total_BX.shape[1] + 1)
    return order_BX.gather(1, (rank_BX * num_banks + missing_BX).argsort(dim=1))
