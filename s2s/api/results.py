"""Several results of one kind, as a list that a notebook draws."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from s2s.analysis.pages.notebook import joined


class Result(Protocol):
    """What every result can do: `repr` gives a text for people, and a notebook draws it."""

    def _repr_html_(self) -> str: ...


R = TypeVar("R", bound=Result)


class Results(list[R]):
    """A list of results, one for each sentence or pair that was given, in order; shown one after the other.

    >>> import s2s
    >>> scores = s2s.Translator.load("runs/demo").score([("하나 둘", "two one"), ("셋", "three")])
    >>> len(scores), scores[1].source
    (2, '셋')
    """

    def __init__(self, results: Iterable[R] = ()) -> None:
        super().__init__(results)

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self)) or "Results([])"

    def _repr_html_(self) -> str:
        return joined([result._repr_html_() for result in self])
