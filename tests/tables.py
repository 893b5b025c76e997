"""Tables of probabilities as models without weights, and slow reference implementations of search in plain Python.

A table gives the log probabilities of the next token after any tokens, and the attention in predicting it. There are
four tokens: 0, 1 and 2, and `</s>`. Sentences have up to 3 source positions.
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
from s2s.decoding.search.backpointers import Hypothesis
from s2s.decoding.search.hypothesis_score import HypothesisScore
from s2s.decoding.search.lexical_constraints import LexicalConstraints
from s2s.decoding.search.phrases import Phrases
from s2s.decoding.search.rules import Avoid, MinimumLength, NoRepeat, Rule, Rules, pad_prefixes
from s2s.decoding.search.search import beam_search

CPU = torch.device("cpu")
V = 4
S = 3
MEAN = HypothesisScore()
Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Table:
    """A sentence: its model, and how many source positions it has."""

    log_probabilities: Callable[[Tokens], Sequence[float]]
    num_source: int = S
    seed: int = 0

    def attention(self, tokens: Tokens) -> tuple[float, ...]:
        """Attention weights in predicting the token after these; 0 at padding."""
        weights = _random_weights(self.seed, tokens)[: self.num_source]
        return (*(weight / sum(weights) for weight in weights), *[0.0] * (S - self.num_source))


@lru_cache(maxsize=100_000)
def _random_row(seed: int, tokens: Tokens) -> tuple[float, ...]:
    scores = np.random.default_rng((seed, *tokens)).normal(scale=1.5, size=V)
    return tuple((scores - np.log(np.exp(scores).sum())).tolist())


@lru_cache(maxsize=100_000)
def _random_weights(seed: int, tokens: Tokens) -> tuple[float, ...]:
    return tuple(np.exp(np.random.default_rng((seed, 7, *tokens)).normal(scale=2, size=S)).tolist())


def random_table(seed: int) -> Table:
    """A distribution of its own after any tokens."""
    return Table(lambda tokens: _random_row(seed, tokens), 1 + seed % S, seed)


def paper_table(rows: dict[Tokens, list[float]]) -> Table:
    """Probabilities of the tokens 0, 1, 2 and `</s>`; after tokens that are not listed, all are equally likely."""
    return Table(lambda tokens: [math.log(p) if p else -math.inf for p in rows.get(tokens, [0.25] * V)])


# After 0 nothing is likely; after 1 the end is nearly certain.
MISLEADING = paper_table({(): [0.6, 0.4, 0, 0], (0,): [0.3, 0.3, 0, 0.4], (1,): [0.1, 0, 0, 0.9]})


@dataclass(frozen=True)
class TableState:
    """The table of each sentence, and of each row the table it started with and its tokens; None before `<s>`."""

    tables: tuple[Table, ...]
    rows: tuple[tuple[Table, Tokens | None], ...]
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
    for index, (token, (table, tokens)) in enumerate(zip(token_BK.flatten().tolist(), state.rows, strict=True)):
        assert table is state.tables[index // num_beams], "a beam went over to another sentence"
        assert tokens is not None or token == BOS
        now = () if tokens is None else (*tokens, token)
        rows.append((table, now))
        shift = 1 - len(now)  # scores are any numbers whose softmax is the probability
        scores.append([score + shift for score in table.log_probabilities(now)])
        attention.append(table.attention(now))
    shape = num_sentences, num_beams, -1
    attention_BKS = torch.tensor(attention).reshape(shape)
    return torch.tensor(scores).reshape(shape), TableState(state.tables, tuple(rows), attention_BKS)


# ----------------------------------------------------------------------------------------------------------------------
# Reference implementations


@dataclass(frozen=True)
class Spec:
    """What a hypothesis has to satisfy, by definition."""

    max_length: int
    scorer: HypothesisScore = MEAN
    min_length: int = 0
    no_repeat: int = 0
    avoid: tuple[Tokens, ...] = ()
    prefix: Tokens = ()
    must: tuple[Tokens, ...] = ()

    def may_follow(self, tokens: Tokens, token: int) -> bool:
        """Whether a token may follow others."""
        position, longer = len(tokens), (*tokens, token)
        if position < len(self.prefix):
            return token == self.prefix[position]
        if token == EOS:
            return position >= self.min_length and self.has_all(tokens)
        grams = [longer[at : at + self.no_repeat] for at in range(len(longer) - self.no_repeat + 1)]
        repeats = self.no_repeat > 0 and len(grams) > 0 and grams[-1] in grams[:-1]
        return not repeats and not any(longer[len(longer) - len(phrase) :] == phrase for phrase in self.avoid)

    def has_all(self, tokens: Tokens) -> bool:
        """Whether every phrase that must occur does."""
        return all(occurs(phrase, tokens) for phrase in self.must)

    def is_end(self, tokens: Tokens) -> bool:
        return bool(tokens) and (tokens[-1] == EOS or len(tokens) == self.max_length)

    def best(self, found: Sequence[Hypothesis]) -> list[Hypothesis]:
        """Finished hypotheses, the best first; those that miss a constraint only where all do."""
        complete = [hypothesis for hypothesis in found if self.has_all(hypothesis.ids)]
        return sorted(complete or found, key=lambda hypothesis: -hypothesis.score)


def occurs(phrase: Tokens, tokens: Tokens) -> bool:
    return any(tokens[at : at + len(phrase)] == phrase for at in range(len(tokens)))


def finished(table: Table, tokens: Tokens, scorer: HypothesisScore) -> Hypothesis:
    """A finished hypothesis, `</s>` among its tokens unless it was cut off."""
    ids = tokens[:-1] if tokens[-1] == EOS else tokens
    each = tuple(table.log_probabilities(tokens[:position])[token] for position, token in enumerate(tokens))
    attention = [table.attention(tokens[:position]) for position in range(len(tokens))]
    sums = [sum(weights[position] for weights in attention) for position in range(table.num_source)]
    coverage = sum(math.log(min(max(weight, 1e-6), 1)) for weight in sums)
    norm = {
        LengthNormalization.none: 1.0,
        LengthNormalization.average: len(tokens) ** scorer.length_penalty,
        LengthNormalization.gnmt: ((5 + len(tokens)) / 6) ** scorer.length_penalty,
    }[scorer.normalization]
    score = sum(each) / norm + scorer.word_reward * len(tokens) + scorer.coverage_penalty * coverage
    return Hypothesis(ids, sum(each), score, each, torch.tensor(attention))


def every_hypothesis(table: Table, spec: Spec) -> list[Hypothesis]:
    """All sequences that satisfy a spec, the best first."""
    found: list[Hypothesis] = []

    def grow(tokens: Tokens) -> None:
        for token in range(V):
            longer = (*tokens, token)
            if not spec.may_follow(tokens, token) or table.log_probabilities(tokens)[token] == -math.inf:
                continue
            if spec.is_end(longer):
                found.append(finished(table, longer, spec.scorer))
            else:
                grow(longer)

    grow(())
    return spec.best(found)


def plain_beam(
    table: Table, spec: Spec, beam_size: int, groups: int = 1, diversity_strength: float = 0.0
) -> list[Hypothesis]:
    """Beam search in plain Python and float64, which goes on until no slot is left; the best first."""
    found: list[Hypothesis] = []
    free = [beam_size // groups] * groups
    beams: list[list[tuple[Tokens, float]]] = [[((), 0.0)] for _ in range(groups)]
    while any(beams):
        chosen: list[int] = []
        for group in range(groups):
            longer = [
                ((*tokens, token), total + table.log_probabilities(tokens)[token])
                for tokens, total in beams[group]
                for token in range(V)
                if spec.may_follow(tokens, token) and table.log_probabilities(tokens)[token] > -math.inf
            ]
            penalized = [total - diversity_strength * chosen.count(tokens[-1]) for tokens, total in longer]
            best = sorted(range(len(longer)), key=lambda index: -penalized[index])[: free[group]]
            ends = [longer[index][0] for index in best if spec.is_end(longer[index][0])]
            beams[group] = [longer[index] for index in best if not spec.is_end(longer[index][0])]
            free[group] -= len(ends)
            found += [finished(table, tokens, spec.scorer) for tokens in ends]
            chosen += [longer[index][0][-1] for index in best]
    different = {hypothesis.ids: hypothesis for hypothesis in reversed(spec.best(found))}
    return spec.best(list(different.values()))


def assert_same(found: Sequence[Hypothesis], expected: Sequence[Hypothesis]) -> None:
    """Equal tokens, and equal numbers but for rounding in float32."""
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
# From specs to the arguments of search


def rules_of(specs: Sequence[Spec]) -> Rules | None:
    """The rules of a batch, of which all sentences share `no_repeat`; None where every token is allowed."""
    rules: list[Rule] = []
    if any(spec.min_length for spec in specs):
        rules.append(MinimumLength(torch.tensor([spec.min_length for spec in specs])))
    if specs[0].no_repeat:
        rules.append(NoRepeat(specs[0].no_repeat))
    if any(spec.avoid for spec in specs):
        rules.append(Avoid(Phrases.of([spec.avoid for spec in specs], CPU)))
    has_prefix = any(spec.prefix for spec in specs)
    prefix_BP = pad_prefixes([spec.prefix for spec in specs], CPU) if has_prefix else None
    return Rules(rules, prefix_BP) if rules or has_prefix else None


def constraints_of(specs: Sequence[Spec]) -> LexicalConstraints | None:
    """The constraints of a batch, each with one alternative; None where there are none."""
    if not any(spec.must for spec in specs):
        return None
    return LexicalConstraints.of([[[phrase] for phrase in spec.must] for spec in specs], CPU)


def beam(
    tables: Sequence[Table],
    specs: Sequence[Spec],
    beam_size: int,
    num_best: int = 1,
    *,
    groups: int = 1,
    diversity_strength: float = 0.0,
    keep_attention: bool = False,
) -> list[list[Hypothesis]]:
    """Beam search in a batch whose sentences share the scorer."""
    return beam_search(
        step,
        start(tables),
        torch.tensor([spec.max_length for spec in specs]),
        beam_size=beam_size,
        num_best=num_best,
        scorer=specs[0].scorer,
        rules=rules_of(specs),
        constraints=constraints_of(specs),
        num_groups=groups,
        diversity_strength=diversity_strength,
        source_lengths_B=torch.tensor([table.num_source for table in tables]),
        keep_attention=keep_attention,
    )


seeds = st.integers(0, 2**32 - 1)
phrases = st.lists(st.integers(0, V - 2), min_size=1, max_size=2).map(tuple)
scorers = st.builds(
    HypothesisScore,
    st.sampled_from(LengthNormalization),
    st.sampled_from([0.0, 0.6, 1.0, 1.5]),
    st.sampled_from([0.0, 0.0, 0.4, 2.0]),
    st.sampled_from([0.0, 0.0, 0.3]),
)


@st.composite
def batches(
    draw: st.DrawFn, *, most: int = 3, max_length: int = 4, has_constraints: bool = False
) -> tuple[list[Table], list[Spec]]:
    """Random tables, and for each of them a spec of its own; they share the scorer and `no_repeat`."""
    tables = [random_table(seed) for seed in draw(st.lists(seeds, min_size=1, max_size=most))]
    scorer, no_repeat = draw(scorers), draw(st.sampled_from([0, 0, 0, 1, 2]))
    specs = []
    for _ in tables:
        longest = draw(st.integers(1, max_length))
        specs.append(
            Spec(
                longest,
                scorer,
                draw(st.sampled_from([0, 0, *range(1, longest + 1)])),
                no_repeat,
                tuple(draw(st.lists(phrases, max_size=2))),
                draw(st.one_of(st.just(()), phrases)),
                tuple(draw(st.lists(phrases, max_size=2))) if has_constraints else (),
            )
        )
    return tables, specs
