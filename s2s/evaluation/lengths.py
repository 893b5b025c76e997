"""BLEU by the length of the source: whether long sentences are harder."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sacrebleu.metrics.base import Metric


@dataclass(frozen=True)
class LengthGroup:
    """Lines whose source has about the same length.

    Attributes:
        low, high: fewest and most words (between white space) of a source.
        rows: the numbers of the lines, from 0.
    """

    low: int
    high: int
    rows: list[int]

    @property
    def name(self) -> str:
        """Such as 5-8."""
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


def length_groups(sources: Sequence[str], most: int = 5) -> list[LengthGroup]:
    """At most so many groups of about equally many lines; lines of one length are never parted."""
    lengths = [len(source.split()) for source in sources]
    enough = len(lengths) / most
    groups: list[list[int]] = [[]]
    num_lines = 0
    for length, count in sorted(Counter(lengths).items()):
        if num_lines >= enough * len(groups):
            groups.append([])
        groups[-1].append(length)
        num_lines += count
    return [
        LengthGroup(group[0], group[-1], [row for row, length in enumerate(lengths) if group[0] <= length <= group[-1]])
        for group in groups
        if group
    ]


def scores_by_length(
    groups: Sequence[LengthGroup], hypotheses: Sequence[str], references: Sequence[Sequence[str]], metric: Metric
) -> list[float]:
    """The corpus score of each group's lines by themselves."""
    return [
        float(
            metric.corpus_score(
                [hypotheses[row] for row in group.rows], [[lines[row] for row in group.rows] for lines in references]
            ).score
        )
        for group in groups
    ]
