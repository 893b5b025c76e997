"""Trained models made ready for search: the numbers of `Seq2Seq.step` in a fraction of its time, of one or several.

torch's fused layers are made for whole sentences; called for one step, they pack their weights anew every time. Here
every matrix is packed once, in fp32, bf16 or int8, and what the first layer makes of each word of the vocabulary is
looked up instead of multiplied. A test compares each step with the model's own.

N rows (a row is a beam of a sentence), B sentences, K beams, V words, E embedding units, H units of a state, G gates
times H, O units of an attentional state, I inputs of any product.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from s2s.config import Cell, EnsembleMean, Score
from s2s.device import autocast
from s2s.models.attention import Memory
from s2s.models.cells import State, gru_gates
from s2s.models.decoder import DecoderState
from s2s.models.seq2seq import Seq2Seq

Product = Callable[[Tensor], Tensor]
"""From inputs (N, I) to fp32 outputs (N, O): a matrix and a bias."""

_INT8_MOST = 127


def prepare_product(weight_OI: Tensor, bias_O: Tensor | None, kind: torch.dtype, bound: float) -> Product:
    """A linear layer that is called many times with few rows.

    Args:
        weight_OI: its matrix.
        bias_O: its bias, or None.
        kind: float32, bfloat16 or int8.
        bound: no input is greater in absolute value; int8 divides this range evenly. It is a constant and not the
            maximum of what comes, so that a result does not depend on the other rows.
    """
    weight_OI = weight_OI.detach().contiguous()
    bias_O = None if bias_O is None else bias_O.detach()
    if kind is torch.int8:
        return _int8_product(weight_OI, bias_O, bound)
    weight_OI, bias_O = weight_OI.to(kind), None if bias_O is None else bias_O.to(kind)
    if weight_OI.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return lambda x_NI: nn.functional.linear(x_NI.to(kind), weight_OI, bias_O).float()
    # What torch.compile makes of a linear layer on CPU. For few rows it takes half the time of MKL, or less.
    packed = torch.ops.mkldnn._reorder_linear_weight(weight_OI, None)
    multiply = torch.ops.mkldnn._linear_pointwise
    return lambda x_NI: multiply(x_NI.to(kind), packed, bias_O, "none", [], "").float()  # type: ignore[no-any-return]


def _int8_product(weight_OI: Tensor, bias_O: Tensor | None, bound: float) -> Product:
    """Weights rounded to 127 steps on either side of 0, a scale a row; inputs to 127 steps on either side of 0."""
    scale_O = (weight_OI.abs().amax(dim=1) / _INT8_MOST).clamp_min(torch.finfo(torch.float32).tiny)
    rounded_OI = (weight_OI / scale_O[:, None]).round().to(torch.int8)
    packed = torch.ops.onednn.qlinear_prepack(rounded_OI, None)
    zero_O = torch.zeros(len(scale_O), dtype=torch.int32)
    input_scale, input_zero = bound / _INT8_MOST, _INT8_MOST + 1
    middle = torch.tensor(input_zero + 0.5)  # conversion cuts off what stands behind the point
    multiply = torch.ops.onednn.qlinear_pointwise

    def product(x_NI: Tensor) -> Tensor:
        steps_NI = torch.add(middle, x_NI, alpha=1 / input_scale).to(torch.uint8)
        weights = packed, scale_O, zero_O, bias_O
        return multiply(steps_NI, input_scale, input_zero, *weights, 1.0, 0, torch.float32, "none", [], "")  # type: ignore[no-any-return]

    return product


class _Layer:
    """One recurrent layer for one step."""

    def __init__(self, cell: Cell, layer: nn.RNNBase, kind: torch.dtype, bound: float, embedding_VE: Tensor | None):
        """Prepare the layer.

        Args:
            cell: its kind.
            layer: with the weights.
            kind: see `prepare_product`.
            bound: of the inputs.
            embedding_VE: the vectors that its inputs begin with, if it is the first layer; what it makes of each is
                kept as a table.
        """
        weights = {name.removesuffix("_l0"): weight.detach() for name, weight in layer.named_parameters()}
        self.cell, self.hidden_size = cell, layer.hidden_size
        input_bias_G, hidden_bias_G = weights["bias_ih"], weights["bias_hh"]
        if cell is not Cell.gru:  # whose reset gate stands between the two products
            input_bias_G, hidden_bias_G = input_bias_G + hidden_bias_G, None
        weight_GI, weight_GH = weights["weight_ih"], weights["weight_hh"]
        if cell is Cell.lstm:
            weight_GI, weight_GH, input_bias_G = (
                _doubled_candidate(each) for each in (weight_GI, weight_GH, input_bias_G)
            )
        num_known = 0 if embedding_VE is None else embedding_VE.shape[1]
        self._table_VG = None
        if embedding_VE is not None:
            self._table_VG = nn.functional.linear(embedding_VE.detach(), weight_GI[:, :num_known], input_bias_G)
        self._from_input = None
        if weight_GI.shape[1] > num_known:
            bias_G = input_bias_G if embedding_VE is None else None
            self._from_input = prepare_product(weight_GI[:, num_known:], bias_G, kind, bound)
        self._from_hidden = prepare_product(weight_GH, hidden_bias_G, kind, 1.0)

    def step(self, word_N: Tensor, input_NI: Tensor | None, state: State) -> State:
        """The state after reading a word's vector, other inputs, or both."""
        hidden_NH = state[0]
        from_hidden_NG = self._from_hidden(hidden_NH)
        parts = [] if self._table_VG is None else [self._table_VG.index_select(0, word_N)]
        if self._from_input is not None:
            parts.append(self._from_input(input_NI))
        from_input_NG = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        match self.cell:
            case Cell.rnn:
                return (torch.tanh(from_hidden_NG.add_(from_input_NG)),)
            case Cell.lstm:
                return _lstm_state(from_hidden_NG.add_(from_input_NG), state[1])
            case Cell.gru:
                split = (each_NG.split(self.hidden_size, dim=1) for each_NG in (from_input_NG, from_hidden_NG))
                _, update_NH, candidate_NH = gru_gates(*split)
                return (torch.lerp(candidate_NH, hidden_NH, update_NH),)


def _doubled_candidate(weights: Tensor) -> Tensor:
    """The LSTM's rows with those of the candidate, the third block, times 2: tanh(x) = 2 sigmoid(2 x) - 1."""
    input_gate, forget_gate, candidate, output_gate = weights.chunk(4)
    return torch.cat([input_gate, forget_gate, 2 * candidate, output_gate])


def _lstm_state(sums_N4H: Tensor, cell_NH: Tensor) -> State:
    """The LSTM's state from its sums, the candidate's doubled: one sigmoid for all gates."""
    input_NH, forget_NH, candidate_NH, output_NH = sums_N4H.sigmoid_().chunk(4, dim=1)
    candidate_NH = candidate_NH.mul_(2).sub_(1)
    cell_NH = (forget_NH * cell_NH).addcmul_(input_NH, candidate_NH)
    return output_NH * torch.tanh(cell_NH), cell_NH


class DecoderStep:
    """The decoder and the output layer of a model, ready to be called once a word.

    Rounding to bf16 or int8 concerns the products with weights; sums, gates and attention are fp32.
    """

    def __init__(self, model: Seq2Seq, kind: torch.dtype, banned: Sequence[int]) -> None:
        """Prepare the weights, which takes about as long as translating a sentence.

        Args:
            model: with trained weights.
            kind: float32, bfloat16 or int8 (on a CPU).
            banned: words that are never said: their score is -inf.
        """
        decoder = model.decoder
        self.attention, self.is_residual, self.is_input_feeding = (
            decoder.attention,
            decoder.is_residual,
            decoder.is_input_feeding,
        )
        # The state of an LSTM, RNN or GRU lies in (-1, 1), an attentional state too. Residual connections add them up.
        bounds = [1.0] + [float(index) if self.is_residual else 1.0 for index in range(1, len(decoder.layers))]
        tables = [decoder.embedding.weight] + [None] * (len(decoder.layers) - 1)
        self._layers = [
            _Layer(decoder.cell, layer, kind, bound, table)
            for layer, bound, table in zip(decoder.layers, bounds, tables, strict=True)
        ]
        top = float(len(decoder.layers)) if self.is_residual else 1.0
        self._combine = prepare_product(self.attention.combine.weight, None, kind, top)
        bias_V = model.output.bias.detach().clone()
        bias_V[list(banned)] = -math.inf
        self._output = prepare_product(model.output.weight, bias_V, kind, 1.0)

    def step(self, word_BK: Tensor, state: DecoderState, memory: Memory) -> tuple[Tensor, Tensor, DecoderState]:
        """As `Seq2Seq.step`: scores of the next word (B, K, V), attention weights (B, K, S), and the next state."""
        word_N, fed_NO = word_BK.flatten(), state.attentional_NO
        below_NH: Tensor | None = fed_NO
        after: list[State] = []
        for index, (layer, before) in enumerate(zip(self._layers, state.layers, strict=True)):
            after.append(layer.step(word_N, below_NH, before))
            hidden_NH = after[-1][0]
            below_NH = below_NH + hidden_NH if self.is_residual and index > 0 else hidden_NH  # type: ignore[operator]
        assert below_NH is not None
        mixed_BKI, weights_BKS = self.attention.mix(below_NH.unflatten(0, word_BK.shape), memory)
        attentional_NO = torch.tanh(self._combine(mixed_BKI.flatten(0, 1)))
        scores_BKV = self._output(attentional_NO).unflatten(0, word_BK.shape)
        return scores_BKV, weights_BKS, DecoderState(tuple(after), attentional_NO if self.is_input_feeding else None)


@dataclass(frozen=True)
class EngineState:
    """What a step needs, of each model: the decoder's state, a row a beam, and the memory, a row a sentence.

    Attributes:
        decoders: of the models.
        memories: of the models.
        attention_BKS: where each beam looked in the step that made this state, averaged over models; None before the
            first step, after `select`, and for models without attention.
    """

    decoders: tuple[DecoderState, ...]
    memories: tuple[Memory, ...]
    attention_BKS: Tensor | None = None

    def select(self, rows_M: Tensor, sentences_B: Tensor | None) -> "EngineState":
        """See `SearchState`; the memory is only ever thinned out, never copied per beam."""
        memories = self.memories
        if sentences_B is not None:
            memories = tuple(memory.select(sentences_B) for memory in memories)
        return EngineState(tuple(decoder.select(rows_M) for decoder in self.decoders), memories)


class Engine:
    """One model, or several that vote, as search wants them: a state to start from, and a step.

    The weights are taken as they are when the engine is made.
    """

    def __init__(
        self,
        models: Sequence[Seq2Seq],
        kind: torch.dtype = torch.float32,
        *,
        banned: Sequence[int] = (),
        mean: EnsembleMean = EnsembleMean.log_probability,
    ) -> None:
        """Prepare the models.

        Args:
            models: on one device, with the same vocabularies.
            kind: of the products in a step: float32, bfloat16, or int8 (on a CPU). Encoders compute in bfloat16 for
                bfloat16, else in float32.
            banned: words that are never said: their score is -inf.
            mean: which mean of several models.
        """
        self._models, self._mean = models, mean
        self._encoding = torch.bfloat16 if kind is torch.bfloat16 else torch.float32
        self._steps = [DecoderStep(model, kind, banned) for model in models]
        self._attending = [index for index, model in enumerate(models) if _has_attention(model)]

    def start(self, source_BS: Tensor, lengths_B: Tensor) -> EngineState:
        """Read the source sentences, each padded to S ids, of which `lengths_B` are real."""
        with autocast(source_BS.device, self._encoding):
            encoded = [model.eval().encode(source_BS, lengths_B) for model in self._models]
        memories, decoders = zip(*encoded, strict=True)
        return EngineState(tuple(state.float() for state in decoders), tuple(memory.float() for memory in memories))

    def step(self, word_BK: Tensor, state: EngineState) -> tuple[Tensor, EngineState]:
        """Scores of the next word (B, K, V), to be normalised over V, and the state after it."""
        each = [
            step.step(word_BK, decoder, memory)
            for step, decoder, memory in zip(self._steps, state.decoders, state.memories, strict=True)
        ]
        scores, weights, decoders = zip(*each, strict=True)
        attention = [weights[index] for index in self._attending]
        attention_BKS = sum(attention[1:], attention[0]) / len(attention) if attention else None
        return self._combined(scores), EngineState(decoders, state.memories, attention_BKS)

    def _combined(self, scores: tuple[Tensor, ...]) -> Tensor:
        if len(scores) == 1:
            return scores[0]
        log_probabilities = torch.stack([torch.log_softmax(each_BKV, dim=-1) for each_BKV in scores])
        match self._mean:
            case EnsembleMean.log_probability:
                return log_probabilities.mean(dim=0)
            case EnsembleMean.probability:
                return torch.logsumexp(log_probabilities, dim=0)


def _has_attention(model: Seq2Seq) -> bool:
    return model.decoder.attention.score is not Score.none
