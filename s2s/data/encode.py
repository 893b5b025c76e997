"""TODO: say what s2s.data.encode is."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from s2s.data.text.corpus import ParallelCorpus, read_chunk
from s2s.data.text.parallel_text import Pair
from s2s.data.token_store import Shard, TokenStore, build_shard, join_shards, write_shard
from s2s.data.vocabulary.labels import Labels, classes_of
from s2s.data.vocabulary.subwords import VERSION, Subwords
from s2s.errors import DataError
from s2s.workers import Workers

SHARD_TOKENS = 1 << 24
"""Ids of a side in a shard, more or less: few files, each of which takes a file handle for as long as it is mapped."""


# ----------------------------------------------------------------------------------------------------------------------
# Ids


def _encoded(
    corpus: ParallelCorpus, source: Subwords, target: Subwords | Labels, max_pieces: int
) -> tuple[TokenStore, TokenStore, dict[str, Any]]:
    """Ids of the training pairs, mapped from the cache; and how many pairs were left out, and how many texts cut."""
    models = source.model, target.model
    encode_chunk = _encode_labelled_chunk if isinstance(target, Labels) else _encode_chunk

    def build(folder: Path) -> dict[str, Any]:
        writers = [_ShardWriter(folder, name) for name in ("source", "target")]
        num_kept = num_cut = 0
        encode = partial(encode_chunk, models, max_pieces)
        with (
            Workers() as workers,
            tqdm(
                desc="encoding", unit="pair", unit_scale=True, total=corpus.num_train, leave=False, disable=None
            ) as bar,
        ):
            for chunk in workers.in_order(encode, corpus.chunks):
                num_kept += len(chunk.source.offsets) - 1
                num_cut += chunk.num_cut
                for writer, shard in zip(writers, (chunk.source, chunk.target), strict=True):
                    writer.add(shard)
                bar.update(chunk.num_pairs)
        if not num_kept:
            raise DataError(
                f"none of {corpus.num_train} pairs has from 1 to {max_pieces} pieces a side; see training.max_pieces"
            )
        num_dropped, num_shards = corpus.num_train - num_kept, [writer.finish() for writer in writers]
        return {"num_dropped": num_dropped, "num_cut": num_cut, "num_shards": num_shards}

    hashes = [hashlib.sha256(model).hexdigest() for model in models]
    key = {"text": corpus.entry.name, "library": VERSION, "models": hashes, "max_pieces": max_pieces}
    entry = corpus.cache.entry("ids", key, build)
    train_source, train_target = (
        TokenStore.open([_shard_file(entry.path, name, number) for number in range(num)])
        for name, num in zip(("source", "target"), entry.facts["num_shards"], strict=True)
    )
    return train_source, train_target, entry.facts


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
        num_pairs: in the chunk, before any was left out.
        num_cut: texts of which a part was left out.
    """

    num_pairs: int
    num_cut: int
    source: Shard
    target: Shard


def _encode_chunk(models: tuple[bytes, bytes], max_pieces: int, path: Path) -> _EncodedChunk:
    """The ids of both sides of the pairs that are not too long."""
    source, target = map(_loaded, models)
    pairs = read_chunk(path)
    encoded = zip(*_encode(pairs, source, target), strict=True)
    kept = [sides for sides in encoded if all(sides) and max(map(len, sides)) <= max_pieces]
    sides = zip(*kept, strict=True) if kept else ((), ())
    source_shard, target_shard = (
        build_shard(ids, len(subwords)) for ids, subwords in zip(sides, (source, target), strict=True)
    )
    return _EncodedChunk(len(pairs), 0, source_shard, target_shard)


def _encode_labelled_chunk(models: tuple[bytes, bytes], max_pieces: int, path: Path) -> _EncodedChunk:
    """The ids of the texts that are not empty, cut, and of their labels."""
    texts, labels = _loaded(models[0]), Labels(models[1])
    pairs = read_chunk(path)
    rows = texts.encode([pair.source for pair in pairs])
    classes = classes_of(pairs, labels, None)
    kept = [(row[:max_pieces], [label]) for row, label in zip(rows, classes, strict=True) if row]
    text_shard = build_shard([row for row, _ in kept], len(texts))
    label_shard = build_shard([label for _, label in kept], len(labels))
    num_cut = sum(len(row) > max_pieces for row in rows)
    return _EncodedChunk(len(pairs), num_cut, text_shard, label_shard)


@lru_cache(maxsize=2)
def _loaded(model: bytes) -> Subwords:
    return Subwords(model)


def _encode(pairs: Sequence[Pair], source: Subwords, target: Subwords) -> tuple[list[list[int]], list[list[int]]]:
    """Ids of both sides of pairs."""
    return source.encode([pair.source for pair in pairs]), target.encode([pair.target for pair in pairs])


def encode_pairs(pairs: Sequence[Pair], source: Subwords, target: Subwords) -> tuple[TokenStore, TokenStore]:
    """Ids of both sides in memory, line by line, for a few pairs."""
    source_ids, target_ids = _encode(pairs, source, target)
    return TokenStore(source_ids, len(source)), TokenStore(target_ids, len(target))
