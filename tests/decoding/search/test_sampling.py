"""Tokens drawn at random: as often as they should be, and whatever stands beside them."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from s2s.decoding.search.backpointers import Hypothesis
from s2s.decoding.search.sampling import Sampling, gumbel_noise, random_keys
from s2s.decoding.search.search import sample_search
from tables import MISLEADING, Spec, Table, assert_same, batches, paper_table, rules_of, start, step

# Not in the order of probability, so that the likeliest are sought.
PROBABILITIES = torch.tensor([0.3, 0.5, 0.0, 0.2])
NUM_DRAWS = 20_000
THREE_ERRORS = 0.0106  # three standard errors of a share: at most 3 * sqrt(0.25 / 20,000)


def shares(sampling: Sampling, probabilities: Tensor = PROBABILITIES, num_draws: int = NUM_DRAWS) -> Tensor:
    """How often each token is drawn."""
    keys = random_keys(5, [3], 1, num_draws).flatten()
    tokens_N = sampling.draw(probabilities.log().expand(len(keys), -1), keys)
    return torch.bincount(tokens_N, minlength=len(probabilities)) / num_draws


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), [0.3, 0.5, 0, 0.2]),
        (Sampling(top_k=2), [0.375, 0.625, 0, 0]),
        (Sampling(top_k=1), [0, 1, 0, 0]),
        (Sampling(top_k=99), [0.3, 0.5, 0, 0.2]),
        (Sampling(top_p=0.6), [0.375, 0.625, 0, 0]),  # 0.5 is too little, 0.8 is not
        (Sampling(top_p=0.45), [0, 1, 0, 0]),
        (Sampling(top_p=0.0), [0, 1, 0, 0]),
        (Sampling(top_p=0.9), [0.3, 0.5, 0, 0.2]),
        (Sampling(top_k=2, top_p=0.6), [0, 1, 0, 0]),  # of the two, 1 has 0.625
        (Sampling(top_k=2, top_p=0.63), [0.375, 0.625, 0, 0]),
        (Sampling(temperature=0.5), [0.09 / 0.38, 0.25 / 0.38, 0, 0.04 / 0.38]),  # squares
        (Sampling(temperature=0.5, top_p=0.65), [0, 1, 0, 0]),  # 0.25 / 0.38 = 0.658
        (Sampling(temperature=0.5, top_p=0.66), [0.09 / 0.34, 0.25 / 0.34, 0, 0]),
    ],
    ids=str,
)
def test_tokens_are_drawn_as_often_as_they_are_probable(sampling: Sampling, expected: list[float]) -> None:
    found, expected_V = shares(sampling), torch.tensor(expected, dtype=torch.float32)
    torch.testing.assert_close(found, expected_V, rtol=0, atol=THREE_ERRORS)
    assert found[expected_V == 0].sum() == 0


def test_a_large_nucleus_is_found_too() -> None:
    # Of 1,000 equal tokens 0.7 takes 700, which is more than are tried first; and hardly one is missed by 4,000 draws.
    num_tokens = int((shares(Sampling(top_p=0.7), torch.full([1000], 0.001), 4000) > 0).sum())
    assert 690 <= num_tokens <= 700
    halves = torch.tensor([0.0019] * 500 + [0.0001] * 500)
    assert shares(Sampling(top_p=0.9), halves, 4000)[500:].sum() == 0


def test_noise_has_the_distribution_of_gumbel() -> None:
    # P(noise < x) = exp(-exp(-x)), over 200 keys and 500 tokens; and both matter.
    noise_NC = gumbel_noise(random_keys(1, [1], 1, 200)[0, 0], torch.arange(500).expand(200, -1))
    for x in (-1.0, 0.0, 1.0, 3.0, 6.0):
        expected = math.exp(-math.exp(-x))
        error = math.sqrt(expected * (1 - expected) / noise_NC.numel())
        assert float((noise_NC < x).float().mean()) == pytest.approx(expected, abs=3 * error)
    centred_NC = noise_NC - noise_NC.mean()
    for neighbours_NC in (centred_NC[1:] * centred_NC[:-1], centred_NC[:, 1:] * centred_NC[:, :-1]):
        assert abs(float(neighbours_NC.mean())) < 3 * float(centred_NC.var()) / math.sqrt(noise_NC.numel())


def test_noise_belongs_to_key_and_token() -> None:
    keys, tokens = random_keys(1, [1], 1, 3)[0, 0], torch.tensor([[5, 6, 7], [7, 5, 6], [9, 7, 5]])
    noise = gumbel_noise(keys, tokens)
    assert torch.equal(gumbel_noise(keys[1:2], torch.tensor([[6, 5]])), noise[1:2, [2, 1]])
    assert noise.unique().numel() == 9
    assert noise.isfinite().all()


def test_keys_are_functions_of_seed_line_sample_and_position() -> None:
    keys = random_keys(1, [4, 7], 3, 5)
    assert keys.shape == (2, 3, 5)
    assert keys.dtype == torch.int32
    assert keys.unique().numel() == 30
    assert torch.equal(random_keys(1, [7], 2, 3), keys[1:, :2, :3])
    assert not torch.equal(random_keys(2, [4, 7], 3, 5), keys)
    assert random_keys(1, [], 3, 5).shape == (0, 3, 5)


def samples(
    tables: list[Table],
    specs: list[Spec],
    num_samples: int,
    lines: list[int],
    sampling: Sampling | None = None,
    seed: int = 1,
) -> list[list[Hypothesis]]:
    return sample_search(
        step,
        start(tables),
        torch.tensor([spec.max_length for spec in specs]),
        sampling=sampling or Sampling(),
        seed=seed,
        lines=lines,
        num_samples=num_samples,
        scorer=specs[0].scorer,
        rules=rules_of(specs),
        source_lengths_B=torch.tensor([table.num_source for table in tables]),
    )


def test_translations_are_drawn_as_often_as_they_are_probable() -> None:
    (found,) = samples([MISLEADING], [Spec(2)], 4000, [1])
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
    batch: tuple[list[Table], list[Spec]], sampling: Sampling, first: int, num: int
) -> None:
    lines = [first + 3 * index for index in range(len(batch[0]))]
    together = samples(*batch, num, lines, sampling)
    for found, table, spec, line in zip(together, *batch, lines, strict=True):
        assert_same(found, samples([table], [spec], num, [line], sampling)[0])


@given(batch=batches(most=1, max_length=5), num=st.integers(1, 4))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_more_samples_are_those_and_others(batch: tuple[list[Table], list[Spec]], num: int) -> None:
    (few,), (many,) = samples(*batch, num, [6]), samples(*batch, num + 3, [6])
    rest = [hypothesis.ids for hypothesis in many]
    for hypothesis in few:
        rest.remove(hypothesis.ids)
    assert [hypothesis.score for hypothesis in many] == sorted((item.score for item in many), reverse=True)


@given(batch=batches(max_length=5))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_samples_keep_the_rules(batch: tuple[list[Table], list[Spec]]) -> None:
    tables, specs = batch
    for found, spec in zip(samples(tables, specs, 5, list(range(len(specs)))), specs, strict=True):
        for hypothesis in found:
            tokens = (*hypothesis.ids, 3)[: len(hypothesis.token_log_probabilities)]
            assert spec.is_end(tokens)
            assert all(spec.may_follow(tokens[:position], token) for position, token in enumerate(tokens))


def test_another_seed_or_line_draws_anew() -> None:
    table = paper_table({})
    sets = [
        {item.ids for item in samples([table], [Spec(9)], 5, [line], seed=seed)[0]}
        for seed, line in ((1, 1), (1, 2), (2, 1))
    ]
    assert len({frozenset(each) for each in sets}) == 3
