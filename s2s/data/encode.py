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
"""Ids of the longer side in a shard, more or less: few files, each of which takes a file handle while it is mapped."""


def encode_text(
    folder: Path, text: CleanText, source: Subwords, target: Subwords | Labels, max_pieces: int
) -> dict[str, Any]:
    """Write the ids of the training pairs as shards.

    Args:
        max_pieces: pairs with a longer side are left out; labelled texts are cut.

    Returns:
        For `open_ids` how many shards there are; and how many pairs were left out, how many texts cut, and the sha256
        of all pairs (of dev and test too), which is taken here because the text is read here anyway.

    Raises:
        DataError: no pair is left.
    """
    digest = hashlib.sha256(f"{text.num_train}\n".encode())
    pending: list[tuple[Shard, Shard]] = []
    num_shards = num_kept = num_cut = 0
    encode = partial(_encode_chunk, (source.model, target.model), isinstance(target, Labels), max_pieces)
    with (
        Workers() as workers,
        tqdm(desc="encoding", unit="pair", unit_scale=True, total=text.num_train, leave=False, disable=None) as bar,
    ):
        for chunk in workers.in_order(encode, text.chunks):
            digest.update(chunk.text)
            num_kept += len(chunk.source.offsets) - 1
            num_cut += chunk.num_cut
            pending.append((chunk.source, chunk.target))
            if max(sum(len(shard.tokens) for shard in side) for side in zip(*pending, strict=True)) >= SHARD_TOKENS:
                _write_shards(folder, num_shards, pending)
                num_shards, pending = num_shards + 1, []
            bar.update(chunk.num_pairs)
    if pending:
        _write_shards(folder, num_shards, pending)
        num_shards += 1
    if not num_kept:
        raise DataError(
            f"none of {text.num_train} pairs has from 1 to {max_pieces} pieces a side; see training.max_pieces"
        )
    for split in (Split.dev, Split.test):
        digest.update(f"{len(text.held_out[split])}\n".encode() + pack_pairs(text.held_out[split]))
    return {
        "num_shards": num_shards,
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
        TokenStore.open([folder / f"{side}.{number:05}" for number in range(facts["num_shards"])])
        for side in ("source", "target")
    )
    return source, target


def _write_shards(folder: Path, number: int, parts: Sequence[tuple[Shard, Shard]]) -> None:
    """Write the ids of some chunks as a shard of each side."""
    for side, shards in zip(("source", "target"), zip(*parts, strict=True), strict=True):
        write_shard(folder / f"{side}.{number:05}", join_shards(shards))


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
