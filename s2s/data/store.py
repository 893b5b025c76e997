"""Encoded sentences in two flat arrays: two or four bytes a piece, whatever Python's lists would take."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


class TokenStore:
    """Sentence i is `tokens[offsets[i]:offsets[i + 1]]`.

    Attributes:
        tokens: ids of all sentences, one after the other, as uint16 or int32.
        offsets: N + 1 positions in `tokens`, from 0.
    """

    def __init__(self, sentences: Sequence[Sequence[int]], vocabulary_size: int) -> None:
        self.offsets = np.zeros(len(sentences) + 1, dtype=np.int64)
        np.cumsum([len(sentence) for sentence in sentences], out=self.offsets[1:])
        kind = np.uint16 if vocabulary_size <= 2**16 else np.int32
        flat = (index for sentence in sentences for index in sentence)
        self.tokens: npt.NDArray[np.integer] = np.fromiter(flat, dtype=kind, count=int(self.offsets[-1]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> npt.NDArray[np.integer]:
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Ids of each sentence (N)."""
        return np.diff(self.offsets)
