"""Dev and test sets, cut out of a training corpus that comes without them.

N pairs.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from s2s.data.text.cleaning import Hashes, hash64, normalize_spaces
from s2s.data.text.parallel_text import Pair
from s2s.errors import DataError

Splits = npt.NDArray[np.uint8]
TRAIN, DEV, TEST = 0, 1, 2


def rank_sources(pairs: Sequence[Pair], seed: int) -> Hashes:
    """A hash of seed and source for each pair, by which dev and test are chosen (N); white space does not count."""
    return np.array([hash64(f"{seed}\n{normalize_spaces(pair.source)}") for pair in pairs], dtype=np.uint64)


def fitting_size(num_pairs: int) -> int:
    """Pairs of a dev or test set that fits a corpus: a twentieth of it, 1,000 at most, and 50 if that is a tenth."""
    return max(1, min(1000, max(round(num_pairs / 20), min(50, num_pairs // 10))))


def choose_splits(ranks_N: Hashes, num_dev: int, num_test: int) -> Splits:
    """Choose the pairs of dev and test by the ranks of their sources.

    Pairs with the same source (but for white space) stay together, so no source of dev or test stands in train.
    In order of rank, dev, then test, takes what fits: the choice does not depend on the order of the corpus, on
    Python's version or on the machine, and changes little when lines are added.

    Returns:
        TRAIN, DEV or TEST for each pair (N). Dev and test may stay some pairs short, where no group of equal sources
        fits any more.

    Raises:
        DataError: the corpus is too small to fill dev and test and leave something to train on.
    """
    splits_N = np.full(len(ranks_N), TRAIN, dtype=np.uint8)
    num_left = {DEV: num_dev, TEST: num_test}
    first_bits_N = (ranks_N >> np.uint64(58)).astype(np.uint8)
    for bits in range(64):  # in order of rank, a part at a time: mostly the first one holds all that is looked for
        rows = np.flatnonzero(first_bits_N == bits)
        _fill(splits_N, rows[np.argsort(ranks_N[rows], kind="stable")], ranks_N, num_left)
        if not any(num_left.values()):
            break
    is_filled = all(num == 0 or (splits_N == split).any() for split, num in ((DEV, num_dev), (TEST, num_test)))
    if not is_filled or not (splits_N == TRAIN).any() or len(ranks_N) <= num_dev + num_test:
        raise DataError(
            f"expected more than {num_dev:,} dev + {num_test:,} test pairs to cut from, found {len(ranks_N):,} with "
            f"{len(np.unique(ranks_N)):,} different sources (equal ones stay together); lower data.dev_pairs and "
            "data.test_pairs, give data.dev and data.test, or a larger corpus"
        )
    return splits_N


def _fill(splits_N: Splits, rows: npt.NDArray[np.intp], ranks_N: Hashes, num_left: dict[int, int]) -> None:
    """Put groups of equal rank, in the order of `rows`, where they fit; `num_left` shrinks."""
    sorted_ranks = ranks_N[rows]
    starts = np.flatnonzero(np.append(True, sorted_ranks[1:] != sorted_ranks[:-1])[: len(rows)])
    sizes = np.diff(np.append(starts, len(rows)))
    for group in np.flatnonzero(sizes <= max(num_left.values())).tolist():
        size = int(sizes[group])
        for split, num in num_left.items():
            if size <= num:
                splits_N[rows[starts[group] : starts[group] + size]] = split
                num_left[split] -= size
                break
        if not any(num_left.values()):
            return
