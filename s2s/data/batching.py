"""From encoded pairs to padded batches, in an order that is a function of (seed, epoch).

B sentences, S source positions, T target positions, N real target positions of a batch.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from s2s.data.store import TokenStore
from s2s.data.subwords import BOS, EOS, PAD

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Sentence pairs as ids, padded at the end with PAD.

    Attributes:
        source_BS: source pieces, then `</s>`.
        source_lengths_B: real source positions, `</s>` included; each at least 1.
        target_in_BT: `<s>`, then the target pieces: what the decoder reads.
        target_out_BT: the target pieces, then `</s>`: what it has to say.
        real_N: where the real positions stand in `target_out_BT.flatten()`, counted on the host, so that no step waits
            for a GPU.
    """

    source_BS: Tensor
    source_lengths_B: Tensor
    target_in_BT: Tensor
    target_out_BT: Tensor
    real_N: Tensor

    @property
    def num_tokens(self) -> int:
        """Real target positions, `</s>` included."""
        return len(self.real_N)

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device; copies run beside the computation where memory is pinned."""
        pinned = device.type == "cuda"

        def moved(tensor: Tensor) -> Tensor:
            return (tensor.pin_memory() if pinned else tensor).to(device, non_blocking=pinned)

        return Batch(**{item.name: moved(getattr(self, item.name)) for item in dataclasses.fields(self)})

    def halves(self) -> "tuple[Batch, Batch]":
        """The first and the second half of the sentences; there must be two at least."""
        middle, width = len(self.source_BS) // 2, self.target_out_BT.shape[1]
        assert middle, "a single sentence has no halves"
        is_first_N = self.real_N < middle * width
        return (
            self._rows(slice(None, middle), self.real_N[is_first_N]),
            self._rows(slice(middle, None), self.real_N[~is_first_N] - middle * width),
        )

    def _rows(self, rows: slice, real_N: Tensor) -> "Batch":
        return Batch(
            self.source_BS[rows], self.source_lengths_B[rows], self.target_in_BT[rows], self.target_out_BT[rows], real_N
        )


def pad(rows: Sequence[npt.ArrayLike], length: int | None = None) -> Tensor:
    """Rows of ids as one (B, longest) int64 tensor, filled up with PAD."""
    arrays = [np.asarray(row, dtype=np.int64) for row in rows]
    width = max(len(row) for row in arrays) if length is None else length
    padded = np.full((len(arrays), width), PAD, dtype=np.int64)
    for position, row in enumerate(arrays):
        padded[position, : len(row)] = row
    return torch.from_numpy(padded)


def source_batch(sources: Sequence[npt.ArrayLike]) -> tuple[Tensor, Tensor]:
    """Source pieces of several sentences as (`source_BS`, `source_lengths_B`), `</s>` added to each."""
    rows = [np.append(np.asarray(row, dtype=np.int64), EOS) for row in sources]
    return pad(rows), torch.tensor([len(row) for row in rows])


def pair_batch(sources: Sequence[npt.ArrayLike], targets: Sequence[npt.ArrayLike]) -> Batch:
    """Sentence pairs as a `Batch`; `<s>` and `</s>` are added here and nowhere else."""
    source_BS, source_lengths_B = source_batch(sources)
    arrays = [np.asarray(row, dtype=np.int64) for row in targets]
    target_in_BT = pad([np.insert(row, 0, BOS) for row in arrays])
    target_out_BT = pad([np.append(row, EOS) for row in arrays])
    real_N = (target_out_BT != PAD).flatten().nonzero().flatten()
    return Batch(source_BS, source_lengths_B, target_in_BT, target_out_BT, real_N)


def batch_indices(
    source_lengths: Indices, target_lengths: Indices, *, batch_tokens: int, seed: int, epoch: int
) -> list[Indices]:
    """Which sentences make up each batch of an epoch; a function of its arguments alone.

    Sentences are shuffled, sorted by target and then source length (ties stay shuffled), cut where sentences times
    longest sentence would pass the budget, and the batches shuffled. So almost nothing is padding, and sentences of
    equal lengths are grouped anew in every epoch.

    Args:
        source_lengths: pieces of each source.
        target_lengths: pieces of each target.
        batch_tokens: budget of a batch; a single sentence longer than that is a batch of its own.
        seed: of the run.
        epoch: counted from 0.

    Returns:
        Index arrays that together hold every sentence once.
    """
    generator = np.random.default_rng((seed, epoch))
    order = generator.permutation(len(source_lengths))
    order = order[np.lexsort((source_lengths[order], target_lengths[order]))]
    widths = np.maximum(source_lengths, target_lengths)[order] + 1  # `</s>`, or `<s>`
    batches = [order[start:end] for start, end in _cuts(widths, batch_tokens)]
    return [batches[position] for position in generator.permutation(len(batches))]


def _cuts(widths: Indices, budget: int) -> list[tuple[int, int]]:
    """Where to cut a row of sentences so that count times widest stays within the budget."""
    cuts, start, widest = [], 0, 0
    for position, width in enumerate(widths.tolist()):
        widest = max(widest, width)
        if position > start and widest * (position - start + 1) > budget:
            cuts.append((start, position))
            start, widest = position, width
    if start < len(widths):
        cuts.append((start, len(widths)))
    return cuts


def read_batch(source: TokenStore, target: TokenStore, indices: Indices) -> Batch:
    """The pairs at `indices` as a `Batch`."""
    return pair_batch([source[index] for index in indices], [target[index] for index in indices])


def all_batches(source: TokenStore, target: TokenStore, batch_tokens: int) -> list[Batch]:
    """All pairs once, in batches of about equal length: for a loss over the whole set."""
    indices = batch_indices(source.lengths, target.lengths, batch_tokens=batch_tokens, seed=0, epoch=0)
    return [read_batch(source, target, rows) for rows in indices]
