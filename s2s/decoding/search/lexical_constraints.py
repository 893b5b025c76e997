"""Phrases that must be said: lexical constraints by dynamic beam allocation (Post and Vilar 2018).

B sentences, K beams of a sentence, D demands of a sentence, A ways to meet one, C = D * A phrases, N ways to go on from
a beam, X = K * N candidates of a sentence, V words.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from s2s.data.vocabulary.subwords import EOS
from s2s.decoding.search.beams import Beams, Choice, allowed_words
from s2s.decoding.search.phrases import Phrases, WordEdges
from s2s.decoding.search.rules import Rules


@dataclass(frozen=True)
class LexicalConstraints:
    """Demands of each sentence; each is met by saying one of `num_ways` phrases. As a rule: no `</s>` before all are.

    Attributes:
        phrases: those of a demand stand side by side.
        num_ways: phrases a demand, some of which may be none.
    """

    phrases: Phrases
    num_ways: int

    @classmethod
    def of(
        cls,
        demands: Sequence[Sequence[Sequence[Sequence[int]]]],
        device: torch.device,
        edges: WordEdges | None = None,
    ) -> "LexicalConstraints":
        """Of each sentence its demands, of each the ways to meet it, each way a phrase."""
        num_ways = max((len(ways) for row in demands for ways in row), default=0)
        rows = [[way for ways in row for way in [*ways, *[()] * (num_ways - len(ways))]] for row in demands]
        return cls(Phrases.of(rows, device, edges), num_ways)

    @property
    def most_missing(self) -> int:
        """No hypothesis needs more words to meet all demands."""
        num_phrases, longest = self.phrases.words_BCL.shape[1:]
        return num_phrases // self.num_ways * longest

    def __call__(self, log_probabilities_BKV: Tensor, words_BKT: Tensor, sentence_B: Tensor) -> None:
        is_open_BK = self.num_missing(words_BKT, sentence_B) > 0
        log_probabilities_BKV[:, :, EOS].masked_fill_(is_open_BK, -math.inf)

    def is_met(self, words: Sequence[int], sentence: int) -> bool:
        """Whether a whole hypothesis, without `</s>`, says everything."""
        device = self.phrases.words_BCL.device
        words_11T = torch.tensor([[list(words)]], dtype=torch.long, device=device)
        return not self.num_missing(words_11T, torch.tensor([sentence], device=device)).any()

    def num_missing(self, words_BKT: Tensor, sentence_B: Tensor) -> Tensor:
        """Words (B, K) that are enough to meet all demands.

        Of the demands that are not met yet, only one can be half said: a word that goes on with one may break off
        another. So each word that brings the furthest one on makes the number smaller.
        """
        phrases = self.phrases.of_sentences(sentence_B)
        is_none_BC = phrases.length_BC == 0
        length_BC = phrases.length_BC.masked_fill(is_none_BC, phrases.words_BCL.shape[2] + 1)  # the longest way
        to_say_BKC = length_BC[:, None] - phrases.progress(words_BKT).clamp(min=0)
        to_say_BKD, all_BKD = (self._by_demand(each).amin(-1) for each in (to_say_BKC, length_BC[:, None]))
        is_met_BKD = self._by_demand(phrases.are_said(words_BKT)).any(-1)
        is_met_BKD |= self._by_demand(is_none_BC[:, None]).all(-1)  # no demand
        missing_BKD = all_BKD.masked_fill(is_met_BKD, 0)
        gain_BKD = (all_BKD - to_say_BKD).masked_fill(is_met_BKD, 0)
        return missing_BKD.sum(-1) - gain_BKD.amax(-1)

    def next_words(self, words_BKT: Tensor, sentence_B: Tensor) -> Tensor:
        """What brings each beam on with each phrase (B, K, C); `</s>` where the demand is met or there is none."""
        phrases = self.phrases.of_sentences(sentence_B)
        progress_BKC = phrases.progress(words_BKT)
        is_met_BKD1 = self._by_demand(phrases.are_said(words_BKT)).any(-1, keepdim=True)
        is_met_BKC = is_met_BKD1.expand(-1, -1, -1, self.num_ways).flatten(2)
        words_BKCL = phrases.words_BCL[:, None].expand(-1, words_BKT.shape[1], -1, -1)
        next_BKC = words_BKCL.gather(3, progress_BKC.clamp(min=0)[..., None])[..., 0]
        return next_BKC.masked_fill(is_met_BKC | (progress_BKC < 0) | (phrases.length_BC == 0)[:, None], EOS)

    def _by_demand(self, values_BKC: Tensor) -> Tensor:
        num_rows, num_beams, num_phrases = values_BKC.shape
        return values_BKC.reshape(num_rows, num_beams, num_phrases // self.num_ways, self.num_ways)


@dataclass(frozen=True)
class AllocatedExtensions:
    """The best extensions of all kinds: hypotheses that still need as many words compete among themselves only.

    Candidates are the likeliest words of each beam, and those that bring it on with a phrase, or `</s>` where it lacks
    none. In turn, from those that need the least to those that need the most, each kind gives its best candidate, then
    its second best, and so on, until all places are taken. (Post and Vilar divide the places beforehand; taken in turn,
    none stays empty.)
    """

    must: LexicalConstraints
    rules: Rules

    def __call__(self, scores_BKV: Tensor, beams: Beams) -> Choice:
        assert beams.words_BKT is not None
        log_probabilities_BKV = allowed_words(scores_BKV, beams, self.rules)
        words_BKN, log_probability_BKN = self._candidates(log_probabilities_BKV, beams)
        total_BX = (beams.total_BK[:, :, None] + log_probability_BKN).flatten(1)
        num_ways_on = words_BKN.shape[2]
        before_BKNT = beams.words_BKT[:, :, None].expand(-1, -1, num_ways_on, -1)
        longer_BXT = torch.cat([before_BKNT, words_BKN[..., None]], dim=3).flatten(1, 2)
        missing_BX = self.must.num_missing(longer_BXT, beams.sentence_B)
        num_kinds = self.must.most_missing + 1
        chosen_BK = _in_turn(total_BX, missing_BX, num_kinds)[:, : beams.places.most_free]
        return Choice(
            chosen_BK // num_ways_on,
            words_BKN.flatten(1).gather(1, chosen_BK),
            log_probability_BKN.flatten(1).gather(1, chosen_BK),
            total_BX.gather(1, chosen_BK),
        )

    def _candidates(self, log_probabilities_BKV: Tensor, beams: Beams) -> tuple[Tensor, Tensor]:
        """Words to go on by (B, K, N), and their log probabilities; -inf where there is one less.

        A word that is listed before is none, nor is one that is not among the likeliest of its beam, as many as the
        sentence has free places: those of another sentence must not matter.
        """
        assert beams.words_BKT is not None
        wanted_BKC = self.must.next_words(beams.words_BKT, beams.sentence_B)
        count = min(beams.places.most_free, log_probabilities_BKV.shape[2])
        likeliest_BKN = log_probabilities_BKV.topk(count, dim=2).indices
        words_BKN = torch.cat([wanted_BKC, likeliest_BKN], dim=2)
        is_none_BKN = (words_BKN[..., :, None] == words_BKN[..., None, :]).tril(-1).any(-1)
        free_B11 = torch.from_numpy(beams.places.free_BG).to(words_BKN.device)[:, :, None]
        is_none_BKN[..., wanted_BKC.shape[2] :] |= torch.arange(count, device=words_BKN.device) >= free_B11
        return words_BKN, log_probabilities_BKV.gather(2, words_BKN).masked_fill(is_none_BKN, -math.inf)


def _in_turn(total_BX: Tensor, missing_BX: Tensor, num_kinds: int) -> Tensor:
    """All candidates (B, X) in the order in which they are taken: the best of each kind, the second best, and so on."""
    order_BX = total_BX.argsort(dim=1, descending=True, stable=True)
    missing_BX = missing_BX.gather(1, order_BX)
    is_kind_BXM = missing_BX[:, :, None] == torch.arange(num_kinds, device=missing_BX.device)
    rank_BX = is_kind_BXM.cumsum(1).gather(2, missing_BX[:, :, None])[:, :, 0]
    is_none_BX = total_BX.gather(1, order_BX) == -math.inf
    rank_BX = rank_BX.masked_fill(is_none_BX, total_BX.shape[1] + 1)
    return order_BX.gather(1, (rank_BX * num_kinds + missing_BX).argsort(dim=1))
