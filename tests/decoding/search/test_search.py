"""Search over tables of probabilities: no weights, and every answer can be found by trying all sequences."""

import itertools
import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from s2s.config.search import LengthNormalization
from s2s.data.vocabulary.subwords import EOS
from s2s.decoding.search.backpointers import Hypothesis
from s2s.decoding.search.hypothesis_score import HypothesisScore
from s2s.decoding.search.sampling import Sampling
from s2s.decoding.search.search import beam_search, likeliest_tokens, sample_search
from s2s.errors import CheckpointError
from tables import (
    MEAN,
    MISLEADING,
    Spec,
    Table,
    TableState,
    Tokens,
    V,
    assert_best,
    assert_same,
    batches,
    beam,
    every_hypothesis,
    paper_table,
    plain_beam,
    random_table,
    rules_of,
    scorers,
    seeds,
    start,
    step,
)

TOTAL = HypothesisScore(LengthNormalization.none)
# Derandomised: search adds in float32, so among very many tables there would be one with a tie that is none in float64.
quick = settings(max_examples=40, deadline=None, derandomize=True)


# ----------------------------------------------------------------------------------------------------------------------
# On paper


def test_the_likeliest_tokens_of_a_row() -> None:
    scores_NV = torch.tensor([[0.1, 0.6, 0.3], [0.5, 0.2, 0.3]]).log() + torch.tensor([[5.0], [-7.0]])
    log_probability_NC, token_NC = likeliest_tokens(scores_NV, 2)
    assert token_NC.tolist() == [[1, 2], [0, 2]]
    torch.testing.assert_close(log_probability_NC, torch.tensor([[0.6, 0.3], [0.5, 0.3]]).log())


def test_greedy_takes_the_likeliest_token_at_every_step() -> None:
    ((found,),) = beam([MISLEADING], [Spec(7, MEAN)], 1)
    assert found.ids == (0,)
    assert found.log_probability == pytest.approx(math.log(0.6 * 0.4))
    assert found.score == pytest.approx(math.log(0.6 * 0.4) / 2)  # `</s>` counts as a token
    assert found.token_log_probabilities == pytest.approx((math.log(0.6), math.log(0.4)))


def test_beam_of_2_finds_what_greedy_misses() -> None:
    ((found,),) = beam([MISLEADING], [Spec(7, TOTAL)], 2)
    assert found.ids == (1,)
    assert found.log_probability == pytest.approx(math.log(0.4 * 0.9))


def test_normalization_decides_between_short_and_long() -> None:
    # </s> at once: ln 0.4. Or 0 and then </s>: ln 0.6 + ln 0.5, which is worse, but the mean of two tokens is better.
    table = paper_table({(): [0.6, 0, 0, 0.4], (0,): [0.1, 0.2, 0.2, 0.5]})
    assert_same(beam([table], [Spec(2, TOTAL)], 4)[0], [Hypothesis((), math.log(0.4), math.log(0.4), (math.log(0.4),))])
    longer = Hypothesis((0,), math.log(0.3), math.log(0.3) / 2, (math.log(0.6), math.log(0.5)))
    assert_same(beam([table], [Spec(2, MEAN)], 4)[0], [longer])
    rewarded = HypothesisScore(LengthNormalization.none, word_reward=0.3)  # ln 0.4 + 0.3 = -0.62; ln 0.3 + 0.6 = -0.60
    assert_same(beam([table], [Spec(2, rewarded)], 4)[0], [replace(longer, score=math.log(0.3) + 0.6)])


def test_finished_hypotheses_take_slots() -> None:
    # </s> takes one of two slots at once. The other is for 0, so (1) with 0.2 is lost, though (0, 0) gets only 0.18.
    table = paper_table({(): [0.3, 0.2, 0, 0.5], (0,): [0.6, 0, 0, 0.4], (0, 0): [0, 0, 0, 1], (1,): [0, 0, 0, 1]})
    found = beam([table], [Spec(7, TOTAL)], 2, num_best=2)[0]
    assert [hypothesis.ids for hypothesis in found] == [(), (0, 0)]
    assert [hypothesis.log_probability for hypothesis in found] == pytest.approx([math.log(0.5), math.log(0.18)])


def calls_of(
    tables: list[Table], max_lengths: list[int], beam_size: int, scorer: HypothesisScore
) -> list[tuple[int, int]]:
    """The sentences and beams of each step."""
    calls: list[tuple[int, int]] = []

    def counted(token_BK: Tensor, state: TableState) -> tuple[Tensor, TableState]:
        calls.append((token_BK.shape[0], token_BK.shape[1]))
        return step(token_BK, state)

    beam_search(counted, start(tables), torch.tensor(max_lengths), beam_size=beam_size, scorer=scorer)
    return calls


def test_search_stops_as_soon_as_nothing_can_win() -> None:
    certain = paper_table({(): [0.1, 0, 0, 0.9]})
    open_ended = paper_table({tokens: [0.6, 0.4, 0, 0] for tokens in [(), (0,), (1,)]})
    # The first sentence leaves the batch after one token.
    assert calls_of([certain, open_ended], [5, 3], 2, TOTAL) == [(2, 1), (1, 2), (1, 2)]


def test_search_goes_on_while_a_reward_may_be_earned() -> None:
    # </s> at once scores ln 0.9 + r. The other may still reach ln 0.1 + 5 r, which is more if r > ln(9) / 4 = 0.549.
    certain = paper_table({(): [0.1, 0, 0, 0.9]})
    assert len(calls_of([certain], [5], 2, HypothesisScore(LengthNormalization.none, word_reward=0.54))) == 1
    assert len(calls_of([certain], [5], 2, HypothesisScore(LengthNormalization.none, word_reward=0.56))) > 1


def test_a_length_limit_of_1_gives_one_token_or_none() -> None:
    found = beam([MISLEADING], [Spec(1, TOTAL)], 3, num_best=3)[0]
    expected = [Hypothesis((token,), math.log(p), math.log(p), (math.log(p),)) for token, p in ((0, 0.6), (1, 0.4))]
    assert_same(found, expected)
    assert beam([MISLEADING], [Spec(1)], 1)[0][0].ids == (0,)


def test_tokens_of_probability_0_are_never_chosen() -> None:
    table = paper_table({(): [0, 1, 0, 0], (1,): [0, 0, 0, 1]})
    (found,) = beam([table], [Spec(7, TOTAL)], 5, num_best=5)
    assert found == [Hypothesis((1,), 0.0, 0.0, (0.0, 0.0))]


def test_coverage_decides_between_looking_here_and_there() -> None:
    # Both sentences are equally likely. (0) attends to the first of two positions twice, (1) to each once.
    class Looking(Table):
        def attention(self, tokens: Tokens) -> tuple[float, ...]:
            return (0.0, 1.0, 0.0) if tokens == (1,) else (1.0, 0.0, 0.0)

    table = Looking(paper_table({(): [0.55, 0.45, 0, 0], (0,): [0, 0, 0, 1], (1,): [0, 0, 0, 1]}).log_probabilities, 2)
    assert [item.ids for item in beam([table], [Spec(4, TOTAL)], 2, 2)[0]] == [(0,), (1,)]
    found = beam([table], [Spec(4, HypothesisScore(LengthNormalization.none, coverage_penalty=0.1))], 2, 2)[0]
    assert [item.ids for item in found] == [(1,), (0,)]
    assert found[0].score == pytest.approx(math.log(0.45))  # all of it was looked at: no penalty
    assert found[1].score == pytest.approx(math.log(0.55) + 0.1 * math.log(1e-6))


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_no_sentences_give_no_results(beam_size: int) -> None:
    none = torch.tensor([], dtype=torch.long)
    assert beam_search(step, start([]), none, beam_size=beam_size) == []
    assert sample_search(step, start([]), none, sampling=Sampling(), seed=1, lines=[]) == []


def test_every_length_of_a_batch_is_kept() -> None:
    endless = paper_table({tokens: [1, 0, 0, 0] for n in range(9) for tokens in itertools.product([0], repeat=n)})
    specs = [Spec(length) for length in (5, 1, 3, 2)]
    expected = [(0,) * spec.max_length for spec in specs]
    assert [found[0].ids for found in beam([endless] * 4, specs, 1)] == expected
    assert [found[0].ids for found in beam([endless] * 4, specs, 3)] == expected


def test_a_model_that_gives_no_numbers_is_an_error() -> None:
    broken = Table(lambda tokens: [math.nan] * V)
    for tables, beam_size in (([broken, MISLEADING], 2), ([broken], 1)):
        with pytest.raises(CheckpointError, match="weights are damaged"):
            beam(tables, [Spec(3)] * len(tables), beam_size)


# ----------------------------------------------------------------------------------------------------------------------
# Against trying everything


def check_a_wide_beam(tables: list[Table], specs: list[Spec], num_best: int) -> None:
    every = [every_hypothesis(table, spec) for table, spec in zip(tables, specs, strict=True)]
    # Wide enough for all that is open at any time, and for all that ends.
    width = sum((V - 1) ** length for length in range(max(spec.max_length for spec in specs) + 1))
    found = beam(tables, specs, max(width, num_best), num_best)
    for item, others in zip(found, every, strict=True):
        assert_best(item, others, num_best)


@given(batch=batches(), num_best=st.integers(1, 50))
@settings(quick, max_examples=100)
def test_a_beam_as_wide_as_the_space_tries_everything(batch: tuple[list[Table], list[Spec]], num_best: int) -> None:
    check_a_wide_beam(*batch, num_best)


@given(batch=batches(has_constraints=True), num_best=st.integers(1, 50))
@settings(quick, max_examples=50)
def test_so_it_does_with_phrases_that_must_occur(batch: tuple[list[Table], list[Spec]], num_best: int) -> None:
    check_a_wide_beam(*batch, num_best)


@pytest.mark.slow
@given(batch=batches(most=5), num_best=st.integers(1, 50))
@settings(quick, max_examples=1500)
def test_thousands_of_tables_are_tried_out(batch: tuple[list[Table], list[Spec]], num_best: int) -> None:
    check_a_wide_beam(*batch, num_best)


@pytest.mark.slow
@given(batch=batches(most=5, has_constraints=True), num_best=st.integers(1, 50))
@settings(quick, max_examples=1000)
def test_thousands_of_tables_are_tried_out_with_phrases(batch: tuple[list[Table], list[Spec]], num_best: int) -> None:
    check_a_wide_beam(*batch, num_best)


def test_the_space_is_as_large_as_it_should_be() -> None:
    assert [len(every_hypothesis(random_table(1), Spec(length))) for length in (1, 2, 3)] == [4, 13, 40]


# ----------------------------------------------------------------------------------------------------------------------
# Against a plain beam search


@given(batch=batches(max_length=6), beam_size=st.integers(1, 6), data=st.data())
@settings(quick, max_examples=150)
def test_stopping_early_never_changes_the_result(
    batch: tuple[list[Table], list[Spec]], beam_size: int, data: st.DataObject
) -> None:
    num_best = data.draw(st.integers(1, beam_size))
    for found, table, spec in zip(beam(*batch, beam_size, num_best), *batch, strict=True):
        assert_same(found, plain_beam(table, spec, beam_size)[:num_best])


def greedy_words(table: Table, spec: Spec) -> Tokens | None:
    """The likeliest allowed token at every step, `</s>` included; None where no token is allowed."""
    tokens: Tokens = ()
    while not spec.is_end(tokens):
        row = table.log_probabilities(tokens)
        allowed = [token for token in range(V) if spec.may_follow(tokens, token) and row[token] > -math.inf]
        if not allowed:
            return None
        tokens = (*tokens, max(allowed, key=row.__getitem__))
    return tokens


@given(batch=batches(max_length=6))
@settings(quick, max_examples=100)
def test_beam_1_is_greedy(batch: tuple[list[Table], list[Spec]]) -> None:
    for found, table, spec in zip(beam(*batch, 1), *batch, strict=True):
        expected = greedy_words(table, spec)
        assert [item.ids for item in found] == ([] if expected is None else [tuple(w for w in expected if w != EOS)])


@given(batch=batches(max_length=6))
@quick
def test_samples_of_the_one_likeliest_token_are_greedy(batch: tuple[list[Table], list[Spec]]) -> None:
    tables, specs = batch
    for sampling in (Sampling(top_k=1), Sampling(top_p=0.0), Sampling(temperature=1e-5)):
        found = sample_search(
            step,
            start(tables),
            torch.tensor([spec.max_length for spec in specs]),
            sampling=sampling,
            seed=3,
            lines=range(len(specs)),
            scorer=specs[0].scorer,
            rules=rules_of(specs),
            source_lengths_B=torch.tensor([table.num_source for table in tables]),
        )
        for item, other in zip(found, beam(*batch, 1), strict=True):
            assert_same(item, other)


# ----------------------------------------------------------------------------------------------------------------------
# Properties


@given(seed=seeds, beam_size=st.integers(1, 12), scorer=scorers)
@quick
def test_no_beam_beats_one_that_covers_the_space(seed: int, beam_size: int, scorer: HypothesisScore) -> None:
    table, spec = random_table(seed), Spec(3, scorer)
    narrow, wide = beam([table], [spec], beam_size), beam([table], [spec], 40)
    assert narrow[0][0].score <= wide[0][0].score + 1e-6


@given(batch=batches(most=5, max_length=6, has_constraints=True), beam_size=st.integers(1, 4))
@settings(quick, max_examples=80)
def test_a_sentence_alone_equals_the_same_sentence_in_a_batch(
    batch: tuple[list[Table], list[Spec]], beam_size: int
) -> None:
    together = beam(*batch, beam_size, beam_size)
    for found, table, spec in zip(together, *batch, strict=True):
        assert_same(found, beam([table], [spec], beam_size, beam_size)[0])


@given(batch=batches(max_length=6, has_constraints=True), beam_size=st.integers(1, 5))
@quick
def test_hypotheses_have_the_numbers_of_their_tokens(batch: tuple[list[Table], list[Spec]], beam_size: int) -> None:
    for found, table, spec in zip(beam(*batch, beam_size, beam_size, keep_attention=True), *batch, strict=True):
        assert len(found) <= beam_size
        assert len({hypothesis.ids for hypothesis in found}) == len(found)
        assert [hypothesis.score for hypothesis in found] == sorted((item.score for item in found), reverse=True)
        for hypothesis in found:
            assert EOS not in hypothesis.ids
            assert len(hypothesis.ids) <= spec.max_length
            tokens = (*hypothesis.ids, EOS)[: len(hypothesis.token_log_probabilities)]
            assert len(tokens) == min(len(hypothesis.ids) + 1, spec.max_length)
            rows = [table.log_probabilities(tokens[:position]) for position in range(len(tokens))]
            each = [row[token] for row, token in zip(rows, tokens, strict=True)]
            assert hypothesis.token_log_probabilities == pytest.approx(each, abs=1e-4)
            assert hypothesis.log_probability == pytest.approx(sum(each), abs=1e-4)
            weights = torch.tensor([table.attention(tokens[:position]) for position in range(len(tokens))])
            assert hypothesis.attention_TS is not None
            assert hypothesis.attention_TS.dtype == torch.float32
            torch.testing.assert_close(hypothesis.attention_TS, weights)


def test_attention_is_kept_only_when_asked_for() -> None:
    ((found,),) = beam([MISLEADING], [Spec(3)], 2)
    assert found.attention_TS is None
    ((found,),) = beam([MISLEADING], [Spec(3)], 2, keep_attention=True)
    assert found.attention_TS is not None

    def blind(token_BK: Tensor, state: TableState) -> tuple[Tensor, TableState]:
        scores_BKV, state = step(token_BK, state)
        return scores_BKV, replace(state, attention_BKS=None)

    ((found,),) = beam_search(blind, start([MISLEADING]), torch.tensor([3]), beam_size=2, keep_attention=True)
    assert found.attention_TS is None


@given(seed=seeds, num_best=st.integers(1, 6), scorer=scorers)
@quick
def test_num_best_is_the_beginning_of_a_longer_list(seed: int, num_best: int, scorer: HypothesisScore) -> None:
    table, spec = random_table(seed), Spec(5, scorer)
    (all_found,), (found,) = beam([table], [spec], 6, 6), beam([table], [spec], 6, num_best)
    assert_same(found, all_found[:num_best])
    assert len(all_found) == 6


def test_beam_1_is_greedy_among_equal_scores() -> None:
    for numbers in itertools.product([0.0, 1.0, 2.0], repeat=4):
        table = Table(partial(lambda numbers, tokens: numbers, numbers))
        ((found,),) = beam([table], [Spec(3)], 1)
        likeliest = {token for token in range(V) if numbers[token] == max(numbers)}
        assert {*found.ids, *([EOS] if len(found.ids) < 3 else [])} <= likeliest


@pytest.mark.parametrize("num_tokens", [5, 63, 64, 200, 448, 449])
@quick
@given(seed=st.integers(0, 2**31), count=st.integers(1, 5))
def test_the_likeliest_tokens_are_the_best_of_all(num_tokens: int, seed: int, count: int) -> None:
    scores_BKV = torch.randn(3, 2, num_tokens, generator=torch.Generator().manual_seed(seed))
    scores_BKV[:, :, 1::7] = -math.inf
    expected, tokens = torch.log_softmax(scores_BKV, dim=-1).topk(count, dim=-1)
    found, found_tokens = likeliest_tokens(scores_BKV, count)
    assert torch.equal(found, expected)
    assert torch.equal(found_tokens[expected > -math.inf], tokens[expected > -math.inf])
