"""Encoded sentences in flat arrays, in memory or mapped from shards on the disk: two or four bytes a piece.

A shard is two files of NumPy's own format: `NAME.tokens.npy`, the ids of its sentences one after the other, as uint16
or int32, and `NAME.offsets.npy`, N + 1 positions in them, as int64. The system reads what is touched and forgets it
when memory is short, so that a corpus may be larger than memory; the process itself holds the lengths, 2 bytes each.
"""

import mmap
import os
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from s2s.errors import DataError
from s2s.files import naming

Array = npt.NDArray[np.integer]


class Shard(NamedTuple):
    """Sentence i is `tokens[offsets[i]:offsets[i + 1]]`."""

    tokens: Array
    offsets: Array


class TokenStore:
    """Sentences as ids, by number: those of the first shard, then those of the second, and so on.

    Attributes:
        lengths: ids of each sentence (N), as uint16 where that suffices, else int32.
    """

    def __init__(self, sentences: Sequence[Sequence[int]], vocabulary_size: int) -> None:
        self._set([build_shard(sentences, vocabulary_size)])

    @classmethod
    def open(cls, shards: Sequence[Path]) -> "TokenStore":
        """Map shards that `write_shard` wrote; nothing is read but their offsets, once.

        Raises:
            DataError: a file is missing, or is not what `write_shard` writes.
        """
        store = cls.__new__(cls)
        store._set([_map_shard(path) for path in shards])
        return store

    def _set(self, shards: list[Shard]) -> None:
        self._shards = shards
        self._starts = [0, *accumulate(len(shard.offsets) - 1 for shard in shards)]
        # Batches are sorted by length, and 16 bits are sorted several times faster than 64.
        lengths = [np.diff(shard.offsets) for shard in shards]
        lengths = [some.astype(np.uint16 if some.max(initial=0) < 2**16 else np.int32) for some in lengths]
        self.lengths: Array = np.concatenate(lengths or [np.empty(0, np.uint16)])

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> Array:
        number = bisect_right(self._starts, index) - 1
        tokens, offsets = self._shards[number]
        position = index - self._starts[number]
        return tokens[offsets[position] : offsets[position + 1]]

    def occurs(self, vocabulary_size: int) -> npt.NDArray[np.bool_]:
        """Which of so many ids occur (V); a shard after the other is read whole."""
        occurs_V = np.zeros(vocabulary_size, dtype=np.bool_)
        for shard in self._shards:
            occurs_V[shard.tokens] = True
        self.release()
        return occurs_V

    def release(self) -> None:
        """Let go of what was read from the disk, which the system keeps for the next time while there is room.

        A page that was touched counts as this process's memory, and the system maps its neighbours along with it: after
        some thousand sentences from all over a corpus nearly all of it would count.
        """
        for shard in self._shards:
            for array in shard:
                mapped = getattr(array.base, "base", None)  # the array is a view of a np.memmap, and that of its map
                if isinstance(mapped, mmap.mmap):
                    mapped.madvise(mmap.MADV_DONTNEED)


def build_shard(sentences: Sequence[Sequence[int]], vocabulary_size: int) -> Shard:
    """Sentences as a shard in memory."""
    offsets = np.zeros(len(sentences) + 1, dtype=np.int64)
    np.cumsum([len(sentence) for sentence in sentences], out=offsets[1:])
    kind = np.uint16 if vocabulary_size <= 2**16 else np.int32
    return Shard(np.fromiter(chain.from_iterable(sentences), dtype=kind, count=int(offsets[-1])), offsets)


def join_shards(shards: Sequence[Shard]) -> Shard:
    """Several shards (at least one) as one."""
    starts = [0, *accumulate(len(shard.tokens) for shard in shards)]
    offsets = [shard.offsets[:-1] + start for shard, start in zip(shards, starts, strict=False)]
    return Shard(np.concatenate([shard.tokens for shard in shards]), np.append(np.concatenate(offsets), starts[-1]))


def write_shard(path: Path, shard: Shard) -> None:
    """Write `path`.tokens.npy and `path`.offsets.npy, flushed to the disk.

    Raises:
        OSError: they cannot be written.
    """
    for name, array in shard._asdict().items():
        file_path = _file(path, name)
        with naming(file_path), file_path.open("wb") as file:
            # As np.save does it, whose errors do not tell why.
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
            file.write(array.data)
            file.flush()
            os.fsync(file.fileno())


def _file(path: Path, name: str) -> Path:
    return path.with_name(f"{path.name}.{name}.npy")


def _map_shard(path: Path) -> Shard:
    try:
        # As plain arrays over the mapped files: slicing np.memmap itself takes several times as long.
        tokens, offsets = (np.asarray(np.load(_file(path, name), mmap_mode="r")) for name in Shard._fields)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: expected a shard of token ids, but it cannot be read ({error}); remove it") from error
    if not len(offsets) or offsets[-1] != len(tokens):
        raise DataError(f"{path}: expected {offsets[-1:]} token ids, found {len(tokens):,}; remove it")
    return Shard(tokens, offsets)
