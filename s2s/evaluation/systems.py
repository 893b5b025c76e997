"""Runs as systems that are scored on one text, and compared."""

import dataclasses
import time
from collections.abc import Mapping, Sequence

from s2s.decoding.translator import Translator
from s2s.evaluation.score_table import ScoredSystem
from s2s.evaluation.scores import comparable_metrics, corpus_scores, lowercased_metric
from s2s.evaluation.significance import Resampling, resample
from s2s.evaluation.testsets import ScoredText


def scored(name: str, translator: Translator, text: ScoredText) -> ScoredSystem:
    """Translate, and score the translations."""
    metrics = {**comparable_metrics(text.target_language), **lowercased_metric(text.target_language)}
    started_s = time.perf_counter()
    hypotheses = translator.translate(text.sources)
    elapsed_s = time.perf_counter() - started_s
    scores = corpus_scores(hypotheses, *text.references, metrics=metrics, labels=text.labels)
    return ScoredSystem(name, hypotheses, scores, elapsed_s, f"{text.name}.{translator.search.strategy.name}.txt")


def with_significance(
    systems: Sequence[ScoredSystem], text: ScoredText, num_samples: Mapping[Resampling, int], seed: int
) -> list[ScoredSystem]:
    """The same systems with confidence intervals and tests of how they differ from the first.

    Args:
        num_samples: of each kind of resampling that is wanted.
        seed: at least 1.
    """
    for method, number in num_samples.items():
        found = resample(
            method,
            [system.hypotheses for system in systems],
            text.references,
            comparable_metrics(text.target_language),
            num_samples=number,
            seed=seed,
            labels=text.labels,
        )
        systems = [
            dataclasses.replace(system, significance={**system.significance, method: significance})
            for system, significance in zip(systems, found, strict=True)
        ]
    return list(systems)
