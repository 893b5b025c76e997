"""The six steps on paper, and what padding must never do.

B = 3 sentences, T = 4 target positions, S = 7 source positions, H = 5 units, O = 2 units of an attentional state.
"""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from s2s.config.model import AttentionScore
from s2s.models.attention import ATTENTIONS, Attention, Memory

B, T, S, H, O = 3, 4, 7, 5, 2  # noqa: E741
E = math.e
LOOKING = [score for score in AttentionScore if score is not AttentionScore.none]


def attention(
    score: AttentionScore, hidden_size: int = H, attentional_size: int = O, *, is_scaled: bool = False
) -> Attention:
    torch.manual_seed(7)
    return ATTENTIONS[score](hidden_size, attentional_size, is_scaled=is_scaled).double()


def set_weight(module: Attention, name: str, rows: list[list[float]]) -> None:
    weight = module.get_parameter(f"{name}.weight")
    weight.data.copy_(doubles(rows).reshape(weight.shape))


def doubles(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def tokens(lengths: list[int], num_positions: int) -> Tensor:
    return torch.arange(num_positions) < torch.tensor(lengths)[:, None]


def random_query_and_states() -> tuple[Tensor, Tensor]:
    torch.manual_seed(11)
    return torch.randn(B, T, H, dtype=torch.float64), torch.randn(B, S, H, dtype=torch.float64)


LENGTHS = [7, 1, 4]


def test_six_steps_on_paper() -> None:
    # The query (1, 0) gives the states (0, 5) and (1, 3) the scores 0 and 1, hence the weights (1, e) / (1 + e) and the
    # context (e, 5 + 3e) / (1 + e). The third state would score 9, but it is padding.
    module = attention(AttentionScore.dot, 2, 3)
    set_weight(module, "combine", [[1, 0, 0, 0], [0, 1, -3, 0], [0, 0, 2, 7]])  # [context, query] -> 3 units
    memory = module.build_memory(doubles([[[0, 5], [1, 3], [9, 9]]]), torch.tensor([[True, True, False]]))
    attentional_BTO, weights_BTS = module(doubles([[[1, 0]]]), memory)
    torch.testing.assert_close(weights_BTS, doubles([[[1 / (1 + E), E / (1 + E), 0]]]))
    torch.testing.assert_close(
        attentional_BTO, doubles([[[math.tanh(E / (1 + E)), math.tanh(2 / (1 + E)), math.tanh(2)]]])
    )


def test_scaled_scores_are_divided_by_the_root_of_the_hidden_size() -> None:
    module = attention(AttentionScore.dot, 4, 3, is_scaled=True)
    memory = module.build_memory(doubles([[[0, 0, 0, 8], [2, 0, 0, 8]]]), torch.ones(1, 2, dtype=torch.bool))
    _, weights_BTS = module(doubles([[[1, 0, 0, 0]]]), memory)  # dot products 0 and 2, over sqrt(4)
    torch.testing.assert_close(weights_BTS, doubles([[[1 / (1 + E), E / (1 + E)]]]))


def test_general_scores_on_paper() -> None:
    module = attention(AttentionScore.general, 2, 3)
    set_weight(module, "key", [[0, 1], [5, 7]])  # key = (second unit, ...), and the query looks at the first
    memory = module.build_memory(doubles([[[4, 0], [2, 1]]]), torch.ones(1, 2, dtype=torch.bool))
    _, weights_BTS = module(doubles([[[1, 0]]]), memory)
    torch.testing.assert_close(memory.keys_BSA, doubles([[[0, 20], [1, 17]]]))
    torch.testing.assert_close(weights_BTS, doubles([[[1 / (1 + E), E / (1 + E)]]]))


def test_additive_scores_on_paper() -> None:
    # v tanh(W query + b + U state) with W query + b = 2 * -3 + 6 = 0, U = 1/2, states 0 and 2 ln 2; tanh ln 2 = 3/5.
    module = attention(AttentionScore.additive, 1, 3)
    set_weight(module, "query", [[2]])
    module.get_parameter("query.bias").data.fill_(6)
    set_weight(module, "key", [[0.5]])
    set_weight(module, "energy", [[5 / 3]])
    memory = module.build_memory(doubles([[[0], [2 * math.log(2)]]]), torch.ones(1, 2, dtype=torch.bool))
    _, weights_BTS = module(doubles([[[-3]]]), memory)
    torch.testing.assert_close(weights_BTS, doubles([[[1 / (1 + E), E / (1 + E)]]]))


def test_without_attention_the_decoder_state_decides_alone() -> None:
    module = attention(AttentionScore.none)
    query_BTH, states_BSH = random_query_and_states()
    attentional_BTO, weights_BTS = module(query_BTH, module.build_memory(states_BSH, tokens(LENGTHS, S)))
    torch.testing.assert_close(attentional_BTO, torch.tanh(query_BTH @ module.combine.weight.T))
    assert torch.equal(weights_BTS, torch.zeros(B, T, S, dtype=torch.float64))
    assert [name for name, _ in module.named_parameters()] == ["combine.weight"]


def test_every_score_has_an_attention_and_no_other_is_taken() -> None:
    assert set(ATTENTIONS) == set(AttentionScore)
    with pytest.raises(KeyError):
        attention("cosine")  # type: ignore[arg-type]


@pytest.mark.parametrize("is_scaled", [False, True])
def test_dot_attention_equals_torch(is_scaled: bool) -> None:
    module = attention(AttentionScore.dot, H, H, is_scaled=is_scaled)
    module.combine.weight.data.copy_(torch.eye(H, 2 * H))  # shows the context only
    query_BTH, states_BSH = random_query_and_states()
    is_token_BS = tokens(LENGTHS, S)
    attentional_BTO, _ = module(query_BTH, module.build_memory(states_BSH, is_token_BS))
    context_BTH = torch.nn.functional.scaled_dot_product_attention(
        query_BTH,
        states_BSH,
        states_BSH,
        attn_mask=is_token_BS[:, None, :],
        scale=None if is_scaled else 1.0,
    )
    torch.testing.assert_close(attentional_BTO, torch.tanh(context_BTH))


@pytest.mark.parametrize("score", AttentionScore)
def test_shapes_and_bounds(score: AttentionScore) -> None:
    module = attention(score)
    query_BTH, states_BSH = random_query_and_states()
    attentional_BTO, weights_BTS = module(query_BTH, module.build_memory(states_BSH, tokens(LENGTHS, S)))
    assert attentional_BTO.shape == (B, T, O)
    assert weights_BTS.shape == (B, T, S)
    assert bool((attentional_BTO.abs() < 1).all())


@pytest.mark.parametrize("score", LOOKING)
def test_weights_sum_to_1_and_are_exactly_0_at_padding(score: AttentionScore) -> None:
    module = attention(score)
    query_BTH, states_BSH = random_query_and_states()
    _, weights_BTS = module(query_BTH, module.build_memory(states_BSH, tokens(LENGTHS, S)))
    is_token_BTS = tokens(LENGTHS, S)[:, None, :].expand(B, T, S)
    torch.testing.assert_close(weights_BTS.sum(-1), torch.ones(B, T, dtype=torch.float64))
    assert bool((weights_BTS[~is_token_BTS] == 0).all())
    assert bool((weights_BTS[is_token_BTS] > 0).all())


@pytest.mark.parametrize("score", AttentionScore)
def test_padded_states_change_nothing_and_get_no_gradient(score: AttentionScore) -> None:
    module = attention(score)
    query_BTH, states_BSH = random_query_and_states()
    is_token_BS = tokens(LENGTHS, S)
    changed_BSH = states_BSH.masked_fill(~is_token_BS[:, :, None], 1e6).requires_grad_()
    before = module(query_BTH, module.build_memory(states_BSH, is_token_BS))
    after = module(query_BTH, module.build_memory(changed_BSH, is_token_BS))
    torch.testing.assert_close(after, before, rtol=0, atol=0)
    if score is not AttentionScore.none:
        after[0].sum().backward()
        assert changed_BSH.grad is not None
        assert not changed_BSH.grad[~is_token_BS].any()
        assert changed_BSH.grad[is_token_BS].any()


@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    padding=st.integers(1, 6),
    score=st.sampled_from(AttentionScore),
)
@settings(max_examples=30, deadline=None)
def test_more_padding_changes_nothing(lengths: list[int], padding: int, score: AttentionScore) -> None:
    module = attention(score)
    num_positions = max(lengths)
    query_BTH = torch.randn(len(lengths), T, H, dtype=torch.float64)
    states_BSH = torch.randn(len(lengths), num_positions + padding, H, dtype=torch.float64)
    wide = module(query_BTH, module.build_memory(states_BSH, tokens(lengths, num_positions + padding)))
    narrow = module(query_BTH, module.build_memory(states_BSH[:, :num_positions], tokens(lengths, num_positions)))
    torch.testing.assert_close(wide[0], narrow[0], rtol=0, atol=1e-12)
    torch.testing.assert_close(wide[1][:, :, :num_positions], narrow[1], rtol=0, atol=1e-12)
    assert not wide[1][:, :, num_positions:].any()


@pytest.mark.parametrize("score", AttentionScore)
def test_one_position_alone_is_the_row_of_all_at_once(score: AttentionScore) -> None:
    module = attention(score)
    query_BTH, states_BSH = random_query_and_states()
    memory = module.build_memory(states_BSH, tokens(LENGTHS, S))
    attentional_BTO, weights_BTS = module(query_BTH, memory)
    for position in range(T):
        attentional_B1O, weights_B1S = module(query_BTH[:, position : position + 1], memory)
        torch.testing.assert_close(attentional_B1O[:, 0], attentional_BTO[:, position], rtol=0, atol=1e-12)
        torch.testing.assert_close(weights_B1S[:, 0], weights_BTS[:, position], rtol=0, atol=1e-12)


@pytest.mark.parametrize("score", AttentionScore)
def test_selected_memory_is_that_of_those_sentences(score: AttentionScore) -> None:
    module = attention(score)
    query_BTH, states_BSH = random_query_and_states()
    memory = module.build_memory(states_BSH, tokens(LENGTHS, S))
    rows = torch.tensor([2, 0])
    selected = memory.select(rows)
    assert isinstance(selected, Memory)
    assert torch.equal(selected.is_token_BS, tokens([4, 7], S))
    expected = tuple(tensor[rows] for tensor in module(query_BTH, memory))
    torch.testing.assert_close(module(query_BTH[rows], selected), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("score", [AttentionScore.dot, AttentionScore.none])
def test_keys_are_the_states_themselves_where_nothing_is_learnt(score: AttentionScore) -> None:
    _, states_BSH = random_query_and_states()
    assert attention(score).build_memory(states_BSH, tokens(LENGTHS, S)).keys_BSA is states_BSH


@pytest.mark.parametrize("score", LOOKING)
def test_huge_scores_stay_finite(score: AttentionScore) -> None:
    module = attention(score)
    query_BTH, states_BSH = random_query_and_states()
    attentional_BTO, weights_BTS = module(1e4 * query_BTH, module.build_memory(1e4 * states_BSH, tokens(LENGTHS, S)))
    assert bool(torch.isfinite(attentional_BTO).all())
    torch.testing.assert_close(weights_BTS.sum(-1), torch.ones(B, T, dtype=torch.float64))


@pytest.mark.parametrize("score", AttentionScore)
def test_attention_passes_gradcheck(score: AttentionScore) -> None:
    module = attention(score, 3, 2)
    query_BTH = torch.randn(2, 2, 3, dtype=torch.float64, requires_grad=True)
    states_BSH = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda query, states: module(query, module.build_memory(states, tokens([4, 2], 4)))[0], (query_BTH, states_BSH)
    )
