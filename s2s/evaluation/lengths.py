"""BLEU by the length of the source: whether long sentences are harder.

Lengths are counted in words between white space.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sacrebleu.metrics.base import Metric

from s2s.evaluation.significance import Resampling, Significance, resample


@dataclass(frozen=True)
class LengthGroup:
    """Lines whose source has about the same length.

    Attributes:
        name: the fewest and the most words that belong here, such as "7-9", and "20-" for the last group.
        rows: the numbers of the lines, from 0; at least one.
        mean_words: of their sources.
    """

    name: str
    rows: Sequence[int]
    mean_words: float


def even_edges(sources: Sequence[str], most: int = 5) -> list[int]:
    """Lengths at which groups of about equally many lines begin, but for the first; lines of one length stay together.

    Args:
        most: groups wanted; fewer come where few lengths differ.
    """
    counts = Counter(len(source.split()) for source in sources)
    edges: list[int] = []
    num_before = 0
    for length in sorted(counts):
        if num_before >= len(sources) / most * (len(edges) + 1):
            edges.append(length)
        num_before += counts[length]
    return edges


def length_groups(sources: Sequence[str], edges: Sequence[int]) -> list[LengthGroup]:
    """The groups that have lines, from short to long.

    Args:
        edges: numbers of words at which a new group begins, ascending.
    """
    lengths = [len(source.split()) for source in sources]
    rows: list[list[int]] = [[] for _ in range(len(edges) + 1)]
    for row, length in enumerate(lengths):
        rows[bisect_right(edges, length)].append(row)
    firsts, lasts = [0, *edges], [edge - 1 for edge in edges]
    names = [str(last) if first == last else f"{first}-{last}" for first, last in zip(firsts, lasts, strict=False)]
    names.append(f"{firsts[-1]}-")
    return [
        LengthGroup(name, chosen, sum(lengths[row] for row in chosen) / len(chosen))
        for name, chosen in zip(names, rows, strict=True)
        if chosen
    ]


def scores_by_length(
    groups: Sequence[LengthGroup], hypotheses: Sequence[str], references: Sequence[Sequence[str]], metric: Metric
) -> list[float]:
    """The corpus score of each group's lines by themselves."""
    return [
        float(metric.corpus_score(_chosen(group, hypotheses), [_chosen(group, lines) for lines in references]).score)
        for group in groups
    ]


def intervals_by_length(
    groups: Sequence[LengthGroup],
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    metric: Metric,
    *,
    num_samples: int,
    seed: int,
    labels: Mapping[str, str] = MappingProxyType({}),
) -> list[Significance]:
    """How certain each group's score is, by bootstrap resampling of its lines; options as `resample` has them."""
    intervals = []
    for group in groups:
        [found] = resample(
            Resampling.bootstrap,
            [_chosen(group, hypotheses)],
            [_chosen(group, lines) for lines in references],
            {"score": metric},
            num_samples=num_samples,
            seed=seed,
            labels=labels,
        )
        intervals.append(found["score"])
    return intervals


def _chosen(group: LengthGroup, lines: Sequence[str]) -> list[str]:
    return [lines[row] for row in group.rows]
