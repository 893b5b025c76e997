"""What one vector cannot hold: how good translations are by the length of the source.

B classes of lengths.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from s2s.evaluation.scores import comparable_metrics, corpus_scores
from s2s.evaluation.significance import Resampling, resample
from s2s.evaluation.testsets import ScoredText


@dataclass(frozen=True)
class LengthClass:
    """Sentences of similar length.

    Attributes:
        name: its shortest and longest number of words, such as "7-9", "20-" for the last.
        rows: indices of its sentences in the test set; at least one.
        mean_words: of its sources.
    """

    name: str
    rows: Sequence[int]
    mean_words: float


@dataclass(frozen=True)
class ClassScore:
    """BLEU of one class, 0 to 100; of the sets of sentences drawn from it, 95 % score within mean ± ci.

    Attributes:
        signature: what makes it comparable.
    """

    bleu: float
    mean: float
    ci: float
    signature: str


def length_classes(sources: Sequence[str], edges: Sequence[int]) -> list[LengthClass]:
    """The classes that are not empty, by length; length is what white space separates.

    Args:
        sources: at least one line.
        edges: number of words at which a new class begins, ascending.
    """
    lengths = [len(source.split()) for source in sources]
    rows: list[list[int]] = [[] for _ in range(len(edges) + 1)]
    for row, length in enumerate(lengths):
        rows[bisect_right(edges, length)].append(row)
    names = _names(edges)
    return [
        LengthClass(name, chosen, sum(lengths[row] for row in chosen) / len(chosen))
        for name, chosen in zip(names, rows, strict=True)
        if chosen
    ]


def _names(edges: Sequence[int]) -> list[str]:
    firsts, lasts = [0, *edges], [edge - 1 for edge in edges]
    closed = [str(last) if first == last else f"{first}-{last}" for first, last in zip(firsts, lasts, strict=False)]
    return [*closed, f"{firsts[-1]}-"]


def scores_by_class(
    hypotheses: Sequence[str], text: ScoredText, classes: Sequence[LengthClass], *, num_samples: int, seed: int
) -> list[ClassScore]:
    """The BLEU of each class by itself.

    Args:
        hypotheses: translations of the text, one a line.
        num_samples, seed: of the bootstrap.
    """
    return [_score(hypotheses, text, group.rows, num_samples, seed) for group in classes]


def _score(hypotheses: Sequence[str], text: ScoredText, rows: Sequence[int], num_samples: int, seed: int) -> ClassScore:
    metrics = {"bleu": comparable_metrics(text.target_language)["bleu"]}
    chosen = [hypotheses[row] for row in rows]
    references = [[reference[row] for row in rows] for reference in text.references]
    scores = corpus_scores(chosen, *references, metrics=metrics, labels=text.labels)
    [found] = resample(Resampling.bootstrap, [chosen], references, metrics, num_samples=num_samples, seed=seed)
    evidence = found["bleu"]
    assert evidence.mean is not None
    assert evidence.ci is not None
    return ClassScore(float(scores["bleu"]), evidence.mean, evidence.ci, str(scores["bleu_signature"]))
