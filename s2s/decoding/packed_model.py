"""Trained models made ready for search: the numbers of `Seq2Seq.step` in a fraction of its time, of one or several.

torch's fused layers are made for whole sentences; called for one step, they pack their weights anew every time. Here
every matrix is packed once, in fp32, bf16 or int8, and what the first layer makes of each word of the vocabulary is
looked up instead of multiplied. A test compares each step with the model's own.

N rows (a row is a beam of a sentence), B sentences, K beams, V words, E embedding units, H units of a state, G gates
times H, O units of an attentional state, I inputs of any product.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from s2s.config.model import Cell
from s2s.models.attention import Memory
from s2s.models.cells import State, gru_gates, num_states
from s2s.models.decoder import DecoderState
from s2s.models.encoder import Encoder, EncoderLayer, reorder, reversal
from s2s.models.seq2seq import Seq2Seq

Product = Callable[[Tensor], Tensor]
"""From inputs (N, I) to fp32 outputs (N, O): a matrix and a bias."""
_INT8_MOST = 127
_LARGEST_TABLE = 2**25
"""Numbers, 128 MiB of them: a vocabulary of 16,000 words for an LSTM of 512 units."""


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
    return lambda x_NI: multiply(x_NI.to(kind), packed, bias_O, "none", [], "").float()


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


def _prepare_lookup(embedding_VE: Tensor, weight_GE: Tensor, bias_G: Tensor, kind: torch.dtype) -> Product:
    """What a layer makes of the vectors of words (N,), as a table where that is not too large."""
    embedding_VE, weight_GE, bias_G = embedding_VE.detach(), weight_GE.detach(), bias_G.detach()
    if len(embedding_VE) * len(weight_GE) <= _LARGEST_TABLE:
        table_VG = nn.functional.linear(embedding_VE, weight_GE, bias_G)
        return lambda word_N: table_VG.index_select(0, word_N)
    # Vectors of words have no bound, which int8 would need.
    product = prepare_product(weight_GE, bias_G, torch.float32 if kind is torch.int8 else kind, math.inf)
    return lambda word_N: product(embedding_VE.index_select(0, word_N))


class _Layer:
    """One recurrent layer, whose step is taken in two halves: what is made of inputs, and of the state before."""

    def __init__(
        self,
        cell: Cell,
        layer: nn.RNNBase,
        kind: torch.dtype,
        *,
        bound: float = 1.0,
        embedding_VE: Tensor | None = None,
    ) -> None:
        """Prepare the layer.

        Args:
            cell: its kind.
            layer: with the weights.
            kind: see `prepare_product`.
            bound: of inputs that are no embeddings.
            embedding_VE: the vectors that inputs begin with; None where words are not among them.
        """
        weights = {name.removesuffix("_l0"): weight.detach() for name, weight in layer.named_parameters()}
        self.cell, self.hidden_size = cell, layer.hidden_size
        bias_G, hidden_bias_G = weights["bias_ih"], None
        if cell is Cell.gru:  # its reset gate stands between the two products
            hidden_bias_G = weights["bias_hh"]
        else:
            bias_G = bias_G + weights["bias_hh"]
        weight_GI, weight_GH = weights["weight_ih"], weights["weight_hh"]
        if cell is Cell.lstm:
            weight_GI, weight_GH, bias_G = (_doubled_candidate(each) for each in (weight_GI, weight_GH, bias_G))
        self._of_words: Product | None = None
        num_known = 0
        if embedding_VE is not None:
            num_known = embedding_VE.shape[1]
            self._of_words = _prepare_lookup(embedding_VE, weight_GI[:, :num_known], bias_G, kind)
        self._of_others: Product | None = None
        if weight_GI.shape[1] > num_known:
            others_bias_G = bias_G if embedding_VE is None else None
            self._of_others = prepare_product(weight_GI[:, num_known:], others_bias_G, kind, bound)
        self._of_hidden = prepare_product(weight_GH, hidden_bias_G, kind, 1.0)

    def read(self, word_N: Tensor | None, other_NI: Tensor | None) -> Tensor:
        """What the gates get (N, G) from words, from other inputs, or from both."""
        parts = []
        if self._of_words is not None:
            assert word_N is not None
            parts.append(self._of_words(word_N))
        if self._of_others is not None:
            assert other_NI is not None
            parts.append(self._of_others(other_NI))
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]

    def advance(self, from_input_NG: Tensor, state: State) -> State:
        """The state after what `read` gives."""
        from_hidden_NG = self._of_hidden(state[0])
        match self.cell:
            case Cell.rnn:
                return (from_hidden_NG.add_(from_input_NG).tanh_(),)
            case Cell.lstm:
                return _lstm_state(from_hidden_NG.add_(from_input_NG), state[1])
            case Cell.gru:
                split = (each_NG.split(self.hidden_size, dim=1) for each_NG in (from_input_NG, from_hidden_NG))
                _, update_NH, candidate_NH = gru_gates(*split)
                return (torch.lerp(candidate_NH, state[0], update_NH),)


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


class EncoderPass:
    """The encoder of a model, ready to read sentences: as `Encoder`, without dropout."""

    def __init__(self, encoder: Encoder, cell: Cell, kind: torch.dtype) -> None:
        self.is_residual = encoder.is_residual
        self._layers = []
        for index, layer in enumerate(encoder.layers):
            assert isinstance(layer, EncoderLayer)
            embedding_VE = encoder.embedding.weight if index == 0 else None
            bound = float(index) if encoder.is_residual and index else 1.0
            directions = [layer.forwards] if layer.backwards is None else [layer.forwards, layer.backwards]
            self._layers.append(
                [_Layer(cell, each, kind, bound=bound, embedding_VE=embedding_VE) for each in directions]
            )

    def __call__(self, source_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, list[Tensor]]:
        """See `Encoder.forward`."""
        position_BS = reversal(lengths_B, source_BS.shape[1])
        sentence_B = torch.arange(len(lengths_B), device=lengths_B.device)
        below_BSH: Tensor | None = None
        last = []
        for directions in self._layers:
            outputs_BSH = _read_through(directions[0], source_BS, below_BSH)
            last_BH = outputs_BSH[sentence_B, lengths_B - 1]
            if len(directions) == 2:
                turned_BSH = None if below_BSH is None else reorder(below_BSH, position_BS)
                backwards_BSH = _read_through(directions[1], source_BS.gather(1, position_BS), turned_BSH)
                last_BH = torch.cat([last_BH, backwards_BSH[sentence_B, lengths_B - 1]], dim=-1)
                outputs_BSH = torch.cat([outputs_BSH, reorder(backwards_BSH, position_BS)], dim=-1)
            below_BSH = below_BSH + outputs_BSH if self.is_residual and below_BSH is not None else outputs_BSH
            last.append(last_BH)
        assert below_BSH is not None
        return below_BSH, last


def _read_through(layer: _Layer, word_BS: Tensor, other_BSI: Tensor | None) -> Tensor:
    """The hidden states (B, S, H) of a layer that reads words or other inputs from zeros; inputs are taken at once."""
    num_sentences, num_positions = word_BS.shape
    other_NI = None if other_BSI is None else other_BSI.transpose(0, 1).flatten(0, 1)
    from_input_SBG = layer.read(word_BS.T.flatten(), other_NI).unflatten(0, (num_positions, num_sentences))
    zeros_BH = from_input_SBG.new_zeros(num_sentences, layer.hidden_size)
    state: State = (zeros_BH,) * num_states(layer.cell)
    hidden = []
    for from_input_BG in from_input_SBG:
        state = layer.advance(from_input_BG, state)
        hidden.append(state[0])
    return torch.stack(hidden, dim=1)


class DecoderStep:
    """The decoder and the output layer of a model, ready to be called once a word.

    Rounding to bf16 or int8 concerns the products with weights; sums, gates and attention are fp32.
    """

    def __init__(self, model: Seq2Seq, kind: torch.dtype, banned: Sequence[int]) -> None:
        """Prepare the weights, which takes some tenths of a second.

        Args:
            model: with trained weights.
            kind: float32, bfloat16 or int8 (on a CPU).
            banned: words that are never said: their score is -inf.
        """
        decoder = model.decoder
        self.attention = decoder.attention
        self.is_residual, self.is_input_feeding = decoder.is_residual, decoder.is_input_feeding
        # States of all cells lie in (-1, 1), attentional states too. Residual connections add them up.
        self._layers = []
        for index, layer in enumerate(decoder.layers):
            assert isinstance(layer, nn.RNNBase)
            bound = float(index) if self.is_residual and index else 1.0
            embedding_VE = decoder.embedding.weight if index == 0 else None
            self._layers.append(_Layer(decoder.cell, layer, kind, bound=bound, embedding_VE=embedding_VE))
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
            after.append(layer.advance(layer.read(word_N, below_NH), before))
            hidden_NH = after[-1][0]
            below_NH = hidden_NH if below_NH is None or index == 0 or not self.is_residual else below_NH + hidden_NH
        assert below_NH is not None
        mixed_BKI, weights_BKS = self.attention.mix(below_NH.unflatten(0, word_BK.shape), memory)
        attentional_NO = torch.tanh(self._combine(mixed_BKI.flatten(0, 1)))
        scores_BKV = self._output(attentional_NO).unflatten(0, word_BK.shape)
        return scores_BKV, weights_BKS, DecoderState(tuple(after), attentional_NO if self.is_input_feeding else None)
