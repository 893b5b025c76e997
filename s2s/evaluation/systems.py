"""TODO: say what s2s.evaluation.systems is."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

from s2s.config.commands import EvaluateConfig, LengthsConfig, ScoredData, SignificanceConfig
from s2s.config.search import ExpectedUtility
from s2s.decoding.translator import Translator
from s2s.evaluation.score_table import Scored
from s2s.evaluation.scores import comparable_metrics, corpus_scores, lowercased_metric
from s2s.evaluation.significance import Resampling, resample
from s2s.evaluation.testsets import ScoredText, file_text, named_text, own_text
from s2s.runs.folder import RunFolder


def scored_text(data: ScoredData, runs: Sequence[RunFolder]) -> ScoredText:
    """The text that was asked for, or else the test set that the runs share."""
    if data.testset is not None and data.language_pair is not None:
        return named_text(data.testset, data.language_pair)
    return file_text(*map(Path, data.test)) if data.test else own_text(runs)


def scoring_translator(config: EvaluateConfig | LengthsConfig, run: RunFolder) -> Translator:
    """The translator of a run, which gives one translation a line."""
    # Every line needs exactly one translation here; several are only of use to choose one from.
    chooses = config.search.mbr is not ExpectedUtility.none
    num_best = config.search.num_best if chooses else 1
    search = dataclasses.replace(config.search, num_best=num_best)
    return Translator.load(
        run.path,
        search=search,
        device=config.device,
        precision=config.precision,
        batch_size=config.search.batch_size,
    )


def scored(name: str, translator: Translator, text: ScoredText) -> Scored:
    """Translate, and score the translations."""
    metrics = {**comparable_metrics(text.target_language), **lowercased_metric(text.target_language)}
    started_s = time.perf_counter()
    hypotheses = translator.translate(text.sources)
    elapsed_s = time.perf_counter() - started_s
    scores = corpus_scores(hypotheses, *text.references, metrics=metrics, labels=text.labels)
    return Scored(name, hypotheses, scores, elapsed_s, f"{text.name}.{translator.search.strategy.name}.txt")


def with_evidence(
    method: Resampling,
    systems: Sequence[Scored],
    text: ScoredText,
    options: SignificanceConfig,
) -> list[Scored]:
    """The same with what resampling says of their scores."""
    is_bootstrap = method is Resampling.bootstrap
    found = resample(
        method,
        [system.hypotheses for system in systems],
        text.references,
        comparable_metrics(text.target_language),
        num_samples=options.bootstrap_samples if is_bootstrap else options.randomization_samples,
        seed=options.seed,
        labels=text.labels,
    )
    return [
        dataclasses.replace(system, evidence={**system.evidence, method: evidence})
        for system, evidence in zip(systems, found, strict=True)
    ]
