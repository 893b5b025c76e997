"""The encoder and one step of the decoder as ONNX graphs: the same computation for programs that have no torch.

The graphs are written node by node. ONNX's own recurrent operators are told the lengths of the sentences, so they read
padding exactly, in either direction, for any number of sentences and positions; what torch's exporters make of a fused
recurrent layer holds for the sizes of one example only.

B sentences, S source positions, K beams of a sentence, N = B * K rows, E embedding units, H units of a state, I input
units of a layer, D directions, A units of a comparison, O units of an attentional state, V pieces of the target
vocabulary. Where positions stand first (SB), it is since ONNX's recurrent operators want it so.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from s2s.config.model import AttentionScore, Cell
from s2s.data.vocabulary.subwords import NO_TEXT
from s2s.errors import MissingExtraError, RunError
from s2s.models.attention import Attention
from s2s.models.encoder import EncoderLayer
from s2s.models.seq2seq import Seq2Seq

if TYPE_CHECKING:
    import onnx

_OPSET, _IR_VERSION = 17, 8
"""Versions of the operators and of the file: those of ONNX 1.12 (2022), so that older runtimes read them too."""
_MOST_BYTES = 2**31 - 2**20  # protobuf holds 2 GiB in a message; the rest is for what is not weights
_OPERATORS = {Cell.rnn: "RNN", Cell.lstm: "LSTM", Cell.gru: "GRU"}
_GATES = {Cell.rnn: (0,), Cell.lstm: (0, 3, 1, 2), Cell.gru: (1, 0, 2)}
"""Torch's gates in ONNX's order. LSTM: input, output, forget, candidate; GRU: update, reset, candidate."""


def memory_names(model: Seq2Seq) -> list[str]:
    """What the encoder hands over once a sentence, and every step of the decoder takes; nothing without attention."""
    match model.decoder.attention.score:
        case AttentionScore.none:
            return []
        case AttentionScore.dot:
            return ["memory_states", "memory_is_token"]
        case AttentionScore.general | AttentionScore.additive:
            return ["memory_states", "memory_is_token", "memory_keys"]


def state_names(model: Seq2Seq) -> list[str]:
    """What a step of the decoder takes and, as `next_NAME`, hands on; the encoder gives the first ones."""
    parts = ("hidden", "cell")[: model.decoder.num_states]
    layers = [f"{part}_{index}" for index in range(len(model.decoder.layers)) for part in parts]
    return [*layers, "attentional"] if model.decoder.is_input_feeding else layers


class _Graph:
    """A graph in the making; its methods return the names of what they compute."""

    def __init__(self, model: Seq2Seq) -> None:
        try:
            import onnx
        except ImportError as error:
            raise MissingExtraError(
                'format=onnx needs onnx: pip install "s2s[export]", or give format=s2s, which needs nothing more'
            ) from error
        self._onnx = onnx
        self._names = {id(parameter): name for name, parameter in model.named_parameters()}
        self._weights: dict[str, onnx.TensorProto] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, kind: type, *axes: str | int) -> str:
        """A tensor that is given; axes of any size have a name."""
        self._inputs.append(self._value(name, kind, axes))
        return name

    def output(self, name: str, value: str, kind: type, *axes: str | int) -> None:
        """Give a value back under a name."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name]))
        self._outputs.append(self._value(name, kind, axes))

    def _value(self, name: str, kind: type, axes: Sequence[str | int]) -> "onnx.ValueInfoProto":
        return self._onnx.helper.make_tensor_value_info(name, self.number(kind), axes)

    def number(self, kind: type) -> int:
        """ONNX's number of a type of numbers."""
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind)))

    def nodes(self, operator: str, inputs: Sequence[str], num_outputs: int, **attributes: Any) -> list[str]:
        """Apply an operator with several results."""
        outputs = [f"{operator}_{len(self._nodes)}_{index}" for index in range(num_outputs)]
        self._nodes.append(self._onnx.helper.make_node(operator, list(inputs), outputs, **attributes))
        return outputs

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Apply an operator with one result."""
        return self.nodes(operator, inputs, 1, **attributes)[0]

    def constant(self, values: Any, kind: type = np.int64) -> str:
        """Numbers that are known now."""
        name = f"constant_{len(self._weights)}"
        self._weights[name] = self._onnx.numpy_helper.from_array(np.asarray(values, dtype=kind), name)
        return name

    def weight(self, tensor: Tensor, name: str | None = None) -> str:
        """A parameter of the model, stored once however often it is used; or, with a name, what was made of some."""
        name = name or self._names[id(tensor)]
        if name not in self._weights:
            self._weights[name] = self._onnx.numpy_helper.from_array(_fp32(tensor), name)
        return name

    def linear(self, inputs_NI: str, layer: nn.Linear) -> str:
        """W x + b, or W x for a layer without b."""
        parameters = [self.weight(parameter) for parameter in (layer.weight, layer.bias) if parameter is not None]
        return self.node("Gemm", inputs_NI, *parameters, transB=1)

    def reshaped(self, value: str, like: str, size: int) -> str:
        """A matrix as rows of `size` units for each entry of a tensor of ids, such as (B, K)."""
        shape = self.node("Concat", self.node("Shape", like), self.constant([size]), axis=0)
        return self.node("Reshape", value, shape)

    def flat(self, value: str, size: int) -> str:
        """Rows of `size` units as a matrix."""
        return self.node("Reshape", value, self.constant([-1, size]))

    def unsqueezed(self, value: str, axis: int) -> str:
        """The same with an axis of size 1 more."""
        return self.node("Unsqueeze", value, self.constant([axis]))

    def recurrent(
        self,
        cell: Cell,
        layers: Sequence[nn.RNNBase],
        inputs_SBI: str,
        *,
        lengths_B: str = "",
        start: Sequence[str] = (),
    ) -> list[str]:
        """A recurrent layer that reads forwards, or with a second fused layer backwards too.

        Args:
            cell: of the layers.
            layers: one a direction.
            inputs_SBI: any states.
            lengths_B: real positions of each sentence; left out, all of them.
            start: the state before, each tensor (D, B, H / D); left out, zeros.

        Returns:
            The hidden states (S, D, B, H / D), 0 at padding, and the state after each sentence, as `start`.
        """
        weights = [
            self._gates(cell, layers, *names) for names in (["weight_ih"], ["weight_hh"], ["bias_ih", "bias_hh"])
        ]
        attributes = {"linear_before_reset": 1} if cell is Cell.gru else {}
        return self.nodes(
            _OPERATORS[cell],
            [inputs_SBI, *weights, lengths_B, *start],
            3 if cell is Cell.lstm else 2,
            hidden_size=layers[0].hidden_size,
            direction="bidirectional" if len(layers) == 2 else "forward",
            **attributes,
        )

    def _gates(self, cell: Cell, layers: Sequence[nn.RNNBase], *names: str) -> str:
        """Parameters of the fused layers with their gates in ONNX's order, a row a direction, one after the other."""
        rows = []
        for layer in layers:
            parameters = [layer.get_parameter(f"{name}_l0") for name in names]
            gates = [parameter.detach().split(layer.hidden_size) for parameter in parameters]
            rows.append(torch.cat([each[index] for each in gates for index in _GATES[cell]]))
        first = self._names[id(layers[0].get_parameter(f"{names[0]}_l0"))]
        return self.weight(torch.stack(rows), f"{first}.in_onnx_order")

    def finished(self, name: str) -> "onnx.ModelProto":
        """The graph as a model.

        Raises:
            RunError: its weights are more than a file of this kind can hold.
        """
        num_bytes = sum(len(weight.raw_data) for weight in self._weights.values())
        if num_bytes > _MOST_BYTES:
            raise RunError(
                f"the {name}'s weights are {num_bytes / 1e9:.1f} GB, more than the 2 GB that an ONNX file can hold: "
                "give format=s2s, which has no such limit"
            )
        make = self._onnx.helper
        graph = make.make_graph(self._nodes, name, self._inputs, self._outputs, list(self._weights.values()))
        opsets = [make.make_opsetid("", _OPSET)]
        model: onnx.ModelProto = make.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="s2s"
        )
        return model


def _fp32(tensor: Tensor) -> npt.NDArray[np.float32]:
    return tensor.detach().float().cpu().contiguous().numpy()


def encoder_graph(model: Seq2Seq) -> "onnx.ModelProto":
    """`Seq2Seq.encode` as a graph.

    Inputs: `source_ids` (B, S), padded at the end with any id, and `lengths` (B), real positions of each sentence,
    `</s>` included. Outputs: `memory_names` and `state_names`, with K = 1, so that N = B.

    Raises:
        MissingExtraError: onnx is not installed.
        RunError: the model is too large.
    """
    graph, encoder = _Graph(model), model.encoder
    source_BS = graph.input("source_ids", np.int64, "batch", "source_length")
    lengths_B = graph.input("lengths", np.int64, "batch")
    short_lengths_B = graph.node("Cast", lengths_B, to=graph.number(np.int32))  # as recurrent operators want them
    states_BSE = graph.node("Gather", graph.weight(encoder.embedding.weight), source_BS)
    states = graph.node("Transpose", states_BSE, perm=[1, 0, 2])
    last = []
    for index, layer in enumerate(encoder.layers):
        assert isinstance(layer, EncoderLayer)
        directions = [each for each in (layer.forwards, layer.backwards) if each is not None]
        outputs_SDBH, last_DBH, *_ = graph.recurrent(model.decoder.cell, directions, states, lengths_B=short_lengths_B)
        outputs_SBDH = graph.node("Transpose", outputs_SDBH, perm=[0, 2, 1, 3])
        outputs_SBH = graph.node("Reshape", outputs_SBDH, graph.constant([0, 0, -1]))
        states = graph.node("Add", states, outputs_SBH) if encoder.is_residual and index > 0 else outputs_SBH
        last.append(graph.flat(graph.node("Transpose", last_DBH, perm=[1, 0, 2]), model.decoder.hidden_size))
    _remember(graph, model, source_BS, lengths_B, graph.node("Transpose", states, perm=[1, 0, 2]))
    _start(graph, model, lengths_B, last)
    return graph.finished("encoder")


def _remember(graph: _Graph, model: Seq2Seq, source_BS: str, lengths_B: str, states_BSH: str) -> None:
    """`Attention.remember`: what there is to look at."""
    attention, size = model.decoder.attention, model.decoder.hidden_size
    if attention.score is AttentionScore.none:
        return
    num_positions = graph.node("Gather", graph.node("Shape", source_BS), graph.constant(1))
    position_S = graph.node("Range", graph.constant(0), num_positions, graph.constant(1))
    is_token_BS = graph.node("Less", position_S, graph.unsqueezed(lengths_B, 1))
    graph.output("memory_states", states_BSH, np.float32, "batch", "source_length", size)
    graph.output("memory_is_token", is_token_BS, np.bool_, "batch", "source_length")
    if attention.score in (AttentionScore.general, AttentionScore.additive):
        keys_BSA = graph.reshaped(graph.linear(graph.flat(states_BSH, size), attention.key), source_BS, size)
        graph.output("memory_keys", keys_BSA, np.float32, "batch", "source_length", size)


def _start(graph: _Graph, model: Seq2Seq, lengths_B: str, last: Sequence[str]) -> None:
    """`Decoder.start`: the state before the first word, from the last state (B, H) of each encoder layer."""
    decoder = model.decoder
    parts = []
    for bridge, last_BH in zip(decoder.bridges, last, strict=True):
        assert isinstance(bridge, nn.Linear)
        state = graph.node("Tanh", graph.linear(last_BH, bridge))
        parts += graph.nodes("Split", [state], decoder.num_states, axis=1) if decoder.num_states > 1 else [state]
    sizes = [decoder.hidden_size] * len(parts)
    if decoder.is_input_feeding:
        sizes.append(decoder.attention.combine.out_features)
        shape = graph.node("Concat", graph.node("Shape", lengths_B), graph.constant(sizes[-1:]), axis=0)
        parts.append(graph.node("ConstantOfShape", shape))  # of zeros
    for name, part, size in zip(state_names(model), parts, sizes, strict=True):
        graph.output(name, part, np.float32, "batch", size)


def decoder_graph(model: Seq2Seq) -> "onnx.ModelProto":
    """`Seq2Seq.step` as a graph: one word further in each of K beams of B sentences.

    Inputs: `token_ids` (B, K), the last word of each beam; `state_names`, with N rows, row b * K + k for beam k of
    sentence b; and `memory_names`. Outputs: `log_probabilities` (B, K, V) of the next word, in nats, normalised over
    the words that a translation can hold (those of `<pad>`, `<unk>` and `<s>` are -inf); with attention `attention`
    (B, K, S), its weights, 0 at padding; and each state as `next_NAME`.

    Raises:
        MissingExtraError: onnx is not installed.
        RunError: the model is too large.
    """
    graph, decoder = _Graph(model), model.decoder
    token_BK = graph.input("token_ids", np.int64, "batch", "beams")
    embedding = graph.weight(decoder.embedding.weight)
    inputs_NI = graph.node("Gather", embedding, graph.node("Reshape", token_BK, graph.constant([-1])))
    starts = [graph.input(name, np.float32, "rows", _size(model, name)) for name in state_names(model)]
    if decoder.is_input_feeding:
        inputs_NI = graph.node("Concat", inputs_NI, starts.pop(), axis=1)
    states_1NH, ends = _recur(graph, model, graph.unsqueezed(inputs_NI, 0), starts)
    query_NH = graph.flat(states_1NH, decoder.hidden_size)
    attentional_NO = _attend(graph, decoder.attention, query_NH, token_BK)
    scores_NV = graph.node("Gemm", attentional_NO, graph.weight(model.output.weight), _possible(graph, model), transB=1)
    log_probabilities_NV = graph.node("LogSoftmax", scores_NV, axis=1)
    num_pieces = model.output.out_features
    log_probabilities_BKV = graph.reshaped(log_probabilities_NV, token_BK, num_pieces)
    graph.output("log_probabilities", log_probabilities_BKV, np.float32, "batch", "beams", num_pieces)
    if decoder.is_input_feeding:
        ends.append(attentional_NO)
    for name, end in zip(state_names(model), ends, strict=True):
        graph.output(f"next_{name}", end, np.float32, "rows", _size(model, name))
    return graph.finished("decoder")


def _size(model: Seq2Seq, state: str) -> int:
    """Units of a state."""
    return model.decoder.attention.combine.out_features if state == "attentional" else model.decoder.hidden_size


def _possible(graph: _Graph, model: Seq2Seq) -> str:
    """The output layer's bias; -inf for pieces that are no text."""
    bias_V = model.output.bias.detach().clone()
    bias_V[NO_TEXT] = -torch.inf
    return graph.weight(bias_V, "output.bias.of_possible_words")


def _recur(graph: _Graph, model: Seq2Seq, inputs_1NI: str, starts: Sequence[str]) -> tuple[str, list[str]]:
    """`Decoder._recur` over one position.

    Returns:
        The states (1, N, H) of the last layer, and the end state (N, H) of every layer.
    """
    decoder, states, after = model.decoder, inputs_1NI, []
    for index, layer in enumerate(decoder.layers):
        assert isinstance(layer, nn.RNNBase)
        before = starts[index * decoder.num_states : (index + 1) * decoder.num_states]
        start = [graph.unsqueezed(each, 0) for each in before]
        # One direction and one position: the state after it, (D, N, H), is the layer's outputs (S, N, H) as well.
        _, *ends = graph.recurrent(decoder.cell, [layer], states, start=start)
        states = graph.node("Add", states, ends[0]) if decoder.is_residual and index > 0 else ends[0]
        after += [graph.flat(end, decoder.hidden_size) for end in ends]
    return states, after


def _attend(graph: _Graph, attention: Attention, query_NH: str, token_BK: str) -> str:
    """`Attention.forward`, the six steps; returns the attentional states (N, O)."""
    if attention.score is AttentionScore.none:
        return graph.node("Tanh", graph.linear(query_NH, attention.combine))
    size = attention.combine.in_features // 2
    states_BSH = graph.input("memory_states", np.float32, "batch", "source_length", size)
    is_token_BS = graph.input("memory_is_token", np.bool_, "batch", "source_length")
    scores_BKS = _scores(graph, attention, query_NH, token_BK, states_BSH, size)
    least = graph.constant(-math.inf, np.float32)
    scores_BKS = graph.node("Where", graph.unsqueezed(is_token_BS, 1), scores_BKS, least)
    weights_BKS = graph.node("Softmax", scores_BKS, axis=2)
    graph.output("attention", weights_BKS, np.float32, "batch", "beams", "source_length")
    context_NH = graph.flat(graph.node("MatMul", weights_BKS, states_BSH), size)
    both_N2H = graph.node("Concat", context_NH, query_NH, axis=1)
    return graph.node("Tanh", graph.linear(both_N2H, attention.combine))


def _scores(graph: _Graph, attention: Attention, query_NH: str, token_BK: str, states_BSH: str, size: int) -> str:
    """How well each source position (B, K, S) fits what each beam asks for."""
    keys_BSA = states_BSH
    if attention.score in (AttentionScore.general, AttentionScore.additive):
        keys_BSA = graph.input("memory_keys", np.float32, "batch", "source_length", size)
    if attention.score is AttentionScore.additive:
        query_BKA = graph.reshaped(graph.linear(query_NH, attention.query), token_BK, size)
        sums_BKSA = graph.node("Add", graph.unsqueezed(query_BKA, 2), graph.unsqueezed(keys_BSA, 1))
        energy_A = graph.weight(attention.energy.weight[0], "decoder.attention.energy")
        return graph.node("MatMul", graph.node("Tanh", sums_BKSA), energy_A)
    query_BKH = graph.reshaped(query_NH, token_BK, size)
    scores_BKS = graph.node("MatMul", query_BKH, graph.node("Transpose", keys_BSA, perm=[0, 2, 1]))
    return graph.node("Mul", scores_BKS, graph.constant(attention.scale, np.float32))
