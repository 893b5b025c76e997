"""A packed model gives the numbers of the model's own encoder and step, whatever the network and the type of products.

B = 3 sentences, S = 7 source positions, K = 2 beams, E = 5 embedding units, H = 6 units of a state, V = 11 or 13
tokens.
"""

import itertools

import pytest
import torch
from torch import Tensor

from s2s.config.decoding import EnsembleMean
from s2s.config.model import AttentionScore, Cell, ModelConfig, Tie
from s2s.data.vocabulary.subwords import BOS, PAD, UNK
from s2s.decoding import packed_model
from s2s.decoding.ensemble import Ensemble, EnsembleState
from s2s.device import BF16_FLAGS, INT8_FLAGS, cpu_has
from s2s.models.decoder import DecoderState
from s2s.models.seq2seq import Seq2Seq, build_seq2seq

B, S, K, E, H, SOURCE_V, TARGET_V = 3, 7, 2, 5, 6, 13, 11
LENGTHS = torch.tensor([7, 1, 4])
BANNED = [PAD, UNK, BOS]
needs_int8 = pytest.mark.skipif(not cpu_has(INT8_FLAGS), reason="the processor has no products of 8-bit integers")


def built(seed: int = 7, **options: object) -> Seq2Seq:
    torch.manual_seed(seed)
    config = ModelConfig(embedding_size=E, hidden_size=H, **options)  # type: ignore[arg-type]
    model = build_seq2seq(config, TARGET_V if config.tie is Tie.all else SOURCE_V, TARGET_V)
    with torch.no_grad():
        model.output.bias.normal_()  # it starts at 0, which would hide its absence
    return model.eval()


def source() -> Tensor:
    ids_BS = torch.randint(4, TARGET_V, (B, S), generator=torch.Generator().manual_seed(3))
    return ids_BS.masked_fill(torch.arange(S) >= LENGTHS[:, None], PAD)


def tokens_of(step: int) -> Tensor:
    return torch.randint(4, TARGET_V, (B, K), generator=torch.Generator().manual_seed(step))


BEAMS = torch.arange(B).repeat_interleave(K)


@torch.inference_mode()
def by_model(model: Seq2Seq, num_steps: int = 3) -> list[tuple[Tensor, Tensor, DecoderState]]:
    memory, state = model.encode(source(), LENGTHS)
    state = state.select(BEAMS)
    results = []
    for step in range(num_steps):
        scores_BKV, weights_BKS, state = model.step(tokens_of(step), state, memory)
        results.append((scores_BKV, weights_BKS, state))
    return results


@torch.inference_mode()
def by_ensemble(packed: Ensemble, num_steps: int = 3) -> list[tuple[Tensor, EnsembleState]]:
    state = packed.start(source(), LENGTHS).select(BEAMS, None)
    results = []
    for step in range(num_steps):
        scores_BKV, state = packed.step(tokens_of(step), state)
        results.append((scores_BKV, state))
    return results


NETWORKS = [
    {"cell": cell, "attention": score, "layers": layers, "input_feeding": is_fed, "residual": is_residual, "tie": tie}
    for cell, (score, layers, is_fed, is_residual, tie) in itertools.product(
        Cell,
        [
            (AttentionScore.dot, 1, False, False, Tie.none),
            (AttentionScore.dot, 1, True, False, Tie.output),
            (AttentionScore.general, 3, False, True, Tie.all),
            (AttentionScore.additive, 2, True, True, Tie.none),
            (AttentionScore.none, 2, False, False, Tie.none),
        ],
    )
]


@pytest.mark.parametrize("largest_table", [2**25, 0])
@pytest.mark.parametrize("is_bidirectional", [True, False])
@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_a_packed_model_is_the_model(
    network: dict[str, object], is_bidirectional: bool, largest_table: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_model, "_LARGEST_TABLE", largest_table)
    model = built(bidirectional=is_bidirectional, **network)
    for (scores_BKV, weights_BKS, expected), (found_BKV, state) in zip(
        by_model(model), by_ensemble(Ensemble([model])), strict=True
    ):
        assert torch.allclose(found_BKV, scores_BKV, atol=1e-5)
        (decoder,) = state.decoders
        for layer, expected_layer in zip(decoder.layers, expected.layers, strict=True):
            assert all(torch.allclose(*pair, atol=1e-5) for pair in zip(layer, expected_layer, strict=True))
        if network["attention"] is AttentionScore.none:
            assert state.attention_BKS is None
        else:
            assert state.attention_BKS is not None
            assert torch.allclose(state.attention_BKS, weights_BKS, atol=1e-5)
            assert not state.attention_BKS[1, :, 1:].any()  # padding


DTYPES = [
    pytest.param(torch.bfloat16, marks=pytest.mark.skipif(not cpu_has(BF16_FLAGS), reason="the processor has no bf16")),
    pytest.param(torch.int8, marks=needs_int8),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_rounded_weights_give_nearly_the_same(network: dict[str, object], dtype: torch.dtype) -> None:
    model = built(**network)
    for (scores_BKV, _, _), (found_BKV, _) in zip(by_model(model), by_ensemble(Ensemble([model], dtype)), strict=True):
        assert found_BKV.dtype is torch.float32
        assert 0 < (found_BKV - scores_BKV).abs().max() < 0.1


def test_a_table_does_not_depend_on_which_tokens_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """V = 150 tokens in three blocks, of which the last one is short; the first sentence needs one of them."""
    torch.manual_seed(3)
    embedding_VE, weight_GE, bias_G = torch.randn(150, E), torch.randn(4 * H, E), torch.randn(4 * H)
    layer = torch.nn.functional.linear(embedding_VE, weight_GE, bias_G)
    filled: list[int] = []
    fill = packed_model._EmbeddedTable._fill
    monkeypatch.setattr(
        packed_model._EmbeddedTable, "_fill", lambda table, block: (filled.append(block), fill(table, block))
    )
    found = []
    for order in ([torch.tensor([149, 130]), torch.arange(150)], [torch.arange(150)]):
        product = packed_model._pack_embedded(embedding_VE, weight_GE, bias_G, torch.float32)
        assert torch.equal(product(torch.empty(0, dtype=torch.long)), layer[:0])
        outputs = [product(token_N) for token_N in order]
        torch.testing.assert_close(outputs[0], layer[order[0]])
        found.append(outputs[-1])
    assert torch.equal(found[0], found[1])
    assert filled == [2, 0, 1, 0, 1, 2]


def test_banned_tokens_have_no_score() -> None:
    scores_BKV, _ = by_ensemble(Ensemble([built()], banned=BANNED), 1)[0]
    assert torch.isneginf(scores_BKV[:, :, BANNED]).all()
    others = [token for token in range(TARGET_V) if token not in BANNED]
    assert scores_BKV[:, :, others].isfinite().all()


@pytest.mark.parametrize("mean", EnsembleMean)
def test_an_ensemble_is_the_mean_of_its_models(mean: EnsembleMean) -> None:
    models = [built(seed, cell=cell) for seed, cell in ((1, Cell.lstm), (2, Cell.gru), (3, Cell.rnn))]
    each = [torch.log_softmax(by_model(model, 1)[0][0], dim=-1) for model in models]
    if mean is EnsembleMean.probability:
        expected = torch.stack(each).exp().mean(dim=0)
    else:
        expected = torch.softmax(torch.stack(each).mean(dim=0), dim=-1)
    scores_BKV, state = by_ensemble(Ensemble(models, mean=mean), 1)[0]
    assert torch.allclose(torch.softmax(scores_BKV, dim=-1), expected, atol=1e-5)
    assert state.attention_BKS is not None
    mean_BKS = torch.stack([by_model(model, 1)[0][1] for model in models]).mean(dim=0)
    assert torch.allclose(state.attention_BKS, mean_BKS, atol=1e-5)


def test_a_model_without_attention_has_no_part_in_the_mean_attention() -> None:
    models = [built(1, attention=AttentionScore.none), built(2)]
    _, state = by_ensemble(Ensemble(models), 1)[0]
    assert state.attention_BKS is not None
    assert torch.allclose(state.attention_BKS, by_model(models[1], 1)[0][1], atol=1e-5)


@pytest.mark.parametrize("score", [AttentionScore.dot, AttentionScore.general])
def test_rows_and_sentences_are_selected(score: AttentionScore) -> None:
    packed = Ensemble([built(attention=score)])
    with torch.inference_mode():
        state = packed.start(source(), LENGTHS).select(BEAMS, None)
        whole_BKV, _ = packed.step(tokens_of(0), state)
        some_BKV, _ = packed.step(tokens_of(0)[[2, 0]], state.select(torch.tensor([4, 5, 0, 1]), torch.tensor([2, 0])))
    assert torch.allclose(some_BKV, whole_BKV[[2, 0]], atol=1e-5)
