"""Clean text to ids: in shards on the disk for training, in memory for a few pairs."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from s2s.config.data import Split
from s2s.data.text.clean_text import CleanText, pack_pairs, unpack_sides
from s2s.data.text.parallel_text import Pair
from s2s.data.token_store import Shard, TokenStore, build_shard, join_shards, write_shard
from s2s.data.vocabulary.labels import Labels, classes_of
from s2s.data.vocabulary.subwords import Subwords
from s2s.errors import DataError
from s2s.workers import Workers

SHARD_TOKENS = 1 << 24
"""Ids of a side in a shard, more or less: few files, each of which takes a file handle for as long as it is mapped."""
_SIDES = ("source", "target")


def encode_text(
    folder: Path, text: CleanText, source: Subwords, target: Subwords | Labels, max_pieces: int
) -> dict[str, Any]:
    """Write the ids of the training pairs as shards.

    Args:
        max_pieces: pairs with a longer side are left out; of labelled texts the rest is.

    Returns:
        For `open_ids` how many shards there are; and how many pairs were left out, how many texts cut, and the sha256
        of all pairs (of dev and test too), which is taken here because the text is read here anyway.

    Raises:
        DataError: no pair is left.
    """
    digest = hashlib.sha256(f"{text.num_train}\n".encode())
    writers = [_ShardWriter(folder, name) for name in _SIDES]
    num_kept = num_cut = 0
    encode = partial(_encode_chunk, (source.model, target.model), isinstance(target, Labels), max_pieces)
    with (
        Workers() as workers,
        tqdm(desc="encoding", unit="pair", unit_scale=True, total=text.num_train, leave=False, disable=None) as bar,
    ):
        for chunk in workers.in_order(encode, text.chunks):
            digest.update(chunk.text)
            num_kept += len(chunk.source.offsets) - 1
            num_cut += chunk.num_cut
            for writer, shard in zip(writers, (chunk.source, chunk.target), strict=True):
                writer.add(shard)
            bar.update(chunk.num_pairs)
    if not num_kept:
        raise DataError(
            f"none of {text.num_train} pairs has from 1 to {max_pieces} pieces a side; see training.max_pieces"
        )
    for split in (Split.dev, Split.test):
        digest.update(f"{len(text.held_out[split])}\n".encode() + pack_pairs(text.held_out[split]))
    return {
        "num_shards": [writer.finish() for writer in writers],
        "num_dropped": text.num_train - num_kept,
        "num_cut": num_cut,
        "sha256": digest.hexdigest(),
    }


def open_ids(folder: Path, facts: Mapping[str, Any]) -> tuple[TokenStore, TokenStore]:
    """The ids of both sides, mapped from the disk.

    Args:
        facts: what `encode_text` returned.

    Raises:
        DataError: a shard is missing or damaged.
    """
    source, target = (
        TokenStore.open([_shard_file(folder, name, number) for number in range(num)])
        for name, num in zip(_SIDES, facts["num_shards"], strict=True)
    )
    return source, target


class _ShardWriter:
    """Collects the ids of chunks, and writes a shard whenever there are enough for one."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._parts: list[Shard] = []
        self._num_shards = 0

    def add(self, shard: Shard) -> None:
        self._parts.append(shard)
        if sum(len(part.tokens) for part in self._parts) >= SHARD_TOKENS:
            self._write()

    def finish(self) -> int:
        """Write what is left; returns the number of shards."""
        if self._parts:
            self._write()
        return self._num_shards

    def _write(self) -> None:
        write_shard(_shard_file(self._folder, self._name, self._num_shards), join_shards(self._parts))
        self._parts = []
        self._num_shards += 1


def _shard_file(folder: Path, name: str, number: int) -> Path:
    return folder / f"{name}.{number:05}"


class _EncodedChunk(NamedTuple):
    """The ids of a chunk.

    Attributes:
        text: of all its pairs.
        num_pairs: before any was left out.
        num_cut: texts of which a part was left out.
    """

    text: bytes
    num_pairs: int
    num_cut: int
    source: Shard
    target: Shard


def _encode_chunk(models: tuple[bytes, bytes], is_labelled: bool, max_pieces: int, path: Path) -> _EncodedChunk:
    """The ids of the pairs that are not too long; or of texts, cut, that are not empty, and of their labels."""
    text = path.read_bytes()
    texts, others = unpack_sides(text)
    source = _loaded(models[0])
    target = Labels(models[1]) if is_labelled else _loaded(models[1])
    rows, num_cut = source.encode(texts), 0
    if isinstance(target, Labels):
        classes = classes_of(list(map(Pair, texts, others)), target, None)
        kept = [(row[:max_pieces], [label]) for row, label in zip(rows, classes, strict=True) if row]
        num_cut = sum(len(row) > max_pieces for row in rows)
    else:
        pairs = zip(rows, target.encode(others), strict=True)
        kept = [pair for pair in pairs if all(pair) and max(map(len, pair)) <= max_pieces]
    sources, targets = zip(*kept, strict=True) if kept else ((), ())
    shards = build_shard(sources, len(source)), build_shard(targets, len(target))
    return _EncodedChunk(text, len(rows), num_cut, *shards)


@lru_cache(maxsize=2)
def _loaded(model: bytes) -> Subwords:
    return Subwords(model)


def encode_pairs(pairs: Sequence[Pair], source: Subwords, target: Subwords) -> tuple[TokenStore, TokenStore]:
    """Ids of both sides in memory, line by line, for a few pairs."""
    sources = source.encode([pair.source for pair in pairs])
    targets = target.encode([pair.target for pair in pairs])
    return TokenStore(sources, len(source)), TokenStore(targets, len(target))
