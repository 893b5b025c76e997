"""The phrasebook as files, of any size: made by all cores, and held in memory a chunk at a time."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from s2s.config.data import Split
from s2s.data.phrasebook.generate import chunk, chunk_numbers
from s2s.data.text.cleaning import Digests, Distinct, digest64
from s2s.files import replacing
from s2s.workers import Workers


class Lines(NamedTuple):
    """A chunk of the phrasebook, line by line; N lines each.

    Attributes:
        digests_N: of the Korean lines.
        align: word alignments, Pharaoh's `i-j` of Korean and English words, from 0.
    """

    digests_N: Digests
    ko: list[str]
    en: list[str]
    align: list[str]


def write_phrasebook(folder: Path, split: Split, num_pairs: int, seed: int, *, alignments: bool) -> list[Path]:
    """Write SPLIT.ko, SPLIT.en and, if asked, SPLIT.align; each is complete or absent.

    The pairs are a function of split, number and seed, all different: those of data=phrasebook, where dev and test have
    no more than FIRST_CHUNK of them. It takes 8 bytes a pair to know them apart.

    Returns:
        The files.

    Raises:
        DataError: the grammar has not so many pairs.
        OSError: a file cannot be written.
    """
    names = ("ko", "en", "align") if alignments else ("ko", "en")
    paths = [folder / f"{split.name}.{name}" for name in names]
    with ExitStack() as stack:
        files = [stack.enter_context(replacing(path)) for path in paths]
        workers = stack.enter_context(Workers())
        bar = stack.enter_context(tqdm(total=num_pairs, unit="pair", unit_scale=True, leave=False, disable=None))
        distinct = Distinct(num_pairs)
        for lines in _all_lines(workers, split, num_pairs, seed):
            is_new = distinct.take(lines.digests_N).tolist()
            for file, name in zip(files, names, strict=True):
                file.write("".join(f"{line}\n" for line in compress(getattr(lines, name), is_new)).encode())
            bar.update(sum(is_new))
            if not distinct.num_left:
                break
    return paths


def _all_lines(workers: Workers, split: Split, num_pairs: int, seed: int) -> Iterator[Lines]:
    return workers.in_order(partial(_lines, split, num_pairs, seed), chunk_numbers(num_pairs))


def _lines(split: Split, num_pairs: int, seed: int, number: int) -> Lines:
    pairs = chunk(split, number, num_pairs, seed)
    return Lines(
        np.array([digest64(pair.source) for pair in pairs], dtype=np.uint64),
        [pair.source for pair in pairs],
        [pair.target for pair in pairs],
        [" ".join(f"{i}-{j}" for i, j in pair.alignment) for pair in pairs],
    )
