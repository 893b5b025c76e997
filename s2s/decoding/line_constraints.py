"""TODO: say what s2s.decoding.line_constraints is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LineConstraints:
    """What is asked of the translation of one line, beside what `SearchConfig` asks of all.

    Attributes:
        prefix: text that it begins with; its last word may go on.
        must: words that must occur; only with search=beam.
        avoid: words that must not occur, but in the prefix.
    """

    prefix: str = ""
    must: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Word:
    """A word that must occur (or several), and the ways to write it in pieces."""

    text: str
    ways: list[tuple[int, ...]]


@dataclass(frozen=True)
class _Sentence:
    """A line in pieces, and what is asked of its translation.

    Attributes:
        line: its number, from 1.
        source: pieces of the line.
        prefix: pieces that its translation begins with.
        must: what must be said.
        avoid: what must not be said.
    """

    line: int
    source: list[int]
    prefix: list[int]
    must: list[_Word]
    avoid: list[tuple[int, ...]]
