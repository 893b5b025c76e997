"""Systems that translate a test set: their scores, and how significant the differences between them are."""

import dataclasses
import time
from collections.abc import Iterable, Sequence

from tqdm import tqdm

from s2s.config.decoding import SignificanceConfig, TranslatingConfig
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.postprocessing import NBestList
from s2s.evaluation.score_table import ScoredSystem
from s2s.evaluation.scores import comparable_metrics, corpus_scores, lowercased_metric
from s2s.evaluation.significance import Resampling, resample
from s2s.evaluation.testsets import ScoredText
from s2s.runs.folder import RunFolder


def load_translator(run: RunFolder, options: TranslatingConfig) -> BatchTranslator:
    """The translator of a run, as the options of a command have it."""
    return BatchTranslator.load(
        run.path,
        search=options.search,
        device=options.device,
        precision=options.precision,
        batch_size=options.batch_size,
    )


def translate_shown(translator: BatchTranslator, lines: Sequence[str], title: str) -> list[str]:
    """`BatchTranslator.translate`, with a bar of this title where stderr is a terminal."""
    return [translation.texts[0] for translation in translations_shown(translator, lines, title)]


def translations_shown(translator: BatchTranslator, lines: Sequence[str], title: str) -> list[NBestList]:
    """`BatchTranslator.translations`, with the same bar."""
    with tqdm(desc=title, unit="line", total=len(lines), leave=False, dynamic_ncols=True, disable=None) as bar:
        return translator.translations(lines, progress=bar.update)


def score_system(name: str, translator: BatchTranslator, text: ScoredText) -> ScoredSystem:
    """Translate a text, and score the translations."""
    metrics = {**comparable_metrics(text.target_language), **lowercased_metric(text.target_language)}
    started_s = time.perf_counter()
    hypotheses = translate_shown(translator, text.sources, f"translating, {name}")
    elapsed_s = time.perf_counter() - started_s
    scores = corpus_scores(hypotheses, *text.references, metrics=metrics, labels=text.labels)
    return ScoredSystem(name, hypotheses, scores, elapsed_s, f"{text.name}.{translator.search.strategy.name}.txt")


def with_significance(
    systems: Sequence[ScoredSystem],
    text: ScoredText,
    options: SignificanceConfig,
    methods: Iterable[Resampling] = Resampling,
) -> list[ScoredSystem]:
    """The same systems with confidence intervals, and with tests of how they differ from the first."""
    num_samples = {
        Resampling.bootstrap: options.bootstrap_samples,
        Resampling.randomization: options.randomization_samples,
    }
    for method in methods:
        found = resample(
            method,
            [system.hypotheses for system in systems],
            text.references,
            comparable_metrics(text.target_language),
            num_samples=num_samples[method],
            seed=options.seed,
            labels=text.labels,
        )
        systems = [
            dataclasses.replace(system, significance={**system.significance, method: significance})
            for system, significance in zip(systems, found, strict=True)
        ]
    return list(systems)
