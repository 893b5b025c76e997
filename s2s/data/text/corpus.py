"""TODO: say what s2s.data.text.corpus is."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from s2s.config.data import Corpus, DataConfig, Split
from s2s.data.cache import Cache, CacheEntry
from s2s.data.phrasebook.generate import GRAMMAR_VERSION, chunk, chunk_numbers, distinct_pairs
from s2s.data.phrasebook.sentences import AlignedPair
from s2s.data.text.cleaning import (
    DEV,
    GOOD,
    TEST,
    TRAIN,
    CleaningReport,
    CleaningRules,
    Codes,
    Digests,
    DigestSet,
    Sifted,
    count_codes,
    mark_repeated,
    sift,
    take_distinct,
)
from s2s.data.text.download import default_cache
from s2s.data.text.multi30k import multi30k_paths
from s2s.data.text.parallel_text import Files, Pair, RawChunk, decode_chunk, read_chunks, read_pairs, sha256_of
from s2s.data.text.splits import hold_out
from s2s.errors import DataError
from s2s.workers import Workers

CHUNK_PAIRS = 50_000
"""Pairs that one process works on at a time, in some 50 MB; a corpus of no more starts no other process."""


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
    entry: CacheEntry
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
            sifted = take_distinct(workers.in_order(sift_chunk, chunk_numbers(num_train)), num_train)
            draft = _sift_all(sifted, config, drop_duplicates=False)  # there are none
            notes = _cleaned(draft, config)
            dev, test = (
                _turned(distinct_pairs(split, num, seed), is_reversed)
                for split, num in ((Split.dev, num_dev), (Split.test, num_test))
            )
            facts = _write_text(folder, workers, draft, notes, dev, test)
        for path in folder.glob("draft.*"):  # of chunks that others had begun when there were enough pairs
            path.unlink()
        return facts

    sizes = {"train": num_train, "dev": num_dev, "test": num_test}
    return {"grammar": GRAMMAR_VERSION, "seed": seed, "is_reversed": is_reversed, **sizes}, build


def _turned(pairs: Iterable[AlignedPair], is_reversed: bool) -> list[Pair]:
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
    pairs = chunk(Split.train, number, num_pairs, seed)
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
