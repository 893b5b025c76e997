"""Words drawn at random: on paper by the numbers they are drawn with, and in the mean."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import MISLEADING, Law, Table, assert_same, batches, paper_table, rules_of, start, step

from s2s.decoding.samples import Sampling, random_numbers
from s2s.decoding.search import Hypothesis, sample_search

# Not in the order of probability, so that the likeliest are sought.
PROBABILITIES = torch.tensor([0.3, 0.5, 0.0, 0.2])


def drawn(sampling: Sampling, *numbers: float) -> list[int]:
    uniform_N = torch.tensor(numbers, dtype=torch.float64)
    return sampling.draw(PROBABILITIES.log().expand(len(numbers), -1), uniform_N).tolist()


def test_a_number_picks_the_word_at_which_the_sum_of_probabilities_passes_it() -> None:
    assert drawn(Sampling(), 0.0, 0.29, 0.31, 0.79, 0.81, 1 - 1e-9) == [0, 0, 1, 1, 3, 3]


def test_top_k_leaves_the_likeliest() -> None:
    assert drawn(Sampling(top_k=2), 0.0, 0.62, 0.63, 1 - 1e-9) == [1, 1, 0, 0]  # 0.5 / 0.8 = 0.625
    assert drawn(Sampling(top_k=1), 0.0, 1 - 1e-9) == [1, 1]
    assert drawn(Sampling(top_k=99), 0.49, 0.51, 0.81) == [1, 0, 3]


def test_top_p_leaves_the_fewest_that_have_it_together() -> None:
    assert drawn(Sampling(top_p=0.6), 0.0, 0.62, 0.63, 1 - 1e-9) == [1, 1, 0, 0]  # 0.5 is too little, 0.8 is not
    assert drawn(Sampling(top_p=0.45), 0.0, 1 - 1e-9) == [1, 1]
    assert drawn(Sampling(top_p=0.0), 0.0, 1 - 1e-9) == [1, 1]
    assert drawn(Sampling(top_p=0.9), 0.49, 0.51, 0.81) == [1, 0, 3]


def test_top_p_is_taken_of_the_top_k() -> None:
    # Of the two, 1 has 0.625.
    assert drawn(Sampling(top_k=2, top_p=0.6), 1 - 1e-9) == [1]
    assert drawn(Sampling(top_k=2, top_p=0.63), 1 - 1e-9) == [0]


def test_temperature_sharpens_and_flattens() -> None:
    # At 1/2 probabilities are squared: 0.09, 0.25, 0.04 of 0.38. At 2, their roots: 0.548, 0.707, 0.447 of 1.702.
    assert drawn(Sampling(temperature=0.5), 0.23, 0.24, 0.89, 0.90) == [0, 1, 1, 3]
    assert drawn(Sampling(temperature=2.0), 0.32, 0.33, 0.73, 0.74) == [0, 1, 1, 3]


def test_words_are_drawn_as_often_as_they_are_probable() -> None:
    numbers = random_numbers(5, [3], 100, 200).flatten()
    words_N = Sampling().draw(PROBABILITIES.log().expand(len(numbers), -1), numbers)
    shares = torch.bincount(words_N, minlength=4) / len(numbers)
    # Three standard errors of 20,000 draws are at most 3 * sqrt(0.25 / 20,000) = 0.0106.
    torch.testing.assert_close(shares, PROBABILITIES, rtol=0, atol=0.0106)


def test_numbers_are_functions_of_seed_line_sample_and_position() -> None:
    numbers = random_numbers(1, [4, 7], 3, 5)
    assert numbers.shape == (2, 3, 5)
    assert numbers.dtype == torch.float64
    assert numbers.unique().numel() == 30
    assert torch.equal(random_numbers(1, [7], 2, 3), numbers[1:, :2, :3])
    assert not torch.equal(random_numbers(2, [4, 7], 3, 5), numbers)
    assert random_numbers(1, [], 3, 5).shape == (0, 3, 5)


def samples(
    tables: list[Table],
    laws: list[Law],
    num_samples: int,
    lines: list[int],
    sampling: Sampling | None = None,
    seed: int = 1,
) -> list[list[Hypothesis]]:
    return sample_search(
        step,
        start(tables),
        torch.tensor([law.max_length for law in laws]),
        sampling=sampling or Sampling(),
        seed=seed,
        lines=lines,
        num_samples=num_samples,
        ranking=laws[0].ranking,
        rules=rules_of(laws),
        source_lengths_B=torch.tensor([table.num_source for table in tables]),
    )


def test_translations_are_drawn_as_often_as_they_are_probable() -> None:
    (found,) = samples([MISLEADING], [Law(2)], 4000, [1])
    expected = {(0, 0): 0.18, (0, 1): 0.18, (0,): 0.24, (1, 0): 0.04, (1,): 0.36}
    for ids, probability in expected.items():
        these = [hypothesis for hypothesis in found if hypothesis.ids == ids]
        assert len(these) / 4000 == pytest.approx(probability, abs=0.024)  # three standard errors
        assert these[0].log_probability == pytest.approx(math.log(probability))
    assert {hypothesis.ids for hypothesis in found} == set(expected)


samplings = st.builds(Sampling, st.floats(0.3, 2), st.integers(0, 4), st.floats(0.1, 1))


@given(batch=batches(most=4, max_length=6), sampling=samplings, first=st.integers(0, 99), num=st.integers(1, 4))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_sentence_alone_equals_the_same_sentence_in_a_batch(
    batch: tuple[list[Table], list[Law]], sampling: Sampling, first: int, num: int
) -> None:
    lines = [first + 3 * index for index in range(len(batch[0]))]
    together = samples(*batch, num, lines, sampling)
    for found, table, law, line in zip(together, *batch, lines, strict=True):
        assert_same(found, samples([table], [law], num, [line], sampling)[0])


@given(batch=batches(most=1, max_length=5), num=st.integers(1, 4))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_more_samples_are_those_and_others(batch: tuple[list[Table], list[Law]], num: int) -> None:
    (few,), (many,) = samples(*batch, num, [6]), samples(*batch, num + 3, [6])
    rest = [hypothesis.ids for hypothesis in many]
    for hypothesis in few:
        rest.remove(hypothesis.ids)
    assert [hypothesis.score for hypothesis in many] == sorted((item.score for item in many), reverse=True)


@given(batch=batches(max_length=5))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_samples_keep_the_rules(batch: tuple[list[Table], list[Law]]) -> None:
    tables, laws = batch
    for found, law in zip(samples(tables, laws, 5, list(range(len(laws)))), laws, strict=True):
        for hypothesis in found:
            words = (*hypothesis.ids, 3)[: len(hypothesis.token_log_probabilities)]
            assert law.is_end(words)
            assert all(law.may_follow(words[:position], word) for position, word in enumerate(words))


def test_another_seed_or_line_draws_anew() -> None:
    table = paper_table({})
    sets = [
        {item.ids for item in samples([table], [Law(9)], 5, [line], seed=seed)[0]}
        for seed, line in ((1, 1), (1, 2), (2, 1))
    ]
    assert len({frozenset(each) for each in sets}) == 3
