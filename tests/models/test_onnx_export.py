"""Exported graphs, run by onnxruntime, against the model in torch.

B sentences, S source positions, K beams, N = B * K rows, V pieces of the target vocabulary.
"""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from s2s.config.model import AttentionScore, Cell, ModelConfig, Tie
from s2s.data.vocabulary.subwords import BOS, PAD, UNK
from s2s.errors import MissingExtraError, RunError
from s2s.models import onnx_export as graphs
from s2s.models.decoder import DecoderState
from s2s.models.onnx_export import decoder_graph, encoder_graph, memory_names, state_names
from s2s.models.seq2seq import Seq2Seq, build_seq2seq

Array = npt.NDArray[Any]

VARIANTS = [
    {},
    {"attention": AttentionScore.general, "layers": 2, "residual": True},
    {"attention": AttentionScore.additive, "bidirectional": False},
    {"attention": AttentionScore.none, "layers": 3, "bidirectional": False, "residual": True},
    {"attention": AttentionScore.none, "tie": Tie.all},
    {"scale_attention": True, "input_feeding": True, "tie": Tie.output},
    {"attention": AttentionScore.additive, "input_feeding": True, "layers": 2, "tie": Tie.all},
    {"attention": AttentionScore.general, "input_feeding": True, "layers": 3, "bidirectional": False, "residual": True},
]
SIZES = [(1, 1, 1), (3, 7, 2), (5, 4, 3)]
"""(B, S, K)"""


def build(**options: Any) -> Seq2Seq:
    torch.manual_seed(1)
    target = 31 if options.get("tie") is Tie.all else 37
    model = build_seq2seq(ModelConfig(embedding_size=10, hidden_size=6, **options), 31, target).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)  # biases too, which start at 0
    return model


class Session:
    """A graph that was checked by onnx."""

    def __init__(self, graph: onnx.ModelProto) -> None:
        onnx.checker.check_model(graph, full_check=True)
        self.session = onnxruntime.InferenceSession(graph.SerializeToString())

    def run(self, **inputs: Array) -> dict[str, Array]:
        names = [output.name for output in self.session.get_outputs()]
        return dict(zip(names, self.session.run(None, inputs), strict=True))


def close(array: Array, tensor: Tensor) -> None:
    torch.testing.assert_close(torch.from_numpy(array), tensor, rtol=1e-4, atol=1e-4)


def parts(state: DecoderState) -> list[Tensor]:
    """In the order of `state_names`."""
    fed = [] if state.attentional_NO is None else [state.attentional_NO]
    return [tensor for layer in state.layers for tensor in layer] + fed


def sentences(num: int, longest: int) -> tuple[Tensor, Tensor]:
    """Ids of any kind, at padding too, and lengths of which one at least is `longest`."""
    lengths_B = torch.randint(1, longest + 1, (num,))
    lengths_B[num // 2] = longest
    return torch.randint(0, 31, (num, longest)), lengths_B


every_variant = pytest.mark.parametrize("options", VARIANTS, ids=lambda options: " ".join(options) or "default")
every_cell = pytest.mark.parametrize("cell", Cell, ids=lambda cell: cell.name)


@every_cell
@every_variant
@torch.no_grad()
def test_the_encoder_is_that_of_torch(options: dict[str, Any], cell: Cell) -> None:
    model = build(cell=cell, **options)
    encoder = Session(encoder_graph(model))
    for num, longest, _ in SIZES:
        source_BS, lengths_B = sentences(num, longest)
        memory, state = model.encode(source_BS, lengths_B)
        read = encoder.run(source_ids=source_BS.numpy(), lengths=lengths_B.numpy())
        assert list(read) == memory_names(model) + state_names(model)
        for name, tensor in zip(state_names(model), parts(state), strict=True):
            close(read[name], tensor)
        if "memory_states" in read:
            is_token_BS = memory.is_token_BS.numpy()
            assert np.array_equal(read["memory_is_token"], is_token_BS)
            close(read["memory_states"][is_token_BS], memory.states_BSH[memory.is_token_BS])
        if "memory_keys" in read:
            close(read["memory_keys"][is_token_BS], memory.keys_BSA[memory.is_token_BS])


@every_cell
@every_variant
@torch.no_grad()
def test_the_decoder_is_that_of_torch(options: dict[str, Any], cell: Cell) -> None:
    """Three steps, each from the state that the graph itself gave."""
    model = build(cell=cell, **options)
    decoder = Session(decoder_graph(model))
    for num, longest, beams in SIZES:
        memory, state = model.encode(*sentences(num, longest))
        state = state.select(torch.arange(num).repeat_interleave(beams))
        known = zip(("memory_states", "memory_keys", "memory_is_token"), vars(memory).values(), strict=True)
        kept = {name: tensor.numpy() for name, tensor in known if name in memory_names(model)}
        given = {name: tensor.numpy() for name, tensor in zip(state_names(model), parts(state), strict=True)}
        for _ in range(3):
            token_BK = torch.randint(0, 31, (num, beams))
            scores_BKV, weights_BKS, state = model.step(token_BK, state, memory)
            scores_BKV[:, :, [PAD, UNK, BOS]] = -torch.inf
            step = decoder.run(token_ids=token_BK.numpy(), **given, **kept)
            close(step["log_probabilities"], scores_BKV.log_softmax(dim=-1))
            assert ("attention" in step) == bool(kept)
            if kept:
                close(step["attention"], weights_BKS)
                assert np.all(step["attention"].transpose(0, 2, 1)[~kept["memory_is_token"]] == 0)
            given = {name: step[f"next_{name}"] for name in state_names(model)}
            for name, tensor in zip(state_names(model), parts(state), strict=True):
                close(given[name], tensor)


@every_variant
def test_what_stands_at_padding_changes_nothing(options: dict[str, Any]) -> None:
    model = build(cell=Cell.gru, **options)
    encoder = Session(encoder_graph(model))
    ids, lengths = np.array([[7, 3, PAD, PAD, PAD]]), np.array([2])
    read, padded = encoder.run(source_ids=ids[:, :2], lengths=lengths), encoder.run(source_ids=ids, lengths=lengths)
    ids[:, 2:] = [[5, 9, 30]]
    other = encoder.run(source_ids=ids, lengths=lengths)
    for name in state_names(model):
        assert np.array_equal(read[name], padded[name])
        assert np.array_equal(read[name], other[name])
    if "memory_states" in read:
        assert np.array_equal(read["memory_states"], padded["memory_states"][:, :2])
        assert np.array_equal(read["memory_states"], other["memory_states"][:, :2])


def test_names() -> None:
    model = build(cell=Cell.lstm, layers=2, attention=AttentionScore.additive, input_feeding=True)
    assert memory_names(model) == ["memory_states", "memory_is_token", "memory_keys"]
    assert state_names(model) == ["hidden_0", "cell_0", "hidden_1", "cell_1", "attentional"]
    model = build(cell=Cell.rnn, attention=AttentionScore.none)
    assert (memory_names(model), state_names(model)) == ([], ["hidden_0"])


def test_the_same_model_gives_the_same_bytes() -> None:
    for graph in (encoder_graph, decoder_graph):
        assert graph(build()).SerializeToString() == graph(build()).SerializeToString()


@pytest.mark.parametrize(("tie", "num_tables"), [(Tie.none, 2), (Tie.output, 1)])
def test_a_tied_table_is_stored_once(tie: Tie, num_tables: int) -> None:
    """The embeddings (37, 10), and the output layer, (37, 6) where it is another table."""
    weights = decoder_graph(build(tie=tie)).graph.initializer
    assert len([weight for weight in weights if len(weight.dims) == 2 and weight.dims[0] == 37]) == num_tables


def test_every_size_is_open() -> None:
    inputs = [*encoder_graph(build()).graph.input, *decoder_graph(build()).graph.input]
    names = {
        each.name: [axis.dim_param or axis.dim_value for axis in each.type.tensor_type.shape.dim] for each in inputs
    }
    assert names == {
        "source_ids": ["batch", "source_length"],
        "lengths": ["batch"],
        "token_ids": ["batch", "beams"],
        "hidden_0": ["rows", 6],
        "cell_0": ["rows", 6],
        "memory_states": ["batch", "source_length", 6],
        "memory_is_token": ["batch", "source_length"],
    }


@pytest.mark.parametrize("graph", [encoder_graph, decoder_graph])
def test_without_onnx(graph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r'pip install "s2s\[export\]"'):
        graph(build())


def test_too_large_for_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder's table alone is 31 * 10 * 4 bytes."""
    monkeypatch.setattr(graphs, "_MOST_BYTES", 31 * 10 * 4)
    with pytest.raises(RunError, match=r"the encoder's weights are 0\.0 GB, more than the 2 GB .* format=s2s"):
        encoder_graph(build())
