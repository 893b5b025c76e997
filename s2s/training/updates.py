"""What each update of the weights is made of: a rank's share of some batches, read ahead where a GPU waits for them."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from s2s.data.batching import Batch, Indices, batch_indices, labelled_batch, pair_batch
from s2s.data.token_store import TokenStore
from s2s.distributed import Ranks

T = TypeVar("T")
Rows = Sequence[Sequence[int]]
Recut = Callable[[Rows, Rows, int], tuple[Rows, Rows]]
"""Source and target pieces of a batch, and a seed, to the same text cut anew (subword regularisation)."""
_READ_AHEAD = 4
_RELEASE_EVERY = 32
"""Batches after which the pages that they were read from are let go: some 100 MB, and no cost that can be measured."""


@dataclass(frozen=True)
class Update:
    """The batches of one update of the weights.

    Attributes:
        batches: this rank's share of each batch.
        is_counted: whether each is more than a stand-in: a batch may have fewer sentences than there are ranks, and
            every rank has to take part.
        num_tokens: target tokens (or texts, where each has a label) of the whole update, over all ranks.
        epoch: passes over the corpus that are complete once this update is made.
        position: batches of that epoch which are used then.
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
        source, target: the corpus, line by line.
        batch_tokens, batch_size: budget of a batch, see `batch_indices`.
        accumulate: batches an update.
        seed: of the run.
        ranks: among which the sentences of every batch are shared out. Those of a batch have nearly one length, so
            taking every n-th gives each rank about as many tokens, and all finish together.
        device: where the batches go; for a GPU they are read ahead by a thread.
        recut: cuts the text of every batch anew, or None.
        is_labelled: the targets are labels.
    """

    source: TokenStore
    target: TokenStore
    batch_tokens: int
    accumulate: int
    seed: int
    ranks: Ranks
    device: torch.device
    recut: Recut | None = None
    batch_size: int | None = None
    is_labelled: bool = False

    def starting_at(self, epoch: int, position: int) -> Iterator[Update]:
        """Updates without end, from a place in an epoch on."""
        updates = (update for update in self._read(epoch, position))
        return _ahead(updates, _READ_AHEAD) if self.device.type == "cuda" else updates

    def _read(self, epoch: int, position: int) -> Iterator[Update]:
        lengths = self.source.lengths, self.target.lengths
        while True:
            batches = batch_indices(
                *lengths,
                batch_tokens=self.batch_tokens,
                seed=self.seed,
                epoch=epoch,
                batch_size=self.batch_size,
            )
            while position < len(batches):
                end = min(position + self.accumulate, len(batches))
                rows = [(self.seed, epoch, index, batches[index]) for index in range(position, end)]
                if position // _RELEASE_EVERY != end // _RELEASE_EVERY:
                    self.source.release()
                    self.target.release()
                position = end
                is_over = end == len(batches)
                yield self._update(rows, epoch + is_over, 0 if is_over else end)
            epoch, position = epoch + 1, 0

    def _update(self, rows: list[tuple[int, int, int, Indices]], epoch: int, position: int) -> Update:
        batches, flags, num_tokens = [], [], 0
        to_batch = labelled_batch if self.is_labelled else pair_batch
        for seed, of_epoch, index, indices in rows:
            sources: Sequence[npt.ArrayLike] = [self.source[row] for row in indices]
            targets: Sequence[npt.ArrayLike] = [self.target[row] for row in indices]
            if self.recut is not None:
                cut_seed = int(np.random.default_rng((seed, of_epoch, index)).integers(2**31))
                sources, targets = self.recut(_lists(sources), _lists(targets), cut_seed)
            num_tokens += len(targets) if self.is_labelled else sum(len(np.asarray(target)) + 1 for target in targets)
            flags.append(len(indices) > self.ranks.rank)
            share = slice(self.ranks.rank, None, self.ranks.size) if flags[-1] else slice(0, 1)
            batches.append(to_batch(sources[share], targets[share]).to(self.device))
        return Update(tuple(batches), tuple(flags), num_tokens, epoch, position)


def _lists(rows: Sequence[npt.ArrayLike]) -> Rows:
    return [np.asarray(row).tolist() for row in rows]


def _ahead(items: Iterator[T], number: int) -> Iterator[T]:
    """The same items, up to `number` of them made beforehand by a thread; what it raises is raised here."""
    made: queue.Queue[T | BaseException] = queue.Queue(number)
    is_over = threading.Event()

    def put(item: T | BaseException) -> None:
        while not is_over.is_set():
            try:
                return made.put(item, timeout=0.1)
            except queue.Full:
                continue

    def make() -> None:
        try:
            for item in items:
                put(item)
                if is_over.is_set():
                    return
        except BaseException as error:
            put(error)

    threading.Thread(target=make, daemon=True).start()
    try:
        while True:
            item = made.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        is_over.set()
