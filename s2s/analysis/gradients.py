"""Why plain RNNs forget: the size of the gradient of a loss at the end of a sequence, at each step back from it.

B sentences, S positions, I input units, H hidden units, N batches, V pieces of the vocabulary.

The loss depends on the last state alone. What reaches an earlier state has come through every step between them: in the
plain RNN a product of recurrent weights and derivatives of tanh (Hochreiter 1991; Bengio et al. 1994; Pascanu et al.
2013), in the LSTM along the cell state, which a step multiplies by the forget gate only.
"""

import copy
import enum
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from s2s.config.model import Cell
from s2s.errors import DataError
from s2s.models.cells import RecurrentCell, RNNCell
from s2s.models.embedding import build_embedding
from s2s.models.fused import Layer, recurrent_layer, run_layer, unfused, uniform_layer, weights_of

Norms = NDArray[np.float64]


class WeightInit(enum.Enum):
    """How the recurrent layer's weights are initialised; the LSTM's forget bias is 1 either way."""

    uniform = "uniform"
    """Torch's own: every weight and bias uniform between -1/sqrt(H) and 1/sqrt(H)."""
    orthogonal = "orthogonal"
    """This project's; see `recurrent_layer`."""


class Quantity(enum.Enum):
    """What is measured at each step back from the end: norms of a sentence's gradient, mean over those of a batch."""

    hidden = "hidden state"
    """Of the hidden state."""
    cell = "cell state"
    """Of the cell state."""
    bound = "bound"
    """What the hidden state's norm cannot exceed in a tanh RNN."""
    clipped = "hidden state, clipped"
    """Of the hidden state, once the gradient of all weights is scaled down to the largest norm that is allowed."""


Curves = dict[Quantity, Norms]
"""(N, S) each: batches, steps back from the end. The cell state is the LSTM's, the bound the RNN's."""


class Gradients(NamedTuple):
    """Norms of one batch, from the last position to the first.

    Attributes:
        hidden_BS, cell_BS: of the gradient of each sentence's loss, along all paths from that state on (from the cell
            state also through the hidden state of its own step); the cell state is the LSTM's, else None.
        bound_BS: which no norm of the hidden state's gradient exceeds; only for the RNN.
        weights: of the gradient of the mean loss with respect to all weights together.
    """

    hidden_BS: Tensor
    cell_BS: Tensor | None
    bound_BS: Tensor | None
    weights: Tensor


class LanguageModel(nn.Module):
    """A language model of one recurrent layer: after every piece it predicts the next one."""

    def __init__(self, kind: Cell, vocabulary_size: int, size: int, init: WeightInit) -> None:
        """A model with new random weights; `size` units in the embedding and in the layer."""
        super().__init__()
        self.kind = kind
        self.embedding = build_embedding(vocabulary_size, size)
        self.layer = new_layer(kind, size, size, init)
        self.output = nn.Linear(size, vocabulary_size)

    def loss_nats(self, window_BS: Tensor) -> Tensor:
        """Mean cross-entropy of every piece but the first, given those before it."""
        states_BSH, _ = run_layer(self.layer, self.embedding(window_BS[:, :-1]))
        return nn.functional.cross_entropy(self.output(states_BSH).flatten(0, 1), window_BS[:, 1:].flatten())


def new_layer(kind: Cell, input_size: int, hidden_size: int, init: WeightInit) -> Layer:
    """A recurrent layer with new random weights."""
    if init is WeightInit.orthogonal:
        return recurrent_layer(kind, input_size, hidden_size)
    layer = uniform_layer(kind, input_size, hidden_size)
    if kind is Cell.lstm:
        forget = slice(hidden_size, 2 * hidden_size)
        nn.init.ones_(weights_of(layer)["bias_ih"].data[forget])
        nn.init.zeros_(weights_of(layer)["bias_hh"].data[forget])
    return layer


def scaled(model: LanguageModel, factor: float) -> LanguageModel:
    """The same model with all recurrent weights multiplied by a factor."""
    model = copy.deepcopy(model)
    weights_of(model.layer)["weight_hh"].data.mul_(factor)
    return model


# ----------------------------------------------------------------------------------------------------------------------
# Measuring


def state_gradients(
    cell: RecurrentCell,
    inputs_BSI: Tensor,
    losses_of_end: Callable[[Tensor], Tensor],
    weights: Sequence[Tensor] = (),
) -> Gradients:
    """The gradient of a loss with respect to every state before it, from one pass forward and one back.

    Args:
        cell: a recurrent layer, gate by gate.
        inputs_BSI: what it reads.
        losses_of_end: the losses (B) of the hidden states (B, H) after the last position.
        weights: those whose gradient is clipped together; left out: the layer's own.
    """
    states = cell.states(inputs_BSI)
    by_kind = list(zip(*states, strict=True))  # all hidden states, then all cell states
    wanted = list(weights) or list(cell.parameters())
    losses_B = losses_of_end(states[-1][0])
    found = torch.autograd.grad(losses_B.sum(), [*(state for kind in by_kind for state in kind), *wanted])
    norms = [_norms(found[index : index + len(states)]) for index in range(0, len(by_kind) * len(states), len(states))]
    hidden_BS = norms[0]
    bound_BS = None
    if isinstance(cell, RNNCell):
        bound_BS = hidden_BS[:, :1] * vanishing_factors(cell, torch.stack(by_kind[0], dim=1))
    weights_norm = nn.utils.get_total_norm(found[-len(wanted) :]) / len(losses_B)
    return Gradients(hidden_BS, norms[1] if len(norms) > 1 else None, bound_BS, weights_norm)


def _norms(gradients: Sequence[Tensor]) -> Tensor:
    """Norms (B, S) of the gradients (B, H) of S states, the last one first."""
    norms_BS: Tensor = torch.linalg.vector_norm(torch.stack(list(gradients[::-1]), dim=1), dim=-1)
    return norms_BS


def vanishing_factors(cell: RecurrentCell, hidden_BSH: Tensor) -> Tensor:
    """The most by which a tanh RNN multiplies the norm of the gradient on its way to each state (B, S), the last first.

    A step back from h' = tanh(W x + U h + b) is a product with diag(1 - h'^2), then with U transposed. It stretches a
    vector at most by the largest singular value of U times the largest derivative (Pascanu et al. 2013, section 2.1).
    """
    assert isinstance(cell, RNNCell), "the bound is that of tanh(W x + U h + b)"
    with torch.no_grad():
        largest = torch.linalg.matrix_norm(cell.weight_hh, ord=2)
        steps_BS = largest * (1 - hidden_BSH.square()).amax(dim=-1).flip(1)
        return torch.cat([torch.ones_like(steps_BS[:, :1]), steps_BS[:, :-1]], dim=1).cumprod(dim=1)


def measure(model: LanguageModel, windows: Iterable[Tensor], max_grad_norm: float) -> Curves:
    """The norms of the gradient of the last piece's loss at each step back, in double precision.

    Args:
        model: it is not changed.
        windows: batches (B, S + 1) of pieces, of one length.
        max_grad_norm: of clipping.
    """
    exact = copy.deepcopy(model).double()
    cell = unfused(model.kind, exact.layer)
    weights = [*cell.parameters(), *exact.embedding.parameters(), *exact.output.parameters()]
    found = []
    for window_BS in windows:
        last_B = window_BS[:, -1]

        def losses(hidden_BH: Tensor, last_B: Tensor = last_B) -> Tensor:
            return nn.functional.cross_entropy(exact.output(hidden_BH), last_B, reduction="none")

        found.append(state_gradients(cell, exact.embedding(window_BS[:, :-1]), losses, weights))
    return _curves(found, max_grad_norm)


def measure_layer(layer: Layer, kind: Cell, inputs: Iterable[Tensor], seed: int) -> Curves:
    """The same for a layer of any model, for a gradient of norm 1 in a random direction at the end.

    Args:
        layer: it is not changed.
        inputs: batches (B, S, I) of what it reads, of one length.
        seed: of the directions.
    """
    cell = unfused(kind, layer).double()
    generator = torch.Generator().manual_seed(seed)
    found = []
    for inputs_BSI in inputs:
        direction_BH = torch.randn(len(inputs_BSI), cell.hidden_size, generator=generator, dtype=torch.float64)
        direction_BH /= direction_BH.norm(dim=1, keepdim=True)

        def along(hidden_BH: Tensor, direction_BH: Tensor = direction_BH) -> Tensor:
            return (hidden_BH * direction_BH).sum(dim=1)

        found.append(state_gradients(cell, inputs_BSI.double(), along))
    return {quantity: curve for quantity, curve in _curves(found, 1.0).items() if quantity is not Quantity.clipped}


def _curves(found: Sequence[Gradients], max_grad_norm: float) -> Curves:
    """The quantities of each batch, as means over its sentences."""
    norms = {
        Quantity.hidden: [each.hidden_BS for each in found],
        Quantity.cell: [each.cell_BS for each in found if each.cell_BS is not None],
        Quantity.bound: [each.bound_BS for each in found if each.bound_BS is not None],
    }
    curves = {name: np.stack([each_BS.mean(dim=0).numpy() for each_BS in each]) for name, each in norms.items() if each}
    scale_N = np.array([float(each.weights) for each in found]) / max_grad_norm
    return curves | {Quantity.clipped: curves[Quantity.hidden] / np.maximum(scale_N, 1)[:, None]}


# ----------------------------------------------------------------------------------------------------------------------
# Text


def windows(pieces_V: Tensor, length: int, batch_size: int, seed: int) -> Iterator[Tensor]:
    """Batches (B, length) of pieces that follow one another in a long text, from random places, without end.

    Raises:
        DataError: the text is shorter.
    """
    if len(pieces_V) < length:
        raise DataError(f"expected text of at least {length} pieces, got {len(pieces_V)}: lower the longest of lengths")
    generator = torch.Generator().manual_seed(seed)
    position_L = torch.arange(length)
    while True:
        first_B = torch.randint(len(pieces_V) - length + 1, (batch_size,), generator=generator)
        yield pieces_V[first_B[:, None] + position_L]


def joined(sentences: Iterable[Sequence[int]], end: int) -> Tensor:
    """Sentences as one long row of pieces, each followed by the piece that ends it."""
    return torch.tensor([piece for sentence in sentences for piece in (*sentence, end)])
