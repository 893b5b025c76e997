"""Labels to ids and back: the classes of a labelled corpus."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from textwrap import shorten

from s2s.data.text.cleaning import normalize_spaces
from s2s.data.text.parallel_text import Files, Pair
from s2s.errors import DataError, RunError
from s2s.files import read_bounded

_MAX_BYTES = 10_000_000
_MAX_LABELS = 1000
"""More of them are no labels: most likely the two files, or columns, were given the wrong way round."""


class Labels:
    """The classes of a labelled corpus, numbered in the order of their names.

    Of two classes the second is the one whose probability a sigmoid unit gives: 1 of 0 and 1, `positive` of `negative`
    and `positive`.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self.names = model.decode("utf-8").split("\n")[:-1]
        self._ids = {name: index for index, name in enumerate(self.names)}

    @classmethod
    def of(cls, found: Iterable[str]) -> "Labels":
        """The classes of these labels, in which white space counts as little as in any other text.

        Raises:
            DataError: there are none, or too few or too many; or one is blank.
        """
        names = sorted({normalize_spaces(label) for label in found})
        if not 2 <= len(names) <= _MAX_LABELS:
            raise DataError(
                f"expected from 2 to {_MAX_LABELS} different labels, found {len(names):,}; the text comes first and "
                "the label second: data.train=TEXT_FILE,LABEL_FILE"
            )
        if not names[0]:
            raise DataError("expected a label for each text, found a blank one; fix the files")
        return cls("".join(f"{name}\n" for name in names).encode())

    @classmethod
    def load(cls, path: Path) -> "Labels":
        """Read a file of names, one a line.

        Raises:
            RunError: the file is missing or damaged.
        """
        try:
            labels = cls(read_bounded(path, _MAX_BYTES))
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: expected the labels of a run, but they cannot be read ({error})") from error
        if len(labels) < 2:
            raise RunError(f"{path}: expected the labels of a run, one a line, found {len(labels)}")
        return labels

    def __len__(self) -> int:
        return len(self.names)

    def all_pieces(self) -> list[str]:
        """The names, by id, as `Subwords` gives its pieces."""
        return list(self.names)

    def resample(self, rows: Sequence[Sequence[int]], *, alpha: float, seed: int) -> Sequence[Sequence[int]]:
        """The same rows: a label is not text that could be cut into other pieces."""
        return rows

    def ids(self, labels: Sequence[str], locate: Callable[[int], str]) -> list[int]:
        """The class of each label.

        Args:
            locate: says where the label of an index stands, for the error.

        Raises:
            DataError: a label is unknown; the first one, with where it stands.
        """
        names = [normalize_spaces(label) for label in labels]
        for index, label in enumerate(names):
            if label not in self._ids:
                known = ", ".join(self.names[:10]) + ", ..." * (len(self) > 10)
                raise DataError(
                    f"{locate(index)}: expected one of the labels {known}, found {label!r}, which the run has not "
                    "learnt; fix the file, or train a new run with text that has this label"
                )
        return [self._ids[label] for label in names]


def classes_of(pairs: Sequence[Pair], labels: Labels, files: Files | None) -> list[int]:
    """The class of each text.

    Args:
        files: those that hold the pairs, line by line; None where pairs come from the cleaned training text.

    Raises:
        DataError: a label is unknown; the first one, with its file and line, or its text.
    """

    def locate(index: int) -> str:
        if files is None:
            return f"data.train, at the text {shorten(pairs[index].source, 60)!r}"
        return f"{files[1] or files[0]}, line {index + 1}"

    return labels.ids([pair.target for pair in pairs], locate)
