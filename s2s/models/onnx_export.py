"""The encoder and one step of the decoder as ONNX graphs: the same computation for programs that have no torch.

Attention is recorded while it computes; the rest of the graphs is written node by node. ONNX's own recurrent operators
are given the lengths of the sentences, so they read padding exactly, in either direction, for any number of sentences
and positions; what torch's exporters make of a fused recurrent layer holds for the sizes of one example only.

B sentences, S source positions, K beams of a sentence, N = B * K rows, E embedding units, H units of a state, I input
units of a layer, D directions, A units of a key, O units of an attentional state, V tokens of the target vocabulary.
Where positions come first (SB), it is because ONNX's recurrent operators expect it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from s2s.config.model import Cell
from s2s.data.vocabulary.subwords import NO_TEXT
from s2s.errors import MissingExtraError, RunError
from s2s.models.attention import Memory
from s2s.models.cells import CELLS
from s2s.models.encoder import EncoderLayer
from s2s.models.fused import Layer, weights_of
from s2s.models.seq2seq import Seq2Seq

if TYPE_CHECKING:
    import onnx

_OPSET, _IR_VERSION = 17, 8
"""Versions of the operators and of the file: those of ONNX 1.12 (2022), so that older runtimes read them too."""
_MOST_BYTES = 2**31 - 2**20  # protobuf holds 2 GiB in a message; the rest is for what is not weights
_RECURRENT_OPERATORS = {Cell.rnn: "RNN", Cell.lstm: "LSTM", Cell.gru: "GRU"}
_GATES = {Cell.rnn: (0,), Cell.lstm: (0, 3, 1, 2), Cell.gru: (1, 0, 2)}
"""Torch's gates in ONNX's order. LSTM: input, output, forget, candidate; GRU: update, reset, candidate."""
_OPERATORS = {"add": "Add", "bmm": "MatMul", "mul": "Mul", "tanh": "Tanh", "__invert__": "Not"}
"""Torch's functions that are one operator of ONNX, with the same arguments."""


def memory_names(model: Seq2Seq) -> list[str]:
    """What the encoder gives once a sentence, and every step of the decoder takes; nothing without attention."""
    if not model.has_attention:
        return []
    keys = [] if model.decoder.attention.key is None else ["memory_keys"]
    return ["memory_states", "memory_is_token", *keys]


def state_names(model: Seq2Seq) -> list[str]:
    """What a step of the decoder takes and, as `next_NAME`, gives back; the encoder gives the first ones."""
    parts = ("hidden", "cell")[: model.decoder.num_states]
    layers = [f"{part}_{index}" for index in range(len(model.decoder.layers)) for part in parts]
    return [*layers, "attentional"] if model.decoder.is_input_feeding else layers


class _Graph(TorchFunctionMode):
    """A graph under construction; its methods return the names of what they compute.

    In a `with` block, what torch computes from tensors of `stand_in` and parameters of the model becomes nodes too, and
    `name_of` gives its name.
    """

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        try:
            import onnx
        except ImportError as error:
            raise MissingExtraError(
                'format=onnx needs onnx: pip install "s2s[export]", or give format=s2s, which needs nothing more'
            ) from error
        self._onnx = onnx
        self._parameters = {id(parameter): name for name, parameter in model.named_parameters()}
        self._recorded: dict[int, tuple[str, Tensor]] = {}  # the tensors too, so that no other takes over an id
        self._weights: dict[str, onnx.TensorProto] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, dtype: type, *axes: str | int) -> str:
        """A tensor that is given; axes of any size have a name."""
        self._inputs.append(self._value(name, dtype, axes))
        return name

    def output(self, name: str, value: str, dtype: type, *axes: str | int) -> None:
        """Give a value back under a name."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name]))
        self._outputs.append(self._value(name, dtype, axes))

    def _value(self, name: str, dtype: type, axes: Sequence[str | int]) -> "onnx.ValueInfoProto":
        return self._onnx.helper.make_tensor_value_info(name, self.dtype_number(dtype), axes)

    def dtype_number(self, dtype: type) -> int:
        """ONNX's number of a type of numbers."""
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def nodes(self, operator: str, inputs: Sequence[str], num_outputs: int, **attributes: Any) -> list[str]:
        """Apply an operator with several results."""
        outputs = [f"{operator}_{len(self._nodes)}_{index}" for index in range(num_outputs)]
        self._nodes.append(self._onnx.helper.make_node(operator, list(inputs), outputs, **attributes))
        return outputs

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Apply an operator with one result."""
        return self.nodes(operator, inputs, 1, **attributes)[0]

    def constant(self, values: Any, dtype: type = np.int64) -> str:
        """Numbers that are known now."""
        name = f"constant_{len(self._weights)}"
        self._weights[name] = self._onnx.numpy_helper.from_array(np.asarray(values, dtype=dtype), name)
        return name

    def weight(self, tensor: Tensor, name: str | None = None) -> str:
        """A parameter of the model, stored once however often it is used; or, with a name, what was made of some."""
        name = name or self._parameters[id(tensor)]
        if name not in self._weights:
            values = tensor.detach().float().cpu().contiguous().numpy()
            self._weights[name] = self._onnx.numpy_helper.from_array(values, name)
        return name

    def flat(self, value: str, size: int) -> str:
        """Rows of `size` units as a matrix."""
        return self.node("Reshape", value, self.constant([-1, size]))

    def unsqueezed(self, value: str, *axes: int) -> str:
        """The same with more axes of size 1, at these numbers."""
        return self.node("Unsqueeze", value, self.constant(axes))

    def stand_in(self, value: str, tensor: Tensor) -> Tensor:
        """Have a tensor stand for a value in a `with` block; only its type, axes and units have to be right."""
        self._recorded[id(tensor)] = value, tensor
        return tensor

    def name_of(self, operand: Any) -> str:
        """The name of a stand-in, of what was computed from some, of a parameter, or of a number."""
        if not isinstance(operand, Tensor):
            return self.constant(operand, np.float32)
        return self._recorded[id(operand)][0] if id(operand) in self._recorded else self.weight(operand)

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Compute with stand-ins, and record it."""
        result = function(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self._recorded[id(result)] = self._record(function.__name__, *args, **(kwargs or {})), result
        return result

    def _record(self, function: str, first: Any, *others: Any, dim: int | None = None) -> str:
        match function:
            case "linear":
                weight, bias = others
                transposed = self.node("Transpose", self.name_of(weight), perm=[1, 0])
                product = self.node("MatMul", self.name_of(first), transposed)
                return product if bias is None else self.node("Add", product, self.name_of(bias))
            case "cat":
                return self.node("Concat", *map(self.name_of, first), axis=dim)
            case "softmax":
                return self.node("Softmax", self.name_of(first), axis=dim)
            case "log_softmax":
                return self.node("LogSoftmax", self.name_of(first), axis=dim)
            case "squeeze":
                return self.node("Squeeze", self.name_of(first), self.constant(others))
            case "transpose":
                axes = list(range(first.dim()))
                axes[others[0]], axes[others[1]] = axes[others[1]], axes[others[0]]
                return self.node("Transpose", self.name_of(first), perm=axes)
            case "__getitem__" if all(index in (None, slice(None)) for index in others[0]):
                return self.unsqueezed(self.name_of(first), *(i for i, index in enumerate(others[0]) if index is None))
            case "masked_fill":
                return self.node("Where", self.name_of(others[0]), self.name_of(others[1]), self.name_of(first))
            case _:
                assert function in _OPERATORS, f"no ONNX operator is known for torch's {function}: add it here"
                return self.node(_OPERATORS[function], *(self.name_of(each) for each in (first, *others)))

    def recurrent(
        self, cell: Cell, layers: Sequence[Layer], inputs_SBI: str, *, lengths_B: str = "", start: Sequence[str] = ()
    ) -> list[str]:
        """A recurrent layer that reads forwards, or with a second layer backwards too.

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
            _RECURRENT_OPERATORS[cell],
            [inputs_SBI, *weights, lengths_B, *start],
            1 + CELLS[cell].num_states,
            hidden_size=layers[0].hidden_size,
            direction="bidirectional" if len(layers) == 2 else "forward",
            **attributes,
        )

    def _gates(self, cell: Cell, layers: Sequence[Layer], *names: str) -> str:
        """Parameters of the layers with their gates in ONNX's order, a row a direction, one after the other."""
        rows = []
        for layer in layers:
            gates = [weights_of(layer)[name].detach().split(layer.hidden_size) for name in names]
            rows.append(torch.cat([each[index] for each in gates for index in _GATES[cell]]))
        first = self._parameters[id(weights_of(layers[0])[names[0]])]
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
    int32_lengths_B = graph.node("Cast", lengths_B, to=graph.dtype_number(np.int32))  # what recurrent operators take
    embedded_BSE = graph.node("Gather", graph.weight(encoder.embedding.weight), source_BS)
    states = graph.node("Transpose", embedded_BSE, perm=[1, 0, 2])
    last = []
    for index, layer in enumerate(encoder.layers):
        assert isinstance(layer, EncoderLayer)
        directions = [each for each in (layer.forwards, layer.backwards) if each is not None]
        outputs_SDBH, last_DBH, *_ = graph.recurrent(model.decoder.cell, directions, states, lengths_B=int32_lengths_B)
        outputs_SBDH = graph.node("Transpose", outputs_SDBH, perm=[0, 2, 1, 3])
        outputs_SBH = graph.node("Reshape", outputs_SBDH, graph.constant([0, 0, -1]))
        states = graph.node("Add", states, outputs_SBH) if encoder.is_residual and index > 0 else outputs_SBH
        last.append(graph.flat(graph.node("Transpose", last_DBH, perm=[1, 0, 2]), model.decoder.hidden_size))
    if model.has_attention:
        _add_memory(graph, model, source_BS, lengths_B, graph.node("Transpose", states, perm=[1, 0, 2]))
    _add_start(graph, model, lengths_B, last)
    return graph.finished("encoder")


def _add_memory(graph: _Graph, model: Seq2Seq, source_BS: str, lengths_B: str, states_BSH: str) -> None:
    """`Attention.build_memory`."""
    key, size = model.decoder.attention.key, model.decoder.hidden_size
    num_positions = graph.node("Gather", graph.node("Shape", source_BS), graph.constant(1))
    position_S = graph.node("Range", graph.constant(0), num_positions, graph.constant(1))
    is_token_BS = graph.node("Less", position_S, graph.unsqueezed(lengths_B, 1))
    graph.output("memory_states", states_BSH, np.float32, "batch", "source_length", size)
    graph.output("memory_is_token", is_token_BS, np.bool_, "batch", "source_length")
    if key is not None:
        states = graph.stand_in(states_BSH, torch.zeros(1, 1, size))
        with graph:
            keys_BSA = key(states)
        graph.output("memory_keys", graph.name_of(keys_BSA), np.float32, "batch", "source_length", key.out_features)


def _add_start(graph: _Graph, model: Seq2Seq, lengths_B: str, last: Sequence[str]) -> None:
    """`Decoder.start`: the state before the first token, from the last state (B, H) of each encoder layer."""
    decoder, parts = model.decoder, []
    for bridge, last_BH in zip(decoder.bridges, last, strict=True):
        last_state = graph.stand_in(last_BH, torch.zeros(1, decoder.hidden_size))
        with graph:
            state = torch.tanh(bridge(last_state))
        parts += graph.nodes("Split", [graph.name_of(state)], decoder.num_states, axis=1)
    if decoder.is_input_feeding:
        size = graph.constant([_num_units(model, "attentional")])
        shape = graph.node("Concat", graph.node("Shape", lengths_B), size, axis=0)
        parts.append(graph.node("ConstantOfShape", shape))  # of zeros
    for name, part in zip(state_names(model), parts, strict=True):
        graph.output(name, part, np.float32, "batch", _num_units(model, name))


def decoder_graph(model: Seq2Seq) -> "onnx.ModelProto":
    """`Seq2Seq.step` as a graph: one token further in each of K beams of B sentences.

    Inputs: `token_ids` (B, K), the last token of each beam; `state_names`, with N rows, row b * K + k for beam k of
    sentence b; and `memory_names`. Outputs: `log_probabilities` (B, K, V) of the next token, in nats, normalised over
    the tokens that a translation can hold (those of `<pad>`, `<unk>` and `<s>` are -inf); with attention `attention`
    (B, K, S), its weights, 0 at padding; and each state as `next_NAME`.

    Raises:
        MissingExtraError: onnx is not installed.
        RunError: the model is too large.
    """
    graph, decoder, states = _Graph(model), model.decoder, state_names(model)
    token_BK = graph.input("token_ids", np.int64, "batch", "beams")
    embedding = graph.weight(decoder.embedding.weight)
    inputs_NI = graph.node("Gather", embedding, graph.node("Reshape", token_BK, graph.constant([-1])))
    starts = [graph.input(name, np.float32, "rows", _num_units(model, name)) for name in states]
    if decoder.is_input_feeding:
        inputs_NI = graph.node("Concat", inputs_NI, starts.pop(), axis=1)
    states_1NH, ends = _recur(graph, model, graph.unsqueezed(inputs_NI, 0), starts)
    beams = graph.node("Concat", graph.node("Shape", token_BK), graph.constant([decoder.hidden_size]), axis=0)
    query_BKH = graph.stand_in(graph.node("Reshape", states_1NH, beams), torch.zeros(1, 1, decoder.hidden_size))
    memory = _memory_inputs(graph, model) if model.has_attention else None
    bias_V = model.output.bias.detach().clone()
    bias_V[NO_TEXT] = -torch.inf
    graph.stand_in(graph.weight(bias_V, "output.bias.of_possible_tokens"), bias_V)
    with graph:
        if memory is None:
            attentional_BKO = torch.tanh(decoder.attention.combine(query_BKH))
        else:
            attentional_BKO, weights_BKS = decoder.attention(query_BKH, memory)
        scores_BKV = nn.functional.linear(attentional_BKO, model.output.weight, bias_V)
        log_probabilities_BKV = torch.log_softmax(scores_BKV, dim=-1)
    num_tokens = model.output.out_features
    graph.output("log_probabilities", graph.name_of(log_probabilities_BKV), np.float32, "batch", "beams", num_tokens)
    if memory is not None:
        graph.output("attention", graph.name_of(weights_BKS), np.float32, "batch", "beams", "source_length")
    if decoder.is_input_feeding:
        ends.append(graph.flat(graph.name_of(attentional_BKO), _num_units(model, "attentional")))
    for name, end in zip(states, ends, strict=True):
        graph.output(f"next_{name}", end, np.float32, "rows", _num_units(model, name))
    return graph.finished("decoder")


def _num_units(model: Seq2Seq, state: str) -> int:
    return model.decoder.attention.combine.out_features if state == "attentional" else model.decoder.hidden_size


def _recur(graph: _Graph, model: Seq2Seq, inputs_1NI: str, starts: Sequence[str]) -> tuple[str, list[str]]:
    """`Decoder._recur` over one position.

    Returns:
        The states (1, N, H) of the last layer, and the end state (N, H) of every layer.
    """
    decoder, states, after = model.decoder, inputs_1NI, []
    for index, layer in enumerate(decoder.layers):
        assert isinstance(layer, Layer)
        before = starts[index * decoder.num_states : (index + 1) * decoder.num_states]
        start = [graph.unsqueezed(each, 0) for each in before]
        # One direction and one position: the state after it, (D, N, H), is the layer's outputs (S, N, H) as well.
        _, *ends = graph.recurrent(decoder.cell, [layer], states, start=start)
        states = graph.node("Add", states, ends[0]) if decoder.is_residual and index > 0 else ends[0]
        after += [graph.flat(end, decoder.hidden_size) for end in ends]
    return states, after


def _memory_inputs(graph: _Graph, model: Seq2Seq) -> Memory:
    """What stands for the memory of one sentence of one position."""

    def states(name: str, size: int) -> Tensor:
        return graph.stand_in(graph.input(name, np.float32, "batch", "source_length", size), torch.zeros(1, 1, size))

    key, states_BSH = model.decoder.attention.key, states("memory_states", model.decoder.hidden_size)
    is_token_BS = graph.input("memory_is_token", np.bool_, "batch", "source_length")
    keys_BSA = states_BSH if key is None else states("memory_keys", key.out_features)
    return Memory(states_BSH, keys_BSA, graph.stand_in(is_token_BS, torch.ones(1, 1, dtype=torch.bool)))
