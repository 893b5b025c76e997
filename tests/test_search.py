"""Search over tables of probabilities: no weights, and every answer can be found by trying all sequences.

A table gives the log probabilities of the next word after any words. There are four words: 0, 1 and 2, and `</s>`.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from s2s.data.subwords import BOS, EOS
from s2s.decoding.search import Hypothesis, beam_search, greedy_search

V = 4
Words = tuple[int, ...]
Table = Callable[[Words], Sequence[float]]
PENALTIES = [0.0, 0.6, 1.0, 1.5]
seeds = st.integers(0, 2**32 - 1)
penalties = st.sampled_from(PENALTIES)
# Derandomised: search adds in float32, so among very many tables there would be one with a tie that is none in float64.
quick = settings(max_examples=40, deadline=None, derandomize=True)


@lru_cache(maxsize=100_000)
def _random_row(seed: int, words: Words) -> tuple[float, ...]:
    scores = np.random.default_rng((seed, *words)).normal(scale=1.5, size=V)
    return tuple((scores - np.log(np.exp(scores).sum())).tolist())


def random_table(seed: int) -> Table:
    """A distribution of its own after any words."""
    return partial(_random_row, seed)


def paper_table(rows: dict[Words, list[float]]) -> Table:
    """Probabilities of the words 0, 1, 2 and `</s>`; after words that are not listed, all are equally likely."""
    return lambda words: [math.log(p) if p else -math.inf for p in rows.get(words, [0.25] * V)]


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
    rows, scores = [], []
    for index, (token, (table, words)) in enumerate(zip(token_BK.flatten().tolist(), state.rows, strict=True)):
        assert table is state.tables[index // num_beams], "a beam went over to another sentence"
        assert words is not None or token == BOS
        now = () if words is None else (*words, token)
        rows.append((table, now))
        shift = 1 - len(now)  # scores are any numbers whose softmax is the probability
        scores.append([score + shift for score in table(now)])
    return torch.tensor(scores).reshape(num_sentences, num_beams, V), TableState(state.tables, tuple(rows))


def beam(
    tables: Sequence[Table], max_lengths: Sequence[int], beam_size: int, length_penalty: float = 0.0, num_best: int = 1
) -> list[list[Hypothesis]]:
    return beam_search(
        step,
        start(tables),
        torch.tensor(max_lengths),
        beam_size=beam_size,
        length_penalty=length_penalty,
        num_best=num_best,
    )


def greedy(tables: Sequence[Table], max_lengths: Sequence[int], length_penalty: float = 0.0) -> list[Hypothesis]:
    return greedy_search(step, start(tables), torch.tensor(max_lengths), length_penalty=length_penalty)


def ended(table: Table, words: Words, length_penalty: float) -> Hypothesis:
    ids = words[:-1] if words[-1] == EOS else words
    each = tuple(table(words[:position])[word] for position, word in enumerate(words))
    return Hypothesis(ids, sum(each), sum(each) / len(words) ** length_penalty, each)


def every_hypothesis(table: Table, max_length: int, length_penalty: float) -> list[Hypothesis]:
    """All sequences that end at `</s>` or at the longest length, the best first."""
    found: list[Hypothesis] = []

    def grow(words: Words) -> None:
        for word in range(V):
            longer = (*words, word)
            if word == EOS or len(longer) == max_length:
                found.append(ended(table, longer, length_penalty))
            else:
                grow(longer)

    grow(())
    return sorted(found, key=lambda hypothesis: -hypothesis.score)


def plain_beam(table: Table, max_length: int, beam_size: int, length_penalty: float) -> list[Hypothesis]:
    """Beam search in plain Python and float64, which goes on until no place is left; the best first."""
    found: list[Hypothesis] = []
    beams: list[tuple[Words, float]] = [((), 0.0)]
    while beams:
        longer = [
            ((*words, word), total + log_probability)
            for words, total in beams
            for word, log_probability in enumerate(table(words))
        ]
        best = sorted(longer, key=lambda item: -item[1])[: beam_size - len(found)]
        is_ended = [words[-1] == EOS or len(words) == max_length for words, _ in best]
        found += [ended(table, item[0], length_penalty) for item, ends in zip(best, is_ended, strict=True) if ends]
        beams = [item for item, ends in zip(best, is_ended, strict=True) if not ends]
    return sorted(found, key=lambda hypothesis: -hypothesis.score)


def assert_same(found: Sequence[Hypothesis], expected: Sequence[Hypothesis]) -> None:
    assert [hypothesis.ids for hypothesis in found] == [hypothesis.ids for hypothesis in expected]
    for name in ("score", "log_probability"):
        assert [getattr(item, name) for item in found] == pytest.approx(
            [getattr(item, name) for item in expected], 1e-4
        )
    for item, other in zip(found, expected, strict=True):
        assert item.token_log_probabilities == pytest.approx(other.token_log_probabilities, abs=1e-4)


# After 0 nothing is likely; after 1 the end is nearly certain.
MISLEADING = paper_table({(): [0.6, 0.4, 0, 0], (0,): [0.3, 0.3, 0, 0.4], (1,): [0.1, 0, 0, 0.9]})


def test_greedy_takes_the_likeliest_word_at_every_step() -> None:
    (found,) = greedy([MISLEADING], [7], 1.0)
    assert found.ids == (0,)
    assert found.log_probability == pytest.approx(math.log(0.6 * 0.4))
    assert found.score == pytest.approx(math.log(0.6 * 0.4) / 2)  # `</s>` counts as a word


def test_beam_of_2_finds_what_greedy_misses() -> None:
    ((found,),) = beam([MISLEADING], [7], 2)
    assert found.ids == (1,)
    assert found.log_probability == pytest.approx(math.log(0.4 * 0.9))


def test_length_penalty_decides_between_short_and_long() -> None:
    # </s> at once: ln 0.4. Or 0 and then </s>: ln 0.6 + ln 0.5, which is worse, but the mean of two words is better.
    table = paper_table({(): [0.6, 0, 0, 0.4], (0,): [0.1, 0.2, 0.2, 0.5]})
    assert_same(beam([table], [2], 4, 0.0)[0], [Hypothesis((), math.log(0.4), math.log(0.4), (math.log(0.4),))])
    assert_same(
        beam([table], [2], 4, 1.0)[0],
        [Hypothesis((0,), math.log(0.3), math.log(0.3) / 2, (math.log(0.6), math.log(0.5)))],
    )


def test_ended_hypotheses_take_places() -> None:
    # </s> takes one of two places at once. The other is for 0, so (1) with 0.2 is lost, though (0, 0) gets only 0.18.
    table = paper_table({(): [0.3, 0.2, 0, 0.5], (0,): [0.6, 0, 0, 0.4], (0, 0): [0, 0, 0, 1], (1,): [0, 0, 0, 1]})
    found = beam([table], [7], 2, num_best=2)[0]
    assert [hypothesis.ids for hypothesis in found] == [(), (0, 0)]
    assert [hypothesis.log_probability for hypothesis in found] == pytest.approx([math.log(0.5), math.log(0.18)])


def test_search_stops_as_soon_as_nothing_can_win() -> None:
    calls = []

    def counted(token_BK: Tensor, state: TableState) -> tuple[Tensor, TableState]:
        calls.append(token_BK.shape)
        return step(token_BK, state)

    certain = paper_table({(): [0.1, 0, 0, 0.9]})
    open_ended = paper_table({words: [0.6, 0.4, 0, 0] for words in [(), (0,), (1,)]})
    found = beam_search(counted, start([certain, open_ended]), torch.tensor([5, 3]), beam_size=2, length_penalty=0.0)
    assert found[0][0].ids == ()
    assert calls == [(2, 1), (1, 2), (1, 2)]  # the first sentence leaves the batch after one word


def test_a_length_limit_of_1_gives_one_word_or_none() -> None:
    found = beam([MISLEADING], [1], 3, num_best=3)[0]
    expected = [Hypothesis((word,), math.log(p), math.log(p), (math.log(p),)) for word, p in ((0, 0.6), (1, 0.4))]
    assert_same(found, expected)
    assert greedy([MISLEADING], [1])[0].ids == (0,)


def test_words_of_probability_0_are_never_said() -> None:
    table = paper_table({(): [0, 1, 0, 0], (1,): [0, 0, 0, 1]})
    (found,) = beam([table], [7], 5, num_best=5)
    assert found == [Hypothesis((1,), 0.0, 0.0, (0.0, 0.0))]


@given(seeds=st.lists(seeds, min_size=1, max_size=3), data=st.data(), penalty=penalties)
@quick
def test_beam_1_is_greedy(seeds: list[int], data: st.DataObject, penalty: float) -> None:
    tables = [random_table(seed) for seed in seeds]
    max_lengths = data.draw(st.lists(st.integers(1, 6), min_size=len(seeds), max_size=len(seeds)))
    assert [found for (found,) in beam(tables, max_lengths, 1, penalty)] == greedy(tables, max_lengths, penalty)


@given(seed=seeds, max_length=st.integers(1, 3), penalty=penalties, num_best=st.integers(1, 41))
@quick
def test_a_beam_as_wide_as_the_space_tries_everything(
    seed: int, max_length: int, penalty: float, num_best: int
) -> None:
    table = random_table(seed)
    expected = every_hypothesis(table, max_length, penalty)
    assert len(expected) == {1: 4, 2: 13, 3: 40}[max_length]
    (found,) = beam([table], [max_length], max(len(expected), num_best), penalty, num_best)
    assert_same(found, expected[:num_best])


@given(seed=seeds, beam_size=st.integers(1, 12), penalty=penalties)
@quick
def test_no_beam_beats_one_that_covers_the_space(seed: int, beam_size: int, penalty: float) -> None:
    table = random_table(seed)
    narrow, wide = beam([table], [3], beam_size, penalty), beam([table], [3], 40, penalty)
    assert narrow[0][0].score <= wide[0][0].score + 1e-6


@given(
    seed=seeds,
    max_length=st.integers(1, 7),
    beam_size=st.integers(1, 6),
    penalty=penalties,
    data=st.data(),
)
@settings(quick, max_examples=100)
def test_stopping_early_never_changes_the_result(
    seed: int, max_length: int, beam_size: int, penalty: float, data: st.DataObject
) -> None:
    num_best = data.draw(st.integers(1, beam_size))
    table = random_table(seed)
    (found,) = beam([table], [max_length], beam_size, penalty, num_best)
    assert_same(found, plain_beam(table, max_length, beam_size, penalty)[:num_best])


@given(
    sentences=st.lists(st.tuples(seeds, st.integers(1, 6)), min_size=2, max_size=5),
    beam_size=st.integers(1, 4),
    penalty=penalties,
)
@quick
def test_a_sentence_alone_equals_the_same_sentence_in_a_batch(
    sentences: list[tuple[int, int]], beam_size: int, penalty: float
) -> None:
    tables, max_lengths = [random_table(seed) for seed, _ in sentences], [length for _, length in sentences]
    together = beam(tables, max_lengths, beam_size, penalty, beam_size)
    together_greedy = greedy(tables, max_lengths, penalty)
    for index, (table, max_length) in enumerate(zip(tables, max_lengths, strict=True)):
        assert_same(together[index], beam([table], [max_length], beam_size, penalty, beam_size)[0])
        assert_same([together_greedy[index]], greedy([table], [max_length], penalty))


@given(seed=seeds, max_length=st.integers(1, 6), beam_size=st.integers(1, 5), penalty=penalties)
@quick
def test_hypotheses_are_what_they_say(seed: int, max_length: int, beam_size: int, penalty: float) -> None:
    table = random_table(seed)
    (found,) = beam([table], [max_length], beam_size, penalty, beam_size)
    assert 1 <= len(found) <= beam_size
    assert len({hypothesis.ids for hypothesis in found}) == len(found)
    assert [hypothesis.score for hypothesis in found] == sorted((item.score for item in found), reverse=True)
    for hypothesis in found:
        assert EOS not in hypothesis.ids
        assert len(hypothesis.ids) <= max_length
        words = hypothesis.ids if len(hypothesis.ids) == max_length else (*hypothesis.ids, EOS)
        total = sum(table(words[:position])[word] for position, word in enumerate(words))
        assert hypothesis.log_probability == pytest.approx(total, abs=1e-4)
        assert hypothesis.score == pytest.approx(total / len(words) ** penalty, abs=1e-4)


@given(seed=seeds, num_best=st.integers(1, 6), penalty=penalties)
@quick
def test_num_best_is_the_beginning_of_a_longer_list(seed: int, num_best: int, penalty: float) -> None:
    table = random_table(seed)
    (all_found,), (found,) = beam([table], [5], 6, penalty, 6), beam([table], [5], 6, penalty, num_best)
    assert_same(found, all_found[:num_best])
    assert len(all_found) == 6


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_no_sentences_give_no_results(beam_size: int) -> None:
    none = torch.tensor([], dtype=torch.long)
    assert beam_search(step, start([]), none, beam_size=beam_size) == []
    assert greedy_search(step, start([]), none) == []


def test_every_length_of_a_batch_is_kept() -> None:
    endless = paper_table({words: [1, 0, 0, 0] for n in range(9) for words in itertools.product([0], repeat=n)})
    max_lengths = [5, 1, 3, 2]
    expected = [(0,) * length for length in max_lengths]
    assert [found.ids for found in greedy([endless] * 4, max_lengths)] == expected
    assert [found[0].ids for found in beam([endless] * 4, max_lengths, 3)] == expected


def test_beam_1_is_greedy_among_equal_scores() -> None:
    for numbers in itertools.product([0.0, 1.0, 2.0], repeat=4):
        table: Table = lambda words, numbers=numbers: numbers  # noqa: E731
        assert beam([table], [3], 1) == [greedy([table], [3])]
