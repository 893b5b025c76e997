"""The road from a choice of data to what a model trains on: text, pieces, ids."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from s2s.config import Corpus, DataConfig, SubwordsConfig
from s2s.data import phrasebook
from s2s.data.corpora import (
    CleaningReport,
    CleaningRules,
    Pair,
    clean,
    default_cache,
    hold_out,
    multi30k_paths,
    read_pairs,
)
from s2s.data.store import TokenStore
from s2s.data.subwords import Subwords, train_subwords
from s2s.errors import DataError


@dataclass(frozen=True)
class ParallelCorpus:
    """Sentence pairs for training, development and test, and what a user should know about how they came to be."""

    train: list[Pair]
    dev: list[Pair]
    test: list[Pair]
    notes: list[str]

    def fingerprint(self) -> str:
        """SHA-256 of all pairs in their order."""
        digest = hashlib.sha256()
        for pairs in (self.train, self.dev, self.test):
            digest.update(f"{len(pairs)}\n".encode())
            for pair in pairs:
                digest.update(f"{pair.source}\n{pair.target}\n".encode())
        return digest.hexdigest()


def build_corpus(config: DataConfig, seed: int) -> ParallelCorpus:
    """Get the pairs, clean those for training, and cut off dev and test where there are none.

    Raises:
        DataError: a file is missing, malformed, empty, or cannot be downloaded; or nothing is left after cleaning.
    """
    match config.corpus:
        case Corpus.phrasebook:
            return _phrasebook(config, seed)
        case Corpus.multi30k:
            return _multi30k(config)
        case Corpus.files:
            return _files(config, seed)


def _phrasebook(config: DataConfig, seed: int) -> ParallelCorpus:
    if (config.source_language, config.target_language) not in (("ko", "en"), ("en", "ko")):
        raise DataError(
            f"data=phrasebook is Korean and English (ko, en), not {config.source_language}-{config.target_language}"
        )
    sizes = (config.train_pairs, config.dev_pairs, config.test_pairs)
    is_reversed = config.source_language == "en"
    train, dev, test = (
        [Pair(pair.target, pair.source) if is_reversed else Pair(pair.source, pair.target) for pair in pairs]
        for pairs in map(phrasebook.distinct_pairs, phrasebook.Split, sizes, (seed, seed, seed))
    )
    train, notes = _clean(train, config)
    return ParallelCorpus(train, dev, test, notes)


def _multi30k(config: DataConfig) -> ParallelCorpus:
    root = Path(config.root) if config.root else None
    cache = Path(config.cache) if config.cache else default_cache()
    languages = (config.source_language, config.target_language)
    train, dev, test = (
        list(read_pairs(*multi30k_paths(root, cache, split, *languages)))
        for split in ("train", "val", "test_2016_flickr")
    )
    train, notes = _clean(train, config)
    return ParallelCorpus(train, dev, test, notes)


def _files(config: DataConfig, seed: int) -> ParallelCorpus:
    train, dev, test = (
        list(read_pairs(Path(files[0]), Path(files[1]))) if files else []
        for files in (config.train, config.dev, config.test)
    )
    train, notes = _clean(train, config)
    num_dev, num_test = (0 if dev else config.dev_pairs), (0 if test else config.test_pairs)
    if not num_dev and not num_test:
        return ParallelCorpus(train, dev, test, notes)
    rest, cut_dev, cut_test = hold_out(train, num_dev, num_test, seed)
    parts = [f"{len(cut):,} pairs for {name}" for name, cut in (("dev", cut_dev), ("test", cut_test)) if cut]
    note = f"cut {' and '.join(parts)} out of the {len(train):,} training pairs, by seed {seed}"
    return ParallelCorpus(rest, dev or cut_dev, test or cut_test, [*notes, note])


def _clean(pairs: list[Pair], config: DataConfig) -> tuple[list[Pair], list[str]]:
    """Training pairs without the bad ones, and a line that counts these; before anything is cut out for dev or test."""
    if not config.clean:
        return pairs, []
    rules = CleaningRules(
        max_words=config.max_words,
        max_characters=config.max_characters,
        max_length_ratio=config.max_length_ratio,
    )
    report = CleaningReport()
    kept = list(clean(pairs, rules, report))
    if not kept:
        raise DataError(
            f"no training pair is left after cleaning: {report}; look at the files, or set data.clean=false"
        )
    return kept, [str(report)]


def build_subwords(config: SubwordsConfig, pairs: Sequence[Pair]) -> tuple[Subwords, Subwords, list[str]]:
    """Learn the pieces of both sides from training pairs; one and the same object where they are shared.

    Returns:
        Source subwords, target subwords, and messages for the user.

    Raises:
        DataError: the text is too small to learn any pieces from.
    """
    sides = [[pair.source for pair in pairs], [pair.target for pair in pairs]]
    texts = [[line for side in sides for line in side]] if config.shared else sides
    trained = [
        train_subwords(
            text,
            vocabulary_size=config.vocabulary_size,
            kind=config.kind,
            character_coverage=config.character_coverage,
        )
        for text in texts
    ]
    notes = [message for _, message in trained if message]
    return trained[0][0], trained[-1][0], notes


def encode_pairs(
    pairs: Sequence[Pair], source: Subwords, target: Subwords, *, max_pieces: int | None = None
) -> tuple[TokenStore, TokenStore, int]:
    """Ids of both sides, without the pairs of which a side has no piece or more than `max_pieces`.

    Returns:
        The two stores, line by line, and how many pairs were left out.

    Raises:
        DataError: nothing is left.
    """
    encoded = zip(
        source.encode([pair.source for pair in pairs]), target.encode([pair.target for pair in pairs]), strict=True
    )
    kept = [sides for sides in encoded if max_pieces is None or (all(sides) and max(map(len, sides)) <= max_pieces)]
    if not kept:
        raise DataError(f"none of {len(pairs)} pairs has from 1 to {max_pieces} pieces a side; see training.max_pieces")
    stores = (
        TokenStore([sides[0] for sides in kept], len(source)),
        TokenStore([sides[1] for sides in kept], len(target)),
    )
    return *stores, len(pairs) - len(kept)


@dataclass(frozen=True)
class Prepared:
    train_source: TokenStore
    train_target: TokenStore
    dev: list[Pair]
    test: list[Pair]
    source: Subwords
    target: Subwords
    num_train: int
    sha256: str
    notes: list[str]


def prepare(
    config: DataConfig,
    subwords: SubwordsConfig,
    *,
    seed: int,
    max_pieces: int,
    given: tuple[Subwords, Subwords] | None = None,
) -> Prepared:
    corpus = build_corpus(config, seed)
    if given is None:
        source, target, notes = build_subwords(subwords, corpus.train)
    else:
        source, target, notes = *given, []
    train_source, train_target, num_dropped = encode_pairs(corpus.train, source, target, max_pieces=max_pieces)
    notes = [*corpus.notes, *notes]
    if num_dropped:
        notes.append(f"left out {num_dropped} pairs longer than training.max_pieces={max_pieces}")
    return Prepared(
        train_source,
        train_target,
        corpus.dev,
        corpus.test,
        source,
        target,
        len(corpus.train),
        corpus.fingerprint(),
        notes,
    )
