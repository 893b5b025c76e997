"""What the subwords do not know, copied from the source (Luong et al. 2015, "Addressing the rare word problem").

S source pieces, T target pieces.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2s.data.words import merge_pieces, words_of_pieces


def copy_unknown(
    target_pieces: Sequence[str],
    is_unknown_T: Sequence[bool],
    weights_TS: NDArray[np.floating[Any]],
    source_pieces: Sequence[str],
    is_unknown_S: Sequence[bool],
) -> list[str]:
    """The target pieces with each unknown one replaced by the source word that it attends to most.

    Of a word that holds unknown pieces (a number in brackets, whose digits no subword has), it is the most attended of
    these: what stands around them is translated by itself.

    Args:
        target_pieces: T of them.
        is_unknown_T: which of them stand for characters that the subwords do not know.
        weights_TS: attention of each target piece.
        source_pieces: S of them, the unknown ones as they stand in the text; at least one.
        is_unknown_S: which of these the subwords do not know.
    """
    words_S, texts = np.array(words_of_pieces(source_pieces)), merge_pieces(source_pieces)
    copied = list(target_pieces)
    for target in np.flatnonzero(is_unknown_T):
        weights_S = weights_TS[target]
        word = int(np.bincount(words_S, weights=weights_S).argmax())
        unknown = np.flatnonzero((words_S == word) & np.array(is_unknown_S))
        copied[target] = source_pieces[unknown[weights_S[unknown].argmax()]] if len(unknown) else texts[word]
    return copied
