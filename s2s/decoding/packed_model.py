"""A model packed for search: the numbers of `Seq2Seq.encode` and `Seq2Seq.step` in a fraction of their time.

Torch's fused layers are made for whole sentences; called for one step, they pack their weights anew every time. Here
every matrix is packed once, in fp32, bf16 or int8, and the product of the first layer with the embedding of each token
is looked up instead of computed. A test compares each step with the model's own.

N rows (a row is a beam of a sentence), B sentences, S source positions, K beams, V tokens of a vocabulary, E embedding
units, H units of a state, G = H times the number of gates, O units of an attentional state, I inputs of any product.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from s2s.config.model import Cell
from s2s.decoding.packed_linear import Product, pack_linear
from s2s.models.attention import Memory
from s2s.models.cells import CELLS, State
from s2s.models.decoder import DecoderState
from s2s.models.encoder import Encoder, EncoderLayer, last_states, reorder, reversal
from s2s.models.fused import Layer, weights_of
from s2s.models.seq2seq import Seq2Seq

_BLOCK_TOKENS = 64  # rows of a table computed at a time: few, and still a fast product
_LARGEST_TABLE = 2**25
"""Numbers, 128 MiB of them: a vocabulary of 16,000 tokens for an LSTM of 512 units."""


class _EmbeddedTable:
    """A linear layer over the embeddings of all tokens (V, G).

    On a CPU a block of rows is computed when one of its tokens first comes, since the first sentence would wait for all
    of them. The blocks are always the same ones, so that no rounding depends on which tokens came before.
    """

    def __init__(self, embedding_VE: Tensor, weight_GE: Tensor, bias_G: Tensor) -> None:
        self._layer = embedding_VE, weight_GE, bias_G
        num_tokens = len(embedding_VE)
        self._table_VG = embedding_VE.new_empty(num_tokens, len(weight_GE))
        self._is_missing = torch.ones(-(-num_tokens // _BLOCK_TOKENS), dtype=torch.bool)
        self._num_missing = len(self._is_missing)
        if embedding_VE.device.type != "cpu":  # the host would wait for the device at every step
            self._table_VG = nn.functional.linear(*self._layer)
            self._num_missing = 0

    def __call__(self, token_N: Tensor) -> Tensor:
        if self._num_missing:
            block_N = token_N // _BLOCK_TOKENS
            for block in block_N[self._is_missing[block_N]].unique().tolist():
                self._fill(block)
        return self._table_VG.index_select(0, token_N)

    def _fill(self, block: int) -> None:
        embedding_VE, weight_GE, bias_G = self._layer
        rows = slice(block * _BLOCK_TOKENS, (block + 1) * _BLOCK_TOKENS)
        self._table_VG[rows] = nn.functional.linear(embedding_VE[rows], weight_GE, bias_G)
        self._is_missing[block] = False
        self._num_missing = int(self._is_missing.sum())


def _pack_embedded(embedding_VE: Tensor, weight_GE: Tensor, bias_G: Tensor, dtype: torch.dtype) -> Product:
    """A linear layer over the embeddings of tokens (N,), as a table where that is not too large."""
    embedding_VE, weight_GE, bias_G = embedding_VE.detach(), weight_GE.detach(), bias_G.detach()
    if len(embedding_VE) * len(weight_GE) <= _LARGEST_TABLE:
        return _EmbeddedTable(embedding_VE, weight_GE, bias_G)
    # Embeddings have no bound, which int8 would need.
    product = pack_linear(weight_GE, bias_G, torch.float32 if dtype is torch.int8 else dtype, math.inf)
    return lambda token_N: product(embedding_VE.index_select(0, token_N))


def _lstm_state(sums_N4H: Tensor, state: State) -> State:
    """One sigmoid for all gates: the sums of the candidate are doubled, and tanh(x) = 2 sigmoid(2 x) - 1."""
    input_NH, forget_NH, candidate_NH, output_NH = sums_N4H.sigmoid_().chunk(4, dim=1)
    cell_NH = (forget_NH * state[1]).addcmul_(input_NH, candidate_NH.mul_(2).sub_(1))
    return output_NH * torch.tanh(cell_NH), cell_NH


_NEXT_STATE_OF_SUMS: dict[Cell, Callable[[Tensor, State], State]] = {
    Cell.rnn: lambda sums_NH, _: (sums_NH.tanh_(),),
    Cell.lstm: _lstm_state,
}
"""Cells in which W x and U h matter only as their sum, computed in place. The others, such as the GRU, whose reset gate
stands between the two, do what cells.py does."""


class _PackedLayer:
    """One recurrent layer, whose step is taken in two halves: the product with inputs, and the new state."""

    def __init__(
        self, cell: Cell, layer: Layer, dtype: torch.dtype, *, bound: float = 1.0, embedding_VE: Tensor | None = None
    ) -> None:
        """Pack the layer.

        Args:
            cell: its kind.
            layer: with the weights.
            dtype, bound: see `pack_linear`; the bound is that of inputs other than embeddings.
            embedding_VE: the embeddings that inputs begin with; None where tokens are not among them.
        """
        self.cell, self.hidden_size = CELLS[cell], layer.hidden_size
        self._next_state_of_sums = _NEXT_STATE_OF_SUMS.get(cell)
        weights = {name: weight.detach().clone() for name, weight in weights_of(layer).items()}
        if cell is Cell.lstm:  # see `_lstm_state`
            for weight in weights.values():
                weight.chunk(4)[2].mul_(2)
        weight_GI, weight_GH = weights["weight_ih"], weights["weight_hh"]
        bias_G: Tensor = weights["bias_ih"]
        hidden_bias_G: Tensor | None = weights["bias_hh"]
        if self._next_state_of_sums is not None:
            bias_G, hidden_bias_G = bias_G + weights["bias_hh"], None
        self._of_tokens: Product | None = None
        num_known = 0
        if embedding_VE is not None:
            num_known = embedding_VE.shape[1]
            self._of_tokens = _pack_embedded(embedding_VE, weight_GI[:, :num_known], bias_G, dtype)
        self._of_others: Product | None = None
        if weight_GI.shape[1] > num_known:
            others_bias_G = bias_G if embedding_VE is None else None
            self._of_others = pack_linear(weight_GI[:, num_known:], others_bias_G, dtype, bound)
        self._of_hidden = pack_linear(weight_GH, hidden_bias_G, dtype, 1.0)

    def from_input(self, token_N: Tensor, other_NI: Tensor | None) -> Tensor:
        """W x + b (N, G), from tokens, from other inputs, or from both."""
        parts = [] if self._of_tokens is None else [self._of_tokens(token_N)]
        if self._of_others is not None:
            assert other_NI is not None
            parts.append(self._of_others(other_NI))
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]

    def next_state(self, from_input_NG: Tensor, state: State) -> State:
        """The state after a step, from what `from_input` gives and the state before it."""
        from_hidden_NG = self._of_hidden(state[0])
        if self._next_state_of_sums is not None:
            return self._next_state_of_sums(from_hidden_NG.add_(from_input_NG), state)
        return self.cell.next_state(from_input_NG, from_hidden_NG, state)

    def read(self, token_BS: Tensor, other_BSI: Tensor | None) -> Tensor:
        """The hidden states (B, S, H) of whole sentences, from a state of zeros."""
        num_sentences, num_positions = token_BS.shape
        other_NI = None if other_BSI is None else other_BSI.transpose(0, 1).flatten(0, 1)
        from_input_NG = self.from_input(token_BS.T.flatten(), other_NI)
        state: State = (from_input_NG.new_zeros(num_sentences, self.hidden_size),) * self.cell.num_states
        hidden = []
        for from_input_BG in from_input_NG.unflatten(0, (num_positions, num_sentences)):
            state = self.next_state(from_input_BG, state)
            hidden.append(state[0])
        return torch.stack(hidden, dim=1)


class PackedEncoder:
    """The encoder of a model, packed: as `Encoder`, without dropout."""

    def __init__(self, encoder: Encoder, cell: Cell, dtype: torch.dtype) -> None:
        self.is_residual = encoder.is_residual
        self._layers = []
        for index, layer in enumerate(encoder.layers):
            assert isinstance(layer, EncoderLayer)
            embedding_VE = encoder.embedding.weight if index == 0 else None
            bound = float(index) if encoder.is_residual and index else 1.0
            directions = [layer.forwards] if layer.backwards is None else [layer.forwards, layer.backwards]
            self._layers.append(
                [_PackedLayer(cell, each, dtype, bound=bound, embedding_VE=embedding_VE) for each in directions]
            )

    def __call__(self, source_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, list[Tensor]]:
        """See `Encoder.forward`."""
        position_BS = reversal(lengths_B, source_BS.shape[1])
        below_BSH: Tensor | None = None
        last = []
        for directions in self._layers:
            outputs_BSH = directions[0].read(source_BS, below_BSH)
            if len(directions) == 2:
                reversed_BSH = None if below_BSH is None else reorder(below_BSH, position_BS)
                backwards_BSH = directions[1].read(source_BS.gather(1, position_BS), reversed_BSH)
                outputs_BSH = torch.cat([outputs_BSH, reorder(backwards_BSH, position_BS)], dim=-1)
            last.append(last_states(outputs_BSH, lengths_B, is_bidirectional=len(directions) == 2))
            below_BSH = below_BSH + outputs_BSH if self.is_residual and below_BSH is not None else outputs_BSH
        assert below_BSH is not None
        return below_BSH, last


class PackedDecoder:
    """The decoder and the output layer of a model, packed, to be called once a token.

    Rounding to bf16 or int8 concerns the products with weights; sums, gates and attention are fp32.
    """

    def __init__(self, model: Seq2Seq, dtype: torch.dtype, banned: Sequence[int]) -> None:
        """Pack the weights, which takes some tenths of a second.

        Args:
            model: with trained weights.
            dtype: float32, bfloat16 or int8 (on a CPU).
            banned: tokens that are never output: their score is -inf.
        """
        decoder = model.decoder
        self.attention = decoder.attention
        self.is_residual, self.is_input_feeding = decoder.is_residual, decoder.is_input_feeding
        # States of all cells lie in (-1, 1), attentional states too. Residual connections add them up.
        self._layers = []
        for index, layer in enumerate(decoder.layers):
            assert isinstance(layer, Layer)
            bound = float(index) if self.is_residual and index else 1.0
            embedding_VE = decoder.embedding.weight if index == 0 else None
            self._layers.append(_PackedLayer(decoder.cell, layer, dtype, bound=bound, embedding_VE=embedding_VE))
        top = float(len(decoder.layers)) if self.is_residual else 1.0
        self._combine = pack_linear(self.attention.combine.weight, None, dtype, top)
        bias_V = model.output.bias.detach().clone()
        bias_V[list(banned)] = -math.inf
        self._output = pack_linear(model.output.weight, bias_V, dtype, 1.0)

    def step(self, token_BK: Tensor, state: DecoderState, memory: Memory) -> tuple[Tensor, Tensor, DecoderState]:
        """See `Seq2Seq.step`."""
        token_N = token_BK.flatten()
        below_NH = state.attentional_NO
        after: list[State] = []
        for index, (layer, before) in enumerate(zip(self._layers, state.layers, strict=True)):
            after.append(layer.next_state(layer.from_input(token_N, below_NH), before))
            hidden_NH = after[-1][0]
            below_NH = hidden_NH if below_NH is None or index == 0 or not self.is_residual else below_NH + hidden_NH
        assert below_NH is not None
        combined_BKI, weights_BKS = self.attention.attend(below_NH.unflatten(0, token_BK.shape), memory)
        attentional_NO = torch.tanh(self._combine(combined_BKI.flatten(0, 1)))
        scores_BKV = self._output(attentional_NO).unflatten(0, token_BK.shape)
        return scores_BKV, weights_BKS, DecoderState(tuple(after), attentional_NO if self.is_input_feeding else None)
