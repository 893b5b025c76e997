"""The text of a corpus, cleaned and split, in files of a folder; for all later stages.

`train.00000`, `train.00001` ... hold the training pairs in chunks, `dev` and `test` the others, in UTF-8: the source on
one line and the target on the next.

N pairs of a chunk.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from s2s.config.data import Split
from s2s.data.text.cleaning import (
    KEPT,
    CleaningReport,
    CleaningRules,
    Flags,
    Hashes,
    HashSet,
    Reasons,
    clean_pairs,
    drop_duplicates,
    first_distinct,
    hash_pairs,
)
from s2s.data.text.corpus_reader import CorpusReader
from s2s.data.text.parallel_text import Pair
from s2s.data.text.splits import DEV, TEST, TRAIN, Splits, choose_splits, fitting_size, rank_sources
from s2s.errors import DataError
from s2s.files import write_bytes
from s2s.workers import Workers


@dataclass(frozen=True)
class CleanText:
    """What `write_clean_text` has written.

    Attributes:
        name: of its folder, made of all that the text depends on.
        chunks: files of the training pairs.
        num_train: pairs in all chunks.
        held_out: the pairs of dev and test.
        cut: which of them were cut out of the training pairs.
        notes: what a user should know about all this.
    """

    name: str
    chunks: list[Path]
    num_train: int
    held_out: dict[Split, list[Pair]] = field(repr=False)
    cut: list[Split]
    notes: list[str]

    @classmethod
    def open(cls, folder: Path, facts: Mapping[str, Any]) -> "CleanText":
        """Read dev and test.

        Args:
            facts: what `write_clean_text` returned.

        Raises:
            OSError: they cannot be read.
        """
        held_out = {
            split: list(map(Pair, *unpack_sides((folder / split.name).read_bytes())))
            for split in (Split.dev, Split.test)
        }
        cut = [Split[name] for name in facts["cut"]]
        return cls(folder.name, _chunk_files(folder), facts["num_train"], held_out, cut, facts["notes"])


def write_clean_text(
    folder: Path,
    reader: CorpusReader,
    rules: CleaningRules | None,
    cut: Mapping[Split, float | None],
    seed: int,
    unit: str = "pair",
) -> dict[str, Any]:
    """Read a corpus, clean its training pairs, and cut dev and test out of them where they are not given.

    Args:
        rules: None: the pairs stay as they are.
        cut: how many training pairs become dev or test; below 1, which share of them; None: what fits their number.
        seed: by which these are chosen.
        unit: what a pair is called in messages.

    Returns:
        Facts for `CleanText.open`.

    Raises:
        DataError: the corpus cannot be read; nothing is left after cleaning; or it is too small to cut from.
    """
    with Workers() as workers:
        report, ranks = _clean_train(folder, workers, reader, rules, seed if cut else None, unit)
        texts = {split: pack_pairs(reader.read_split(split)) for split in reader.given_splits}
        if not report.num_kept:
            raise DataError(
                f"no training {unit} is left after cleaning: {report}; look at the files, or set data.clean=false"
            )
        notes = [] if rules is None else [str(report)]
        num_train = report.num_kept
        if cut:
            texts |= _cut_splits(folder, workers, ranks, cut)
            nums = {split.name: texts[split].count(b"\n") // 2 for split in cut}  # two lines a pair
            num_train -= sum(nums.values())
            parts = [f"{num:,} {unit}s for {name}" for name, num in nums.items() if num]
            notes.append(f"cut {' and '.join(parts)} out of the {report.num_kept:,} training {unit}s, by seed {seed}")
    for split, text in texts.items():
        write_bytes(folder / split.name, text)
    return {"num_train": num_train, "cut": [split.name for split in cut], "notes": notes}


# ----------------------------------------------------------------------------------------------------------------------
# Read and clean


class _CheckedChunk(NamedTuple):
    """The pairs of a chunk, after each was looked at alone.

    Attributes:
        text: of all pairs, those to be dropped too.
        reasons_N: KEPT, or why a pair is dropped.
        hashes_N: of whole pairs.
        ranks_N: of sources; 0 where nothing is cut out.
    """

    text: bytes
    reasons_N: Reasons
    hashes_N: Hashes
    ranks_N: Hashes

    def select(self, is_selected_N: Flags) -> "_CheckedChunk":
        """Some of the pairs."""
        return _CheckedChunk(
            select_pairs(self.text, is_selected_N),
            self.reasons_N[is_selected_N],
            self.hashes_N[is_selected_N],
            self.ranks_N[is_selected_N],
        )


def _check_chunk(reader: CorpusReader, rules: CleaningRules | None, seed: int | None, chunk: Any) -> _CheckedChunk:
    """Read a chunk and look at each of its pairs; in any process."""
    pairs = reader.read_chunk(chunk)
    reasons_N = np.full(len(pairs), KEPT, dtype=np.uint8)
    if rules is not None:
        pairs, reasons_N = clean_pairs(pairs, rules)
    ranks_N = np.zeros(len(pairs), dtype=np.uint64) if seed is None else rank_sources(pairs, seed)
    return _CheckedChunk(pack_pairs(pairs), reasons_N, hash_pairs(pairs), ranks_N)


def _clean_train(
    folder: Path, workers: Workers, reader: CorpusReader, rules: CleaningRules | None, seed: int | None, unit: str
) -> tuple[CleaningReport, list[Hashes]]:
    """Write the training pairs that are kept; returns their ranks, chunk by chunk, if there is a seed to rank by."""
    chunks = workers.in_order(partial(_check_chunk, reader, rules, seed), reader.chunks())
    if reader.num_distinct is not None:
        distinct = first_distinct(((chunk.hashes_N, chunk) for chunk in chunks), reader.num_distinct)
        chunks = (chunk.select(is_chosen_N) for is_chosen_N, chunk in distinct)
    report = CleaningReport(unit=unit) if rules is None else CleaningReport(rules.reasons, unit=unit)
    all_ranks, seen = [], HashSet()
    with tqdm(desc="reading", unit=unit, unit_scale=True, leave=False, disable=None) as bar:
        for number, chunk in enumerate(chunks):
            if rules is not None and reader.num_distinct is None:
                drop_duplicates(chunk.reasons_N, chunk.hashes_N, seen)
            report.add(chunk.reasons_N)
            kept = chunk.select(chunk.reasons_N == KEPT)
            write_bytes(folder / f"train.{number:05}", kept.text)
            if seed is not None:
                all_ranks.append(kept.ranks_N)
            bar.update(len(chunk.reasons_N))
    return report, all_ranks


# ----------------------------------------------------------------------------------------------------------------------
# Split


def _cut_splits(
    folder: Path, workers: Workers, ranks: Sequence[Hashes], cut: Mapping[Split, float | None]
) -> dict[Split, bytes]:
    """Take dev and test out of the training chunks; returns their text."""
    ranks_N = np.concatenate(ranks)
    nums = {split: _num_to_cut(size, len(ranks_N)) for split, size in cut.items()}
    splits_N = choose_splits(ranks_N, nums.get(Split.dev, 0), nums.get(Split.test, 0))
    splits_by_chunk = np.split(splits_N, np.cumsum([len(some) for some in ranks])[:-1])
    tasks = [task for task in zip(_chunk_files(folder), splits_by_chunk, strict=True) if task[1].any()]
    parts = list(workers.in_order(_cut_chunk, tasks))
    return {split: b"".join(part[split] for part in parts) for split in cut}


def _num_to_cut(size: float | None, num_pairs: int) -> int:
    """How many of so many pairs are cut, for a size as in `write_clean_text`."""
    if size is None:
        return fitting_size(num_pairs)
    return int(size) if size >= 1 else max(1, round(size * num_pairs))


def _cut_chunk(task: tuple[Path, Splits]) -> dict[Split, bytes]:
    """Leave only the training pairs in a chunk; returns the others."""
    path, splits_N = task
    text = path.read_bytes()
    write_bytes(path, select_pairs(text, splits_N == TRAIN))
    return {
        Split.dev: select_pairs(text, splits_N == DEV),
        Split.test: select_pairs(text, splits_N == TEST),
    }


# ----------------------------------------------------------------------------------------------------------------------
# Files


def _chunk_files(folder: Path) -> list[Path]:
    """The chunks of train, in their order."""
    return sorted(folder.glob("train.*"))


def pack_pairs(pairs: Iterable[Pair]) -> bytes:
    """Pairs as the content of a file."""
    return "".join([f"{source}\n{target}\n" for source, target in pairs]).encode()


def unpack_sides(text: bytes) -> tuple[list[str], list[str]]:
    """Sources and targets of what `pack_pairs` gave."""
    lines = text.decode().split("\n")
    return lines[:-1:2], lines[1::2]


def select_pairs(text: bytes, is_selected_N: Flags) -> bytes:
    """Some of the pairs, packed like all."""
    if is_selected_N.all():
        return text
    lines = text.split(b"\n")
    return b"".join([line + b"\n" for line in compress(lines, np.repeat(is_selected_N, 2).tolist())])
