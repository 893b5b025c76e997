"""The road from a choice of data to what a model trains on: text, pieces, ids.

Text is worked on in chunks, by all cores, and what comes of it is kept in a cache: the clean text, the subwords learnt
from it, and the ids. The result depends neither on the number of cores nor on whether it came from the cache.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from s2s.config import Corpus, DataConfig, Split, SubwordsConfig
from s2s.data import phrasebook
from s2s.data.cache import Cache, Entry
from s2s.data.corpora import (
    DEV,
    GOOD,
    TEST,
    TRAIN,
    CleaningReport,
    CleaningRules,
    Codes,
    Digests,
    DigestSet,
    Pair,
    RawChunk,
    Sifted,
    count_codes,
    decode_chunk,
    default_cache,
    hold_out,
    mark_repeated,
    multi30k_paths,
    read_chunks,
    read_pairs,
    sha256_of,
    sift,
    take_distinct,
)
from s2s.data.labels import Labels
from s2s.data.store import Shard, TokenStore, build_shard, join_shards, write_shard
from s2s.data.subwords import VERSION, Subwords, sample_stride, train_subwords
from s2s.data.vocabularies import Vocabularies
from s2s.errors import DataError, RunError
from s2s.files import write_bytes
from s2s.workers import Workers

_logger = logging.getLogger(__name__)
CHUNK_PAIRS = 50_000
"""Pairs that one process works on at a time, in some 50 MB; a corpus of no more starts no other process."""
SHARD_TOKENS = 1 << 24
"""Ids of a side in a shard, more or less: few files, each of which takes a file handle for as long as it is mapped."""

Files = tuple[Path, Path | None]
"""Of source and target, or, with None, one file that holds both, a tab between them; see `read_pairs`."""


@dataclass(frozen=True)
class Prepared:
    """All that a run takes from its data.

    Attributes:
        train_source: ids of the training sources; those of pairs that are too long are left out.
        train_target: of the training targets, line by line.
        dev: pairs as text, unfiltered.
        test: likewise.
        source: subwords of the sources.
        target: of the targets; the same object where they are shared. Of a labelled corpus: the labels, which are ids
            of one class each in `train_target`.
        num_train: training pairs before any was left out as too long.
        sha256: of all pairs in their order.
        notes: what a user should know about how all this came to be.
    """

    train_source: TokenStore
    train_target: TokenStore
    dev: list[Pair]
    test: list[Pair]
    source: Subwords
    target: Subwords | Labels
    num_train: int
    sha256: str
    notes: list[str]


def prepare(
    config: DataConfig,
    subwords: SubwordsConfig,
    *,
    seed: int,
    max_pieces: int,
    given: Vocabularies | None = None,
) -> Prepared:
    """Get the pairs, learn subwords, and encode the training text; or find all that in the cache.

    Args:
        seed: of what is generated or held out.
        max_pieces: training pairs with a longer side are left out; labelled texts are cut.
        given: subwords (and labels) to encode with, instead of learning new ones.

    Raises:
        DataError: a file is missing, malformed, empty, or cannot be downloaded; nothing is left after cleaning or
            within max_pieces; the text is too small to learn from; a text has a label that the given ones, or those
            of the training text, do not have; or the cache cannot be written.
    """
    corpus = build_corpus(config, seed)
    notes = list(corpus.notes)
    if given is None:
        source, target, learnt_notes = _learnt(config, subwords, corpus)
        notes += learnt_notes
    else:
        source, target = given
    if isinstance(target, Labels):  # now, and not after hours of training
        for pairs, files in ((corpus.dev, config.dev), (corpus.test, config.test)):
            classes_of(pairs, target, paths_of(files) if files else None)
    train_source, train_target, facts = _encoded(corpus, source, target, max_pieces)
    if facts["num_dropped"]:
        what = "texts without a piece" if isinstance(target, Labels) else f"pairs longer than training.{max_pieces=}"
        notes.append(f"left out {facts['num_dropped']} {what}")
    if facts["num_cut"]:
        notes.append(f"cut {facts['num_cut']} texts to training.{max_pieces=}")
    return Prepared(
        train_source, train_target, corpus.dev, corpus.test, source, target, corpus.num_train, corpus.sha256, notes
    )


def classes_of(pairs: Sequence[Pair], labels: Labels, files: Files | None) -> list[int]:
    """The class of each text.

    Args:
        files: those that hold the pairs, line by line; None where pairs come from the cleaned training text.

    Raises:
        DataError: a label is none of these; the first one, with its file and line, or its text.
    """

    def place(index: int) -> str:
        if files is None:
            return f"data.train, at the text {shorten(pairs[index].source, 60)!r}"
        return f"{files[1] or files[0]}, line {index + 1}"

    return labels.ids([pair.target for pair in pairs], place)


# ----------------------------------------------------------------------------------------------------------------------
# Text


@dataclass(frozen=True)
class ParallelCorpus:
    """Sentence pairs for training, development and test, and what a user should know about how they came to be.

    Attributes:
        entry: where the cache keeps it.
        sha256: of all pairs in their order.
    """

    cache: Cache
    entry: Entry
    dev: list[Pair] = field(repr=False)
    test: list[Pair] = field(repr=False)
    num_train: int
    sha256: str
    notes: list[str]

    @property
    def chunks(self) -> list[Path]:
        """Files of training pairs, for `read_chunk`."""
        return [_chunk_file(self.entry.path, number) for number in range(self.entry.facts["num_chunks"])]

    def train(self) -> Iterator[Pair]:
        """The training pairs."""
        for path in self.chunks:
            with self.cache.checked():
                pairs = read_chunk(path)
            yield from pairs


def build_corpus(config: DataConfig, seed: int) -> ParallelCorpus:
    """Get the pairs, clean those for training, and cut off dev and test where there are none.

    Raises:
        DataError: a file is missing, malformed, empty, or cannot be downloaded; or nothing is left after cleaning; or
            the cache cannot be written.
    """
    folder = Path(config.cache) if config.cache else default_cache()
    cache = Cache(folder / "prepared")
    key, build = _recipe(config, folder, seed)
    entry = cache.entry("text", {"clean": _rules(config) and vars(_rules(config)), **key}, build)
    facts = entry.facts
    with cache.checked():
        dev, test = (read_chunk(entry.path / name) for name in ("dev", "test"))
    return ParallelCorpus(cache, entry, dev, test, facts["num_train"], facts["sha256"], facts["notes"])


def _recipe(config: DataConfig, folder: Path, seed: int) -> tuple[dict[str, Any], Callable[[Path], dict[str, Any]]]:
    """All that the text depends on but for cleaning, and the function that writes it into a folder."""
    languages = (config.source_language, config.target_language)
    match config.corpus:
        case Corpus.phrasebook:
            return _phrasebook(config, seed)
        case Corpus.multi30k:
            root = Path(config.root) if config.root else None
            splits = ("train", "val", "test_2016_flickr")
            return _files(config, seed, *(multi30k_paths(root, folder, split, *languages) for split in splits))
        case Corpus.files | Corpus.labelled:
            given = (config.train, config.dev, config.test)
            return _files(config, seed, *(paths_of(names) if names else None for names in given))


def paths_of(names: list[str]) -> Files:
    """The files of `data.train`, `data.dev` or `data.test`."""
    return Path(names[0]), Path(names[1]) if len(names) == 2 else None


def _rules(config: DataConfig) -> CleaningRules | None:
    if not config.clean:
        return None
    if config.corpus is Corpus.labelled:  # a text may be of any length, and a label is no translation of it
        return CleaningRules(max_words=None, max_characters=None, max_length_ratio=None)
    return CleaningRules(
        max_words=config.max_words,
        max_characters=config.max_characters,
        max_length_ratio=config.max_length_ratio,
    )


def _phrasebook(config: DataConfig, seed: int) -> tuple[dict[str, Any], Callable[[Path], dict[str, Any]]]:
    if (config.source_language, config.target_language) not in (("ko", "en"), ("en", "ko")):
        raise DataError(
            f"data=phrasebook is Korean and English (ko, en), not {config.source_language}-{config.target_language}"
        )
    is_reversed = config.source_language == "en"
    num_train, num_dev, num_test = config.train_pairs, config.dev_pairs, config.test_pairs

    def build(folder: Path) -> dict[str, Any]:
        sift_chunk = partial(_sift_phrases, folder, num_train, seed, is_reversed, _rules(config))
        with Workers() as workers:
            sifted = take_distinct(workers.in_order(sift_chunk, phrasebook.chunk_numbers(num_train)), num_train)
            draft = _sift_all(sifted, config, drop_duplicates=False)  # there are none
            notes = _cleaned(draft, config)
            dev, test = (
                _turned(phrasebook.distinct_pairs(split, num, seed), is_reversed)
                for split, num in ((Split.dev, num_dev), (Split.test, num_test))
            )
            facts = _write_text(folder, workers, draft, notes, dev, test)
        for path in folder.glob("draft.*"):  # of chunks that others had begun when there were enough pairs
            path.unlink()
        return facts

    sizes = {"train": num_train, "dev": num_dev, "test": num_test}
    return {"grammar": phrasebook.GRAMMAR_VERSION, "seed": seed, "is_reversed": is_reversed, **sizes}, build


def _turned(pairs: Iterable[phrasebook.Pair], is_reversed: bool) -> list[Pair]:
    return [Pair(pair.target, pair.source) if is_reversed else Pair(pair.source, pair.target) for pair in pairs]


def _files(
    config: DataConfig, seed: int, train: Files | None, dev: Files | None, test: Files | None
) -> tuple[dict[str, Any], Callable[[Path], dict[str, Any]]]:
    assert train is not None
    num_dev, num_test = (0 if dev else config.dev_pairs), (0 if test else config.test_pairs)
    cuts_any, share = bool(num_dev or num_test), config.dev_share

    def build(folder: Path) -> dict[str, Any]:
        sift_chunk = partial(_sift_files, folder, train, _rules(config), seed if cuts_any else None)
        with Workers() as workers:
            sifted = workers.in_order(sift_chunk, read_chunks(*train, CHUNK_PAIRS))
            draft = _sift_all(sifted, config, drop_duplicates=config.clean)
            given_dev, given_test = ([] if files is None else list(read_pairs(*files)) for files in (dev, test))
            notes = _cleaned(draft, config)
            if cuts_any:
                num = num_dev if share is None else max(1, round(share * draft.report.num_kept))
                notes.append(_cut(draft, num, num_test, seed))
            facts = _write_text(folder, workers, draft, notes, given_dev, given_test)
        if _hashes(train, dev, test) != hashes:  # what was read may not be what the entry is named after
            raise DataError("a text file changed while it was read; give the command again")
        return facts

    hashes = _hashes(train, dev, test)
    cut = {"num_dev": num_dev if share is None else share, "num_test": num_test, "seed": seed} if cuts_any else None
    return {**hashes, "cut": cut}, build


def _hashes(train: Files, dev: Files | None, test: Files | None) -> dict[str, list[str] | None]:
    names = {"train": train, "dev": dev, "test": test}
    return {name: files and [sha256_of(path) for path in files if path] for name, files in names.items()}


class Draft(NamedTuple):
    """What is known of all training pairs before their text is written.

    Attributes:
        codes: of each chunk's pairs, as in `Sifted`; DEV and TEST too, after `_cut`.
        ranks: of each chunk's good pairs.
    """

    codes: list[Codes]
    ranks: list[Digests]
    report: CleaningReport


def _sift_files(folder: Path, files: Files, rules: CleaningRules | None, seed: int | None, chunk: RawChunk) -> Sifted:
    return _sift_chunk(folder, chunk.number, decode_chunk(chunk, *files), rules, seed)


def _sift_phrases(
    folder: Path, num_pairs: int, seed: int, is_reversed: bool, rules: CleaningRules | None, number: int
) -> Sifted:
    pairs = phrasebook.chunk(Split.train, number, num_pairs, seed)
    return _sift_chunk(folder, number, _turned(pairs, is_reversed), rules, None)


def _sift_chunk(folder: Path, number: int, pairs: list[Pair], rules: CleaningRules | None, seed: int | None) -> Sifted:
    """Sift the pairs, and put them aside until it is known which ones of them are to stay."""
    tidied, sifted = sift(pairs, rules, seed)
    write_chunk(_draft_file(folder, number), tidied)
    return sifted


def _sift_all(chunks: Iterable[Sifted], config: DataConfig, *, drop_duplicates: bool) -> Draft:
    """See which of all the pairs are good."""
    rules = _rules(config)
    draft, seen = Draft([], [], CleaningReport() if rules is None else CleaningReport(rules.reasons)), DigestSet()
    with tqdm(desc="reading", unit="pair", unit_scale=True, leave=False, disable=None) as bar:
        for chunk in chunks:
            sifted = mark_repeated(chunk, seen) if drop_duplicates else chunk
            count_codes(sifted.codes_N, draft.report)
            draft.codes.append(sifted.codes_N)
            if len(sifted.ranks_N):
                draft.ranks.append(sifted.ranks_N[sifted.codes_N == GOOD])
            bar.update(len(sifted.codes_N))
    return draft


def _cleaned(draft: Draft, config: DataConfig) -> list[str]:
    """What cleaning has to tell.

    Raises:
        DataError: it has left nothing.
    """
    if not draft.report.num_kept:
        raise DataError(
            f"no training pair is left after cleaning: {draft.report}; look at the files, or set data.clean=false"
        )
    return [str(draft.report)] if config.clean else []


def _cut(draft: Draft, num_dev: int, num_test: int, seed: int) -> str:
    """Give the codes DEV and TEST to some good pairs, and say so."""
    splits = hold_out(np.concatenate(draft.ranks), num_dev, num_test)
    start = 0
    for codes_N in draft.codes:
        good = np.flatnonzero(codes_N == GOOD)
        codes_N[good] = splits[start : start + len(good)]
        start += len(good)
    nums = {name: int((splits == split).sum()) for name, split in (("dev", DEV), ("test", TEST))}
    parts = [f"{num:,} pairs for {name}" for name, num in nums.items() if num]
    return f"cut {' and '.join(parts)} out of the {len(splits):,} training pairs, by seed {seed}"


def _write_text(
    folder: Path, workers: Workers, draft: Draft, notes: list[str], given_dev: list[Pair], given_test: list[Pair]
) -> dict[str, Any]:
    """Write the training chunks, dev and test; returns the facts of the corpus."""
    num_train = sum(int((codes_N == TRAIN).sum()) for codes_N in draft.codes)
    dev, test = list(given_dev), list(given_test)
    digest = hashlib.sha256(f"{num_train}\n".encode())
    for number, cut in enumerate(workers.in_order(partial(_split_chunk, folder), enumerate(draft.codes))):
        dev += cut[0]
        test += cut[1]
        digest.update(_chunk_file(folder, number).read_bytes())
    for name, pairs in (("dev", dev), ("test", test)):
        digest.update(f"{len(pairs)}\n".encode())
        digest.update(write_chunk(folder / name, pairs))
    return {"num_train": num_train, "num_chunks": len(draft.codes), "sha256": digest.hexdigest(), "notes": notes}


def _split_chunk(folder: Path, task: tuple[int, Codes]) -> tuple[list[Pair], list[Pair]]:
    """Write the training pairs of a chunk that was put aside; returns those cut out for dev and test."""
    number, codes_N = task
    draft = _draft_file(folder, number)
    pairs = read_chunk(draft)
    train, dev, test = ([pairs[row] for row in np.flatnonzero(codes_N == split)] for split in (TRAIN, DEV, TEST))
    write_chunk(_chunk_file(folder, number), train)
    draft.unlink()
    return dev, test


def _draft_file(folder: Path, number: int) -> Path:
    return folder / f"draft.{number:05}"


def _chunk_file(folder: Path, number: int) -> Path:
    return folder / f"train.{number:05}"


def write_chunk(path: Path, pairs: Iterable[Pair]) -> bytes:
    """Write pairs, source and target on lines of their own, and flush them to the disk; returns what was written."""
    content = "".join([f"{source}\n{target}\n" for source, target in pairs]).encode()
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return content


def read_chunk(path: Path) -> list[Pair]:
    """What `write_chunk` wrote."""
    lines = path.read_bytes().decode().split("\n")
    return list(map(Pair, lines[:-1:2], lines[1::2]))


# ----------------------------------------------------------------------------------------------------------------------
# Pieces


def _learnt(
    data: DataConfig, config: SubwordsConfig, corpus: ParallelCorpus
) -> tuple[Subwords, Subwords | Labels, list[str]]:
    """`build_subwords`, or `build_labelled`, or what it gave before."""
    names = ("source", "target")
    is_labelled = data.corpus is Corpus.labelled
    cut = [*(() if data.dev else corpus.dev), *(() if data.test else corpus.test)]
    learn = partial(build_labelled, cut_labels={pair.target for pair in cut}) if is_labelled else build_subwords

    def build(folder: Path) -> dict[str, Any]:
        _logger.info("learning subwords from %s %s", f"{corpus.num_train:,}", "texts" if is_labelled else "pairs")
        chunks = map(read_chunk, corpus.chunks)
        source, target, notes = learn(config, chunks, corpus.num_train)
        for name, vocabulary in zip(names, (source, target), strict=True):
            write_bytes(folder / name, vocabulary.model)
        return {"notes": notes}

    key = {
        "text": corpus.entry.name,
        "library": VERSION,
        "kind": config.kind.name,
        "shared": "labelled" if is_labelled else config.shared,
        "vocabulary_size": config.vocabulary_size,
        "character_coverage": config.character_coverage,
    }
    entry = corpus.cache.entry("subwords", key, build)
    try:
        source = Subwords.load(entry.path / "source")
        target: Subwords | Labels = source
        if is_labelled:
            target = Labels.load(entry.path / "target")
        elif not config.shared:
            target = Subwords.load(entry.path / "target")
    except RunError as error:
        raise DataError(
            f"{error}\nIt vanished from the cache, or was damaged there; remove {entry.path}, if it is still "
            "there, and give the same command again."
        ) from error
    return source, target, entry.facts["notes"]


def build_subwords(
    config: SubwordsConfig, chunks: Iterable[Sequence[Pair]], num_pairs: int
) -> tuple[Subwords, Subwords, list[str]]:
    """Learn the pieces of both sides from training pairs; one and the same object where they are shared.

    Args:
        chunks: the pairs, in order; of the lines of both sides, one side after the other, or of each side where they
            are not shared, at most a million are kept in memory.
        num_pairs: in all chunks.

    Returns:
        Source subwords, target subwords, and messages for the user.

    Raises:
        DataError: the text is too small to learn any pieces from.
    """
    stride = sample_stride(2 * num_pairs if config.shared else num_pairs)
    sides: tuple[list[str], list[str]] = [], []
    # Lines 0, stride, 2 * stride ... of the text; shared text goes on with the targets where the sources end.
    starts = [0, num_pairs if config.shared else 0]
    for pairs in chunks:
        for side in (0, 1):
            sides[side].extend(pair[side] for pair in pairs[-starts[side] % stride :: stride])
            starts[side] += len(pairs)
    trained = [_trained(config, text) for text in ([[*sides[0], *sides[1]]] if config.shared else sides)]
    notes = [message for _, message in trained if message]
    return trained[0][0], trained[-1][0], notes


def build_labelled(
    config: SubwordsConfig, chunks: Iterable[Sequence[Pair]], num_texts: int, *, cut_labels: Set[str]
) -> tuple[Subwords, Labels, list[str]]:
    """Learn the pieces of texts, and the labels that there are; other arguments and errors as in `build_subwords`.

    Args:
        cut_labels: those of texts that were cut out of the training text: a rare one may be left in them alone.
    """
    stride, start = sample_stride(num_texts), 0
    texts: list[str] = []
    learnt: set[str] = set()
    for pairs in chunks:
        texts.extend(pair.source for pair in pairs[-start % stride :: stride])
        learnt.update(pair.target for pair in pairs)
        start += len(pairs)
    subwords, message = _trained(config, texts)
    notes = [message] if message else []
    if rare := sorted(cut_labels - learnt):
        notes.append(f"labels that no training text is left with, only dev or test: {', '.join(rare[:10])}")
    return subwords, Labels.of(learnt | cut_labels), notes


def _trained(config: SubwordsConfig, text: list[str]) -> tuple[Subwords, str | None]:
    return train_subwords(
        text,
        vocabulary_size=config.vocabulary_size,
        kind=config.kind,
        character_coverage=config.character_coverage,
    )


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
