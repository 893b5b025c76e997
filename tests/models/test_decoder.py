"""The decoder: all positions at once give the same numbers as one step after the other.

B = 3 sentences, T = 4 target positions, S = 7 source positions, K = 2 beams, E = 5 embedding units, H = 6 units of a
state, O = 2 units of an attentional state, V = 11 tokens.
"""

import itertools

import pytest
import torch
from torch import Tensor, nn

from s2s.config.model import AttentionScore, Cell
from s2s.models.attention import ATTENTIONS, Memory
from s2s.models.decoder import Decoder, DecoderState

B, T, S, K, E, H, O, V = 3, 4, 7, 2, 5, 6, 2, 11  # noqa: E741
LENGTHS = torch.tensor([7, 1, 4])


def decoder(
    cell: Cell = Cell.lstm,
    score: AttentionScore = AttentionScore.dot,
    *,
    layers: int = 1,
    is_residual: bool = False,
    is_input_feeding: bool = False,
    is_locked: bool = False,
    **rates: float,
) -> Decoder:
    torch.manual_seed(7)
    module = Decoder(
        nn.Embedding(V, E),
        cell,
        H,
        ATTENTIONS[score](H, O),
        layers=layers,
        is_residual=is_residual,
        is_input_feeding=is_input_feeding,
        is_locked=is_locked,
        **rates,
    )
    return module.double().eval()


def start_of(module: Decoder) -> tuple[DecoderState, Memory]:
    """The state after, and the memory of, an encoder with random states."""
    torch.manual_seed(11)
    states_BSH = torch.randn(B, S, H, dtype=torch.float64)
    last = [torch.randn(B, H, dtype=torch.float64) for _ in module.layers]
    return module.start(last), module.attention.build_memory(states_BSH, torch.arange(S) < LENGTHS[:, None])


def random_target(*shape: int) -> Tensor:
    return torch.randint(V, shape, generator=torch.Generator().manual_seed(5))


def by_steps(module: Decoder, target_BT: Tensor, state: DecoderState, memory: Memory) -> tuple[Tensor, Tensor]:
    attentional, weights = [], []
    for token_B1 in target_BT.split(1, dim=1):
        attentional_B1O, weights_B1S, state = module.step(token_B1, state, memory)
        attentional.append(attentional_B1O)
        weights.append(weights_B1S)
    return torch.cat(attentional, dim=1), torch.cat(weights, dim=1)


def tensors(state: DecoderState) -> list[Tensor]:
    return [*itertools.chain(*state.layers), *([] if state.attentional_NO is None else [state.attentional_NO])]


@pytest.mark.parametrize("is_input_feeding", [False, True])
@pytest.mark.parametrize(("layers", "is_residual"), [(1, False), (2, False), (2, True), (3, True)])
@pytest.mark.parametrize("score", AttentionScore)
@pytest.mark.parametrize("cell", Cell)
def test_all_positions_at_once_equal_step_by_step(
    cell: Cell, score: AttentionScore, layers: int, is_residual: bool, is_input_feeding: bool
) -> None:
    module = decoder(cell, score, layers=layers, is_residual=is_residual, is_input_feeding=is_input_feeding)
    state, memory = start_of(module)
    target_BT = random_target(B, T)
    found = module(target_BT, state, memory)
    assert [tensor.shape for tensor in found] == [(B, T, O), (B, T, S)]
    torch.testing.assert_close(found, by_steps(module, target_BT, state, memory), rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", Cell)
def test_all_positions_at_once_equal_step_by_step_in_float32(cell: Cell) -> None:
    module = decoder(cell, layers=2)
    state, memory = start_of(module)
    module = module.float()
    state = DecoderState(tuple(tuple(tensor.float() for tensor in layer) for layer in state.layers), None)
    memory = Memory(memory.states_BSH.float(), memory.keys_BSA.float(), memory.is_token_BS)
    target_BT = random_target(B, T)
    found = module(target_BT, state, memory)
    torch.testing.assert_close(found, by_steps(module, target_BT, state, memory), rtol=0, atol=1e-5)


def test_decoder_equals_torch_and_attention_one_after_the_other() -> None:
    module = decoder(Cell.lstm, AttentionScore.general, layers=2)
    state, memory = start_of(module)
    target_BT = random_target(B, T)
    reference = nn.LSTM(E, H, num_layers=2, batch_first=True).double()
    weights = {
        f"{name[:-1]}{index}": weight
        for index in range(2)
        for name, weight in module.layers[index].state_dict().items()
    }
    reference.load_state_dict(weights)
    hidden, cell = (torch.stack([layer[part] for layer in state.layers]) for part in range(2))
    states_BTH, _ = reference(module.embedding(target_BT), (hidden, cell))
    torch.testing.assert_close(
        module(target_BT, state, memory), module.attention(states_BTH, memory), rtol=0, atol=1e-12
    )


def test_residual_adds_the_input_of_a_layer_from_the_second_on() -> None:
    module = decoder(Cell.gru, layers=3, is_residual=True)
    state, memory = start_of(module)
    target_BT = random_target(B, T)
    states_BTH, _ = module.layers[0](module.embedding(target_BT), state.layers[0][0][None])
    for layer, (hidden_BH,) in zip(module.layers[1:], state.layers[1:], strict=True):
        states_BTH = states_BTH + layer(states_BTH, hidden_BH[None])[0]
    torch.testing.assert_close(module(target_BT, state, memory), module.attention(states_BTH, memory))


@pytest.mark.parametrize("is_input_feeding", [False, True])
@pytest.mark.parametrize("score", AttentionScore)
@pytest.mark.parametrize("cell", Cell)
def test_beams_equal_as_many_separate_sentences(cell: Cell, score: AttentionScore, is_input_feeding: bool) -> None:
    module = decoder(cell, score, layers=2, is_input_feeding=is_input_feeding)
    start, memory = start_of(module)
    row_of_beam = torch.arange(B).repeat_interleave(K)
    _, _, state = module.step(random_target(B * K, 1), start.select(row_of_beam), memory.select(row_of_beam))
    token_BK = random_target(B, K)
    attentional_BKO, weights_BKS, after = module.step(token_BK, state, memory)
    assert attentional_BKO.shape == (B, K, O)
    assert weights_BKS.shape == (B, K, S)
    for sentence, beam in itertools.product(range(B), range(K)):
        row = torch.tensor([sentence * K + beam])
        alone = module.step(
            token_BK[sentence, beam].reshape(1, 1), state.select(row), memory.select(torch.tensor([sentence]))
        )
        torch.testing.assert_close(alone[0][0, 0], attentional_BKO[sentence, beam], rtol=0, atol=1e-12)
        torch.testing.assert_close(alone[1][0, 0], weights_BKS[sentence, beam], rtol=0, atol=1e-12)
        torch.testing.assert_close(tensors(alone[2]), tensors(after.select(row)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("is_input_feeding", [False, True])
@pytest.mark.parametrize("cell", Cell)
def test_select_takes_rows_in_any_order_and_twice(cell: Cell, is_input_feeding: bool) -> None:
    module = decoder(cell, layers=2, is_input_feeding=is_input_feeding)
    start, memory = start_of(module)
    _, _, state = module.step(random_target(B, 1), start, memory)
    selected = state.select(torch.tensor([2, 0, 2, 1]))
    assert len(tensors(selected)) == 2 * (2 if cell is Cell.lstm else 1) + is_input_feeding
    for before, after in zip(tensors(state), tensors(selected), strict=True):
        assert torch.equal(after, torch.stack([before[2], before[0], before[2], before[1]]))


@pytest.mark.parametrize("cell", Cell)
def test_start_is_a_tanh_layer_over_each_last_state(cell: Cell) -> None:
    module = decoder(cell, layers=2, is_input_feeding=True)
    last = [torch.randn(B, H, dtype=torch.float64) for _ in range(2)]
    state = module.start(last)
    for bridge, last_BH, layer in zip(module.bridges, last, state.layers, strict=True):
        expected_BX = torch.tanh(last_BH @ bridge.weight.T + bridge.bias)
        torch.testing.assert_close(torch.cat(layer, dim=1), expected_BX)
        assert [tensor.shape for tensor in layer] == [(B, H)] * len(layer)
    assert state.attentional_NO is not None
    assert torch.equal(state.attentional_NO, torch.zeros(B, O, dtype=torch.float64))


def test_input_feeding_feeds_the_last_attentional_state_beside_the_token() -> None:
    module = decoder(Cell.gru, is_input_feeding=True)
    start, memory = start_of(module)
    token_B2 = random_target(B, 2)
    first_B1O, _, _ = module.step(token_B2[:, :1], start, memory)
    inputs_B2X = torch.cat(
        [module.embedding(token_B2), torch.cat([torch.zeros_like(first_B1O), first_B1O], dim=1)], dim=-1
    )
    states_B2H, _ = module.layers[0](inputs_B2X, start.layers[0][0][None])
    torch.testing.assert_close(module(token_B2, start, memory), module.attention(states_B2H, memory))


def test_without_input_feeding_nothing_is_fed() -> None:
    module = decoder()
    start, memory = start_of(module)
    _, _, after = module.step(random_target(B, 1), start, memory)
    assert start.attentional_NO is None
    assert after.attentional_NO is None


@pytest.mark.parametrize("is_input_feeding", [False, True])
def test_a_position_never_sees_later_tokens(is_input_feeding: bool) -> None:
    module = decoder(layers=2, is_input_feeding=is_input_feeding)
    state, memory = start_of(module)
    target_BT = random_target(B, T)
    changed_BT = target_BT.clone()
    changed_BT[:, 2:] = (changed_BT[:, 2:] + 1) % V
    before, _ = module(target_BT, state, memory)
    after, _ = module(changed_BT, state, memory)
    torch.testing.assert_close(after[:, :2], before[:, :2], rtol=0, atol=1e-12)
    assert not torch.allclose(after[:, 2:], before[:, 2:])


@pytest.mark.parametrize("is_locked", [False, True])
@pytest.mark.parametrize("is_input_feeding", [False, True])
@pytest.mark.parametrize("name", ["embedding_dropout", "layer_dropout", "output_dropout"])
def test_dropout_only_acts_in_training(name: str, is_input_feeding: bool, is_locked: bool) -> None:
    module = decoder(layers=2, is_input_feeding=is_input_feeding, is_locked=is_locked, **{name: 0.5})
    state, memory = start_of(module)
    target_BT = random_target(B, T)
    attentional_BTO, _ = module(target_BT, state, memory)
    assert torch.equal(module(target_BT, state, memory)[0], attentional_BTO)
    dropped_BTO, _ = module.train()(target_BT, state, memory)
    assert not torch.allclose(dropped_BTO, attentional_BTO)
    assert bool((dropped_BTO == 0).any()) == (name == "output_dropout")
    assert not bool((attentional_BTO == 0).any())


@pytest.mark.parametrize("is_input_feeding", [False, True])
def test_locked_dropout_drops_a_unit_all_along_a_sentence(is_input_feeding: bool) -> None:
    module = decoder(is_input_feeding=is_input_feeding, is_locked=True, output_dropout=0.5).train()
    state, memory = start_of(module)
    is_dropped_BTO = module(random_target(B, T), state, memory)[0] == 0
    assert torch.equal(is_dropped_BTO.all(1), is_dropped_BTO.any(1))
    assert bool(is_dropped_BTO.any())
    assert not bool(is_dropped_BTO.all())


@pytest.mark.parametrize("name", ["embedding_dropout", "layer_dropout", "output_dropout"])
def test_locked_dropout_is_the_same_step_by_step(name: str) -> None:
    """Where the state that is fed back counts for nothing, the loop gives what all positions at once do."""
    at_once = decoder(layers=2, is_locked=True, **{name: 0.5}).train()
    one_by_one = decoder(layers=2, is_locked=True, is_input_feeding=True, **{name: 0.5}).train()
    weights = dict(at_once.named_parameters())
    with torch.no_grad():
        for key, weight in one_by_one.named_parameters():
            weight.zero_()
            weight[..., : weights[key].shape[-1]] = weights[key]
    target_BT = random_target(B, T)
    _, memory = start_of(at_once)
    found = []
    for module in (at_once, one_by_one):
        state, _ = start_of(module)
        torch.manual_seed(1)
        found.append(module(target_BT, state, memory))
    torch.testing.assert_close(*found, rtol=0, atol=1e-12)
