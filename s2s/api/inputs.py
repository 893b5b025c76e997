"""What the Python API is given: one sentence or several, one pair or several; results come in the same form."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from s2s.api.results import Result, Results
from s2s.data.text.parallel_text import Pair
from s2s.errors import DataError

R = TypeVar("R", bound=Result)


def lines_of(text: str | Iterable[str]) -> list[str]:
    """Sentences as a list.

    Raises:
        DataError: they are something else.
    """
    if isinstance(text, str):
        return [text]
    if isinstance(text, bytes) or not isinstance(text, Iterable):
        raise DataError(f"expected a sentence or a list of sentences, got {type(text).__name__}")
    lines = list(text)
    for number, line in enumerate(lines, start=1):
        if not isinstance(line, str):
            raise DataError(f"expected a list of sentences, but number {number} is {type(line).__name__}: {line!r:.60}")
    return lines


def sentence_of(text: str) -> str:
    """One sentence that is not blank.

    Raises:
        DataError: it is blank, or something else.
    """
    if not isinstance(text, str):
        raise DataError(f"expected one sentence, got {type(text).__name__}")
    if not text.strip():
        raise DataError("expected a sentence, got a blank one")
    return text


def with_targets(
    text: str | Iterable[str], target: str | Sequence[str | None] | None
) -> tuple[list[str], list[str | None]]:
    """Sentences, and a translation or None for each.

    Raises:
        DataError: there are more or fewer of these.
    """
    lines = lines_of(text)
    targets: list[str | None] = [None] * len(lines) if target is None else []
    if target is not None:
        targets.extend([target] if isinstance(target, str) else target)
    if len(targets) != len(lines):
        raise DataError(f"expected a translation for each of {len(lines)} sentences, got {len(targets)}")
    return lines, targets


def pairs_of(given: Any) -> list[Pair]:
    """Sentence pairs as a list.

    Raises:
        DataError: they are something else.
    """
    rows = [given] if _is_pair(given) else list(given) if isinstance(given, Iterable) else [given]
    for number, row in enumerate(rows, start=1):
        if not (isinstance(row, tuple | list) and len(row) == 2 and all(isinstance(side, str) for side in row)):
            raise DataError(f"expected (source, target) or a list of such pairs, but number {number} is {row!r:.60}")
    return [Pair(*row) for row in rows]


def one_or_all(text: str | Iterable[str], results: list[R]) -> R | Results[R]:
    """The results of `lines_of(text)`: alone for one sentence."""
    return results[0] if isinstance(text, str) else Results(results)


def one_or_all_pairs(pairs: Any, results: list[R]) -> R | Results[R]:
    """The results of `pairs_of(pairs)`: alone for one pair."""
    return results[0] if _is_pair(pairs) else Results(results)


def _is_pair(given: Any) -> bool:
    return isinstance(given, tuple) and len(given) == 2 and all(isinstance(side, str) for side in given)
