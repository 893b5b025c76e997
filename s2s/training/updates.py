"""The batches of each update of the weights: this rank's share of them, prefetched where a GPU waits for them."""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from s2s.data.batching import Batch, Indices, batch_indices
from s2s.data.token_store import TokenStore
from s2s.distributed import Ranks

T = TypeVar("T")
Sentences = Sequence[Sequence[int]]
"""Ids of several sentences, without special ids."""
Resample = Callable[[Sentences, Sentences, int], tuple[Sentences, Sentences]]
"""Subword regularization: from sources, targets and a seed to the same text in other pieces."""
ToBatch = Callable[[Sequence[npt.ArrayLike], Sequence[npt.ArrayLike]], Batch]
"""From the ids of sources and targets to a padded batch."""
_NUM_PREFETCHED = 4
_RELEASE_EVERY = 32
"""Batches after which the memory-mapped pages that they came from are released: some 100 MB, at no measurable cost."""


@dataclass(frozen=True)
class Update:
    """The batches of one update of the weights.

    Attributes:
        batches: this rank's share of each batch.
        is_counted: False for a stand-in: a batch may have fewer sentences than there are ranks, and every rank has to
            take part.
        num_tokens: target tokens (of a classifier: texts) of the whole update, over all ranks.
        epoch: passes over the corpus that this update completes.
        position: batches of that epoch used with this update.
    """

    batches: tuple[Batch, ...]
    is_counted: tuple[bool, ...]
    num_tokens: int
    epoch: int
    position: int

    def halves(self) -> "Update":
        """The same update in batches of half the size; single sentences stay whole."""
        parts: list[Batch] = []
        flags: list[bool] = []
        for batch, is_counted in zip(self.batches, self.is_counted, strict=True):
            halves = batch.halves() if len(batch.source_BS) > 1 else (batch,)
            parts.extend(halves)
            flags.extend([is_counted] * len(halves))
        return Update(tuple(parts), tuple(flags), self.num_tokens, self.epoch, self.position)


@dataclass(frozen=True)
class Updates:
    """All updates of a training run, epoch after epoch; a function of its attributes alone.

    Attributes:
        source, target: the corpus, sentence by sentence.
        to_batch: makes a batch of ids.
        batch_tokens, batch_size: limits of a batch, see `batch_indices`.
        accumulate: batches per update.
        resample: subword regularization, applied to every batch, or None.
        seed: of the run.
        ranks: which share the sentences of every batch. Those are of nearly equal length, so taking every n-th gives
            each rank about as many tokens, and all finish together.
        device: where the batches go; for a GPU a thread prefetches them.
    """

    source: TokenStore
    target: TokenStore
    to_batch: ToBatch
    batch_tokens: int
    batch_size: int | None
    accumulate: int
    resample: Resample | None
    seed: int
    ranks: Ranks
    device: torch.device

    @property
    def num_in_epoch(self) -> int:
        """Updates in an epoch; another one may have a few more or less, since batches are made anew."""
        return math.ceil(len(self._batches(0)) / self.accumulate)

    def starting_at(self, epoch: int, position: int) -> Iterator[Update]:
        """Updates without end, from a batch of an epoch on."""
        updates = self._read(epoch, position)
        return prefetched(updates, _NUM_PREFETCHED) if self.device.type == "cuda" else updates

    def _read(self, epoch: int, position: int) -> Iterator[Update]:
        while True:
            batches = self._batches(epoch)
            while position < len(batches):
                end = min(position + self.accumulate, len(batches))
                shares = [self._share(batches[index], epoch, index) for index in range(position, end)]
                if position // _RELEASE_EVERY != end // _RELEASE_EVERY:
                    self.source.release()
                    self.target.release()
                position = end
                is_over = end == len(batches)
                parts, is_counted, num_tokens = zip(*shares, strict=True)
                yield Update(parts, is_counted, sum(num_tokens), epoch + is_over, 0 if is_over else end)
            epoch, position = epoch + 1, 0

    def _batches(self, epoch: int) -> Sequence[Indices]:
        return batch_indices(
            self.source.lengths,
            self.target.lengths,
            batch_tokens=self.batch_tokens,
            seed=self.seed,
            epoch=epoch,
            batch_size=self.batch_size,
        )

    def _share(self, indices: Indices, epoch: int, index: int) -> tuple[Batch, bool, int]:
        """This rank's share of a batch, whether it counts, and the number of target tokens of the whole batch."""
        sources: Sequence[npt.ArrayLike] = [self.source[row] for row in indices]
        targets: Sequence[npt.ArrayLike] = [self.target[row] for row in indices]
        if self.resample is not None:
            seed = int(np.random.default_rng((self.seed, epoch, index)).integers(2**31))
            sources, targets = self.resample(_lists(sources), _lists(targets), seed)
        whole = share = self.to_batch(sources, targets)
        is_counted = len(indices) > self.ranks.rank
        if self.ranks.size > 1:
            rows = slice(self.ranks.rank, None, self.ranks.size) if is_counted else slice(1)
            share = self.to_batch(sources[rows], targets[rows])
        return share.to(self.device), is_counted, whole.num_tokens


def _lists(rows: Sequence[npt.ArrayLike]) -> Sentences:
    return [np.asarray(row).tolist() for row in rows]


def prefetched(items: Iterator[T], number: int) -> Iterator[T]:
    """The same items without end, up to `number` of them made ahead by a thread, whose errors are raised here."""
    executor = ThreadPoolExecutor(max_workers=1)
    try:
        futures = deque(executor.submit(next, items) for _ in range(number))
        while True:
            futures.append(executor.submit(next, items))
            yield futures.popleft().result()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
