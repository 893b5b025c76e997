"""The encoder against torch's packed sequences: exact at every real token, independent of padding.

B = 3 sentences, S = 7 positions, E = 5 embedding units, H = 6 units of a state (3 a direction), V = 11 tokens.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from s2s.config.model import Cell
from s2s.models.encoder import Encoder, last_states, reorder, reversal
from s2s.models.fused import FUSED

S, E, H, V = 7, 5, 6, 11
LENGTHS = torch.tensor([4, 7, 1])
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
some_lengths = st.lists(st.integers(1, 7), min_size=1, max_size=4)


def encoder(cell: Cell, *, layers: int = 1, is_bidirectional: bool = True, is_residual: bool = False) -> Encoder:
    torch.manual_seed(7)
    module = Encoder(
        nn.Embedding(V, E), cell, H, layers=layers, is_bidirectional=is_bidirectional, is_residual=is_residual
    ).double()
    for name, weight in module.named_parameters():
        if "bias" in name:  # zeros would hide a misplaced bias
            nn.init.normal_(weight)
    return module


def packed_reference(module: Encoder, source_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, list[Tensor]]:
    """What torch computes from the same weights with packed sequences: padded outputs, and each layer's last state."""
    is_bidirectional = module.layers[0].backwards is not None
    cell = next(kind for kind, fused in FUSED.items() if isinstance(module.layers[0].forwards, fused))
    size = H // 2 if is_bidirectional else H
    reference = FUSED[cell](E, size, len(module.layers), batch_first=True, bidirectional=is_bidirectional).double()
    for index, layer in enumerate(module.layers):
        for suffix, part in (("", layer.forwards), ("_reverse", layer.backwards)):
            for name in NAMES if part is not None else ():
                getattr(reference, f"{name}_l{index}{suffix}").data.copy_(getattr(part, f"{name}_l0"))
    packed = pack_padded_sequence(module.embedding(source_BS), lengths_B, batch_first=True, enforce_sorted=False)
    outputs, end = reference(packed)
    states_BSH, _ = pad_packed_sequence(outputs, batch_first=True, total_length=source_BS.shape[1])
    hidden = end[0] if cell is Cell.lstm else end
    last = [layer.transpose(0, 1).flatten(1) for layer in hidden.split(2 if is_bidirectional else 1)]
    return states_BSH, last


def is_token(lengths_B: Tensor, num_positions: int) -> Tensor:
    return torch.arange(num_positions) < lengths_B[:, None]


def random_source(num_sentences: int = 3, num_positions: int = S) -> Tensor:
    return torch.randint(V, (num_sentences, num_positions), generator=torch.Generator().manual_seed(5))


def test_reversal_on_paper() -> None:
    assert reversal(torch.tensor([3, 1, 5]), 5).tolist() == [[2, 1, 0, 3, 4], [0, 1, 2, 3, 4], [4, 3, 2, 1, 0]]


@given(lengths=some_lengths, padding=st.integers(0, 4))
@settings(max_examples=40, deadline=None)
def test_reversal_is_its_own_inverse_and_leaves_padding_at_the_end(lengths: list[int], padding: int) -> None:
    num_positions = max(lengths) + padding
    states_BSH = torch.arange(len(lengths) * num_positions * 2).reshape(len(lengths), num_positions, 2)
    position_BS = reversal(torch.tensor(lengths), num_positions)
    turned_BSH = reorder(states_BSH, position_BS)
    assert torch.equal(reorder(turned_BSH, position_BS), states_BSH)
    for row, length in enumerate(lengths):
        assert torch.equal(turned_BSH[row, :length], states_BSH[row, :length].flip(0))
        assert torch.equal(turned_BSH[row, length:], states_BSH[row, length:])


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("is_bidirectional", [True, False])
@pytest.mark.parametrize("cell", FUSED)
def test_states_equal_those_of_packed_sequences(cell: Cell, is_bidirectional: bool, layers: int) -> None:
    module = encoder(cell, layers=layers, is_bidirectional=is_bidirectional)
    source_BS = random_source()
    states_BSH, last = module(source_BS, LENGTHS)
    expected_BSH, expected_last = packed_reference(module, source_BS, LENGTHS)
    assert states_BSH.shape == (3, S, H)
    real = is_token(LENGTHS, S)
    torch.testing.assert_close(states_BSH[real], expected_BSH[real], rtol=0, atol=1e-12)
    torch.testing.assert_close(last, expected_last, rtol=0, atol=1e-12)


def test_gradients_equal_those_of_packed_sequences() -> None:
    module = encoder(Cell.lstm)
    source_BS = random_source()
    real = is_token(LENGTHS, S)
    weight_NH = torch.randn(int(real.sum()), H, dtype=torch.float64)
    found_BSH, _ = module(source_BS, LENGTHS)
    expected_BSH, _ = packed_reference(module, source_BS, LENGTHS)
    table = [module.embedding.weight]
    torch.testing.assert_close(
        torch.autograd.grad((found_BSH[real] * weight_NH).sum(), table),
        torch.autograd.grad((expected_BSH[real] * weight_NH).sum(), table),
        rtol=0,
        atol=1e-12,
    )


@pytest.mark.parametrize("cell", Cell)
def test_last_state_is_at_the_last_token_forwards_and_at_the_first_backwards(cell: Cell) -> None:
    states_BSH, (last_BH,) = encoder(cell)(random_source(), LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        assert torch.equal(last_BH[row, : H // 2], states_BSH[row, length - 1, : H // 2])
        assert torch.equal(last_BH[row, H // 2 :], states_BSH[row, 0, H // 2 :])


@given(
    lengths=some_lengths,
    padding=st.integers(1, 5),
    cell=st.sampled_from(Cell),
    is_bidirectional=st.booleans(),
    layers=st.integers(1, 2),
)
@settings(max_examples=25, deadline=None)
def test_more_padding_changes_nothing(
    lengths: list[int], padding: int, cell: Cell, is_bidirectional: bool, layers: int
) -> None:
    module = encoder(cell, layers=layers, is_bidirectional=is_bidirectional)
    num_positions, lengths_B = max(lengths), torch.tensor(lengths)
    source_BS = random_source(len(lengths), num_positions + padding)  # padding is any token: it must not matter which
    wide_BSH, wide_last = module(source_BS, lengths_B)
    narrow_BSH, narrow_last = module(source_BS[:, :num_positions], lengths_B)
    real = is_token(lengths_B, num_positions)
    torch.testing.assert_close(wide_BSH[:, :num_positions][real], narrow_BSH[real], rtol=0, atol=1e-12)
    torch.testing.assert_close(wide_last, narrow_last, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", Cell)
def test_one_sentence_equals_the_same_sentence_in_a_batch(cell: Cell) -> None:
    module = encoder(cell, layers=2)
    source_BS = random_source()
    states_BSH, last = module(source_BS, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone_1SH, alone_last = module(source_BS[row : row + 1, :length], LENGTHS[row : row + 1])
        torch.testing.assert_close(alone_1SH[0], states_BSH[row, :length], rtol=0, atol=1e-12)
        torch.testing.assert_close(alone_last, [last_BH[row : row + 1] for last_BH in last], rtol=0, atol=1e-12)


@pytest.mark.parametrize("is_bidirectional", [True, False])
def test_residual_adds_the_input_of_a_layer_from_the_second_on(is_bidirectional: bool) -> None:
    module = encoder(Cell.gru, layers=3, is_bidirectional=is_bidirectional, is_residual=True)
    source_BS = random_source()
    found_BSH, last = module(source_BS, LENGTHS)
    states_BSH = module.layers[0](module.embedding(source_BS), LENGTHS)
    for layer in module.layers[1:]:
        outputs_BSH = layer(states_BSH, LENGTHS)
        states_BSH = states_BSH + outputs_BSH
    torch.testing.assert_close(found_BSH, states_BSH)
    torch.testing.assert_close(last[-1], last_states(outputs_BSH, LENGTHS, is_bidirectional=is_bidirectional))
    assert [tensor.shape for tensor in last] == [(3, H)] * 3


@pytest.mark.parametrize("rates", [{"embedding_dropout": 0.5}, {"layer_dropout": 0.5}], ids=str)
def test_dropout_only_acts_in_training(rates: dict[str, float]) -> None:
    torch.manual_seed(7)
    module = Encoder(nn.Embedding(V, E), Cell.lstm, H, **rates)
    source_BS = random_source()
    trained_BSH, _ = module.train()(source_BS, LENGTHS)
    first_BSH, _ = module.eval()(source_BS, LENGTHS)
    second_BSH, _ = module(source_BS, LENGTHS)
    assert torch.equal(first_BSH, second_BSH)
    assert not torch.allclose(trained_BSH, first_BSH)
    assert bool((trained_BSH == 0).any()) == ("layer_dropout" in rates)
    assert not bool((first_BSH == 0).any())


def test_locked_dropout_drops_a_unit_all_along_a_sentence() -> None:
    torch.manual_seed(7)
    module = Encoder(nn.Embedding(V, E), Cell.gru, H, layer_dropout=0.5, is_locked=True)
    states_BSH, _ = module(random_source(), LENGTHS)
    is_dropped_BSH = states_BSH == 0
    assert torch.equal(is_dropped_BSH.all(1), is_dropped_BSH.any(1))
    assert bool(is_dropped_BSH.any())
    assert not bool(is_dropped_BSH.all())
