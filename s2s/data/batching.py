"""From encoded pairs to padded batches, in an order that is a function of (seed, epoch).

B sentences, S source positions, T target positions, N real target positions of a batch.
"""

import dataclasses
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from s2s.data.token_store import TokenStore
from s2s.data.vocabulary.subwords import BOS, EOS, PAD

Indices = npt.NDArray[np.int64]
Lengths = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Batch:
    """Sentence pairs as ids, padded at the end with PAD; or texts with labels, each a target of one position.

    Attributes:
        source_BS: source pieces, then `</s>`.
        source_lengths_B: real source positions, `</s>` included; each at least 1.
        target_in_BT: `<s>`, then the target pieces: what the decoder reads.
        target_out_BT: the target pieces, then `</s>`: what it is to predict. Of a text with a label: its class.
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


def labelled_batch(texts: Sequence[npt.ArrayLike], labels: Sequence[npt.ArrayLike]) -> Batch:
    """Texts and their classes (rows of one id) as a `Batch`: there is nothing to read but the text."""
    source_BS, source_lengths_B = source_batch(texts)
    label_B1 = torch.from_numpy(np.asarray(labels, dtype=np.int64).reshape(len(texts), 1))
    return Batch(source_BS, source_lengths_B, label_B1[:, :0], label_B1, torch.arange(len(texts)))


class EpochBatches(Sequence[Indices]):
    """Which sentences make up each batch of an epoch: 4 bytes a sentence and 16 a batch, whatever is asked of it.

    Batch i is `order[starts[positions[i]]:starts[positions[i] + 1]]`, as int64; a slice is another such sequence.
    """

    def __init__(self, order: Lengths, starts: Indices, positions: Indices) -> None:
        self._order, self._starts, self._positions = order, starts, positions

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> Indices: ...
    @overload
    def __getitem__(self, index: slice) -> "EpochBatches": ...
    def __getitem__(self, index: int | slice) -> "Indices | EpochBatches":
        if isinstance(index, slice):
            return EpochBatches(self._order, self._starts, self._positions[index])
        position = self._positions[index]
        return self._order[self._starts[position] : self._starts[position + 1]].astype(np.int64)


def batch_indices(
    source_lengths: Lengths,
    target_lengths: Lengths,
    *,
    batch_tokens: int,
    seed: int,
    epoch: int,
    batch_size: int | None = None,
) -> EpochBatches:
    """Which sentences make up each batch of an epoch; a function of its arguments alone.

    Sentences are shuffled, sorted by target and then source length (ties stay shuffled), cut where sentences times
    longest sentence would pass the budget, and the batches shuffled. So almost nothing is padding, and sentences of
    equal lengths are grouped anew in every epoch. The shuffle is over the whole corpus, however large.

    The same arguments give the same batches in every version of s2s: curves of training depend on them.

    Memory: 16 bytes a sentence, 4 of which stay (lengths as uint16). Time: 10 million sentences take a few seconds.

    Args:
        source_lengths: pieces of each source; as uint16 they are sorted fastest.
        target_lengths: pieces of each target.
        batch_tokens: budget of a batch; a single sentence longer than that is a batch of its own.
        seed: of the run.
        epoch: counted from 0.
        batch_size: most sentences of a batch; None: the budget alone decides.

    Returns:
        Index arrays that together hold every sentence once.
    """
    generator = np.random.default_rng((seed, epoch))
    num = len(source_lengths)
    order: Lengths = generator.permutation(num).astype(np.uint32 if num <= 2**32 else np.int64)
    order = order[np.lexsort((source_lengths[order], target_lengths[order]))]
    starts = _cuts(np.maximum(source_lengths, target_lengths)[order], batch_tokens, batch_size or max(num, 1))
    return EpochBatches(order, starts, generator.permutation(len(starts) - 1))


_BLOCK = 1 << 16


def _cuts(lengths: Lengths, budget: int, most: int) -> Indices:
    """Where to cut a row of sentences, so that no batch has more than `most`, or count times widest over the budget."""
    starts, start, widest = array("q", [0]), 0, 0
    # Python's integers are several times as fast here as NumPy's, and would fill the memory all at once.
    for first in range(0, len(lengths), _BLOCK):
        for position, length in enumerate(lengths[first : first + _BLOCK].tolist(), start=first):
            width = length + 1  # `</s>`, or `<s>`
            if width > widest:
                widest = width
            is_full = widest * (position - start + 1) > budget or position - start == most
            if position > start and is_full:
                starts.append(position)
                start, widest = position, width
    if len(lengths):
        starts.append(len(lengths))
    return np.frombuffer(starts, dtype=np.int64)


def read_batch(source: TokenStore, target: TokenStore, indices: Indices) -> Batch:
    """The pairs at `indices` as a `Batch`."""
    return pair_batch([source[index] for index in indices], [target[index] for index in indices])


def all_batches(source: TokenStore, target: TokenStore, batch_tokens: int) -> list[Batch]:
    """All pairs once, in batches of about equal length: for a loss over the whole set."""
    indices = batch_indices(source.lengths, target.lengths, batch_tokens=batch_tokens, seed=0, epoch=0)
    return [read_batch(source, target, rows) for rows in indices]
