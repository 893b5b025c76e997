"""TODO: say what s2s.data.text.splits is."""

import numpy as np
import numpy.typing as npt

from s2s.data.text.cleaning import DEV, TEST, TRAIN, Codes, Digests
from s2s.errors import DataError


def hold_out(ranks_N: Digests, num_dev: int, num_test: int) -> Codes:
    """Cut dev and test out of a corpus that comes without them.

    Pairs with the same source (but for white space) stay together, so no source of dev or test stands in train.
    Sources are ranked by a hash of seed and text, and dev, then test, take what fits: the choice does not depend on the
    order of the corpus, on Python's version or on the machine, and changes little when lines are added.

    Returns:
        TRAIN, DEV or TEST for each pair (N). Dev and test may stay some pairs short, where no group of equal sources
        fits any more.

    Raises:
        DataError: the corpus is too small to fill dev and test and leave something to train on.
    """
    splits_N = np.full(len(ranks_N), TRAIN, dtype=np.uint8)
    rooms = {DEV: num_dev, TEST: num_test}
    first_bits_N = (ranks_N >> np.uint64(58)).astype(np.uint8)
    for bits in range(64):  # in order of rank, a part at a time: mostly the first one holds all that is looked for
        rows = np.flatnonzero(first_bits_N == bits)
        _fill(splits_N, rows[np.argsort(ranks_N[rows], kind="stable")], ranks_N, rooms)
        if not any(rooms.values()):
            break
    is_filled = all(num == 0 or (splits_N == split).any() for split, num in ((DEV, num_dev), (TEST, num_test)))
    if not is_filled or not (splits_N == TRAIN).any() or len(ranks_N) <= num_dev + num_test:
        raise DataError(
            f"expected more than {num_dev:,} dev + {num_test:,} test pairs to cut from, found {len(ranks_N):,} with "
            f"{len(np.unique(ranks_N)):,} different sources (equal ones stay together); lower data.dev_pairs and "
            "data.test_pairs, give data.dev and data.test, or a larger corpus"
        )
    return splits_N


def _fill(splits_N: Codes, rows: npt.NDArray[np.intp], ranks_N: Digests, rooms: dict[int, int]) -> None:
    """Put groups of equal rank, in the order of `rows`, where there is room; `rooms` shrink."""
    sorted_ranks = ranks_N[rows]
    starts = np.flatnonzero(np.append(True, sorted_ranks[1:] != sorted_ranks[:-1])[: len(rows)])
    sizes = np.diff(np.append(starts, len(rows)))
    for group in np.flatnonzero(sizes <= max(rooms.values())).tolist():
        size = int(sizes[group])
        for split, room in rooms.items():
            if size <= room:
                splits_N[rows[starts[group] : starts[group] + size]] = split
                rooms[split] -= size
                break
        if not any(rooms.values()):
            return
