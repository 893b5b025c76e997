"""Tables of probabilities as models without weights, and slow judges in plain Python of what search finds in them.

A table gives the log probabilities of the next word after any words, and where the model looks to say it. There are
four words: 0, 1 and 2, and `</s>`. Sentences have up to 3 source positions.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor

from s2s.config.search import LengthNormalization
from s2s.data.vocabulary.subwords import BOS, EOS
from s2s.decoding.search.hypothesis_score import HypothesisScore
from s2s.decoding.search.lexical_constraints import LexicalConstraints
from s2s.decoding.search.phrases import Phrases
from s2s.decoding.search.rules import Avoid, MinimumLength, NoRepeat, Rule, Rules, prefixes
from s2s.decoding.search.search import Hypothesis, beam_search

CPU = torch.device("cpu")
V = 4
S = 3
MEAN = HypothesisScore()
Words = tuple[int, ...]


@dataclass(frozen=True)
class Table:
    """A sentence: its model, and how many source positions it has."""

    log_probabilities: Callable[[Words], Sequence[float]]
    num_source: int = S
    seed: int = 0

    def attention(self, words: Words) -> tuple[float, ...]:
        """Where the model looks to say the word after these; 0 at padding."""
        weights = _random_weights(self.seed, words)[: self.num_source]
        return (*(weight / sum(weights) for weight in weights), *[0.0] * (S - self.num_source))


@lru_cache(maxsize=100_000)
def _random_row(seed: int, words: Words) -> tuple[float, ...]:
    scores = np.random.default_rng((seed, *words)).normal(scale=1.5, size=V)
    return tuple((scores - np.log(np.exp(scores).sum())).tolist())


@lru_cache(maxsize=100_000)
def _random_weights(seed: int, words: Words) -> tuple[float, ...]:
    return tuple(np.exp(np.random.default_rng((seed, 7, *words)).normal(scale=2, size=S)).tolist())


def random_table(seed: int) -> Table:
    """A distribution of its own after any words."""
    return Table(lambda words: _random_row(seed, words), 1 + seed % S, seed)


def paper_table(rows: dict[Words, list[float]]) -> Table:
    """Probabilities of the words 0, 1, 2 and `</s>`; after words that are not listed, all are equally likely."""
    return Table(lambda words: [math.log(p) if p else -math.inf for p in rows.get(words, [0.25] * V)])


# After 0 nothing is likely; after 1 the end is nearly certain.
MISLEADING = paper_table({(): [0.6, 0.4, 0, 0], (0,): [0.3, 0.3, 0, 0.4], (1,): [0.1, 0, 0, 0.9]})


@dataclass(frozen=True)
class TableState:
    """The table of each sentence, and of each row the table it started with and its words; None before `<s>`."""

    tables: tuple[Table, ...]
    rows: tuple[tuple[Table, Words | None], ...]
    attention_BKS: Tensor | None = None

    def select(self, rows_M: Tensor, sentences_B: Tensor | None) -> "TableState":
        tables = self.tables if sentences_B is None else tuple(self.tables[index] for index in sentences_B.tolist())
        return TableState(tables, tuple(self.rows[index] for index in rows_M.tolist()))


def start(tables: Sequence[Table]) -> TableState:
    return TableState(tuple(tables), tuple((table, None) for table in tables))


def step(token_BK: Tensor, state: TableState) -> tuple[Tensor, TableState]:
    num_sentences, num_beams = token_BK.shape
    assert num_sentences == len(state.tables), "the memory does not belong to the sentences"
    assert token_BK.numel() == len(state.rows), "the state does not belong to the beams"
    rows, scores, attention = [], [], []
    for index, (token, (table, words)) in enumerate(zip(token_BK.flatten().tolist(), state.rows, strict=True)):
        assert table is state.tables[index // num_beams], "a beam went over to another sentence"
        assert words is not None or token == BOS
        now = () if words is None else (*words, token)
        rows.append((table, now))
        shift = 1 - len(now)  # scores are any numbers whose softmax is the probability
        scores.append([score + shift for score in table.log_probabilities(now)])
        attention.append(table.attention(now))
    shape = num_sentences, num_beams, -1
    attention_BKS = torch.tensor(attention).reshape(shape)
    return torch.tensor(scores).reshape(shape), TableState(state.tables, tuple(rows), attention_BKS)


# ----------------------------------------------------------------------------------------------------------------------
# Judges


@dataclass(frozen=True)
class Law:
    """What is asked of a hypothesis, by its definition."""

    max_length: int
    ranking: HypothesisScore = MEAN
    min_length: int = 0
    no_repeat: int = 0
    avoid: tuple[Words, ...] = ()
    prefix: Words = ()
    must: tuple[Words, ...] = ()

    def may_follow(self, words: Words, word: int) -> bool:
        """Whether a word may follow others."""
        position, longer = len(words), (*words, word)
        if position < len(self.prefix):
            return word == self.prefix[position]
        if word == EOS:
            return position >= self.min_length and self.has_all(words)
        grams = [longer[at : at + self.no_repeat] for at in range(len(longer) - self.no_repeat + 1)]
        repeats = self.no_repeat > 0 and len(grams) > 0 and grams[-1] in grams[:-1]
        return not repeats and not any(longer[len(longer) - len(phrase) :] == phrase for phrase in self.avoid)

    def has_all(self, words: Words) -> bool:
        """Whether every phrase that must occur does."""
        return all(occurs(phrase, words) for phrase in self.must)

    def is_end(self, words: Words) -> bool:
        return bool(words) and (words[-1] == EOS or len(words) == self.max_length)

    def best(self, found: Sequence[Hypothesis]) -> list[Hypothesis]:
        """Ended hypotheses, the best first; those that lack something only where all do."""
        complete = [hypothesis for hypothesis in found if self.has_all(hypothesis.ids)]
        return sorted(complete or found, key=lambda hypothesis: -hypothesis.score)


def occurs(phrase: Words, words: Words) -> bool:
    return any(words[at : at + len(phrase)] == phrase for at in range(len(words)))


def ended(table: Table, words: Words, ranking: HypothesisScore) -> Hypothesis:
    """What is known of a hypothesis that has ended, `</s>` among its words unless it was cut off."""
    ids = words[:-1] if words[-1] == EOS else words
    each = tuple(table.log_probabilities(words[:position])[word] for position, word in enumerate(words))
    looks = [table.attention(words[:position]) for position in range(len(words))]
    sums = [sum(look[position] for look in looks) for position in range(table.num_source)]
    coverage = sum(math.log(min(max(look, 1e-6), 1)) for look in sums)
    norm = {
        LengthNormalization.none: 1.0,
        LengthNormalization.average: len(words) ** ranking.length_penalty,
        LengthNormalization.gnmt: ((5 + len(words)) / 6) ** ranking.length_penalty,
    }[ranking.normalization]
    score = sum(each) / norm + ranking.word_reward * len(words) + ranking.coverage_penalty * coverage
    return Hypothesis(ids, sum(each), score, each, torch.tensor(looks))


def every_hypothesis(table: Table, law: Law) -> list[Hypothesis]:
    """All sequences that a law allows, the best first."""
    found: list[Hypothesis] = []

    def grow(words: Words) -> None:
        for word in range(V):
            longer = (*words, word)
            if not law.may_follow(words, word) or table.log_probabilities(words)[word] == -math.inf:
                continue
            if law.is_end(longer):
                found.append(ended(table, longer, law.ranking))
            else:
                grow(longer)

    grow(())
    return law.best(found)


def plain_beam(
    table: Table, law: Law, beam_size: int, groups: int = 1, diversity_strength: float = 0.0
) -> list[Hypothesis]:
    """Beam search in plain Python and float64, which goes on until no place is left; the best first."""
    found: list[Hypothesis] = []
    places = [beam_size // groups] * groups
    beams: list[list[tuple[Words, float]]] = [[((), 0.0)] for _ in range(groups)]
    while any(beams):
        said: list[int] = []
        for group in range(groups):
            longer = [
                ((*words, word), total + table.log_probabilities(words)[word])
                for words, total in beams[group]
                for word in range(V)
                if law.may_follow(words, word) and table.log_probabilities(words)[word] > -math.inf
            ]
            worth = [total - diversity_strength * said.count(words[-1]) for words, total in longer]
            best = sorted(range(len(longer)), key=lambda index: -worth[index])[: places[group]]
            ends = [longer[index][0] for index in best if law.is_end(longer[index][0])]
            beams[group] = [longer[index] for index in best if not law.is_end(longer[index][0])]
            places[group] -= len(ends)
            found += [ended(table, words, law.ranking) for words in ends]
            said += [longer[index][0][-1] for index in best]
    different = {hypothesis.ids: hypothesis for hypothesis in reversed(law.best(found))}
    return law.best(list(different.values()))


def assert_same(found: Sequence[Hypothesis], expected: Sequence[Hypothesis]) -> None:
    """Equal words, and equal numbers but for rounding in float32."""
    assert [hypothesis.ids for hypothesis in found] == [hypothesis.ids for hypothesis in expected]
    for name in ("score", "log_probability"):
        values, others = ([getattr(item, name) for item in each] for each in (found, expected))
        assert values == pytest.approx(others, rel=1e-4, abs=1e-5)
    for item, other in zip(found, expected, strict=True):
        assert item.token_log_probabilities == pytest.approx(other.token_log_probabilities, abs=1e-4)


def assert_best(found: Sequence[Hypothesis], every: Sequence[Hypothesis], num_best: int) -> None:
    """These are the best of all; of those that score the same but for rounding, any may stand for the other."""
    assert [item.score for item in found] == pytest.approx(
        [item.score for item in every[:num_best]], rel=1e-4, abs=1e-5
    )
    known = {hypothesis.ids: hypothesis for hypothesis in every}
    assert len({hypothesis.ids for hypothesis in found}) == len(found)
    assert_same(found, [known[hypothesis.ids] for hypothesis in found])


# ----------------------------------------------------------------------------------------------------------------------
# From laws to the arguments of search


def rules_of(laws: Sequence[Law]) -> Rules | None:
    """The rules of a batch, of which all sentences share `no_repeat`; None where everything may be said."""
    rules: list[Rule] = []
    if any(law.min_length for law in laws):
        rules.append(MinimumLength(torch.tensor([law.min_length for law in laws])))
    if laws[0].no_repeat:
        rules.append(NoRepeat(laws[0].no_repeat))
    if any(law.avoid for law in laws):
        rules.append(Avoid(Phrases.of([law.avoid for law in laws], CPU)))
    has_prefix = any(law.prefix for law in laws)
    prefix_BP = prefixes([law.prefix for law in laws], CPU) if has_prefix else None
    return Rules(rules, prefix_BP) if rules or has_prefix else None


def must_of(laws: Sequence[Law]) -> LexicalConstraints | None:
    """What must be said in a batch, each phrase in one way; None: nothing."""
    if not any(law.must for law in laws):
        return None
    return LexicalConstraints.of([[[phrase] for phrase in law.must] for law in laws], CPU)


def beam(
    tables: Sequence[Table],
    laws: Sequence[Law],
    beam_size: int,
    num_best: int = 1,
    *,
    groups: int = 1,
    diversity_strength: float = 0.0,
    keep_attention: bool = False,
) -> list[list[Hypothesis]]:
    """Beam search in a batch whose sentences share the ranking."""
    return beam_search(
        step,
        start(tables),
        torch.tensor([law.max_length for law in laws]),
        beam_size=beam_size,
        num_best=num_best,
        ranking=laws[0].ranking,
        rules=rules_of(laws),
        must=must_of(laws),
        groups=groups,
        diversity_strength=diversity_strength,
        source_lengths_B=torch.tensor([table.num_source for table in tables]),
        keep_attention=keep_attention,
    )


seeds = st.integers(0, 2**32 - 1)
phrases = st.lists(st.integers(0, V - 2), min_size=1, max_size=2).map(tuple)
rankings = st.builds(
    HypothesisScore,
    st.sampled_from(LengthNormalization),
    st.sampled_from([0.0, 0.6, 1.0, 1.5]),
    st.sampled_from([0.0, 0.0, 0.4, 2.0]),
    st.sampled_from([0.0, 0.0, 0.3]),
)


@st.composite
def batches(
    draw: st.DrawFn, *, most: int = 3, max_length: int = 4, has_must: bool = False
) -> tuple[list[Table], list[Law]]:
    """Random tables, and for each of them a law of its own; they share the ranking and `no_repeat`."""
    tables = [random_table(seed) for seed in draw(st.lists(seeds, min_size=1, max_size=most))]
    ranking, no_repeat = draw(rankings), draw(st.sampled_from([0, 0, 0, 1, 2]))
    laws = []
    for _ in tables:
        longest = draw(st.integers(1, max_length))
        laws.append(
            Law(
                longest,
                ranking,
                draw(st.sampled_from([0, 0, *range(1, longest + 1)])),
                no_repeat,
                tuple(draw(st.lists(phrases, max_size=2))),
                draw(st.one_of(st.just(()), phrases)),
                tuple(draw(st.lists(phrases, max_size=2))) if has_must else (),
            )
        )
    return tables, laws
