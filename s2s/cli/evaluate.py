"""`s2s-evaluate`: scores of a run, or of several that are compared, on their own test set or on another."""

import dataclasses
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from s2s.cli.app import run_app
from s2s.config import (
    EvaluateConfig,
    ExpectedUtility,
    LengthsConfig,
    OutputFormat,
    ScoredData,
    SearchConfig,
    SignificanceConfig,
    Strategy,
    Task,
    check,
    load_config,
)
from s2s.data.batching import all_batches
from s2s.data.corpora import Pair
from s2s.data.prepare import encode_pairs
from s2s.decoding.translator import Translator
from s2s.errors import ConfigError
from s2s.evaluation.report import Scored, table
from s2s.evaluation.scores import comparable_metrics, corpus_scores, lowercased_metric, mean_loss_nats
from s2s.evaluation.significance import Resampling, resample
from s2s.evaluation.testsets import ScoredText, file_text, named_text, own_text
from s2s.files import write_lines
from s2s.models.loss import perplexity
from s2s.runs import RunFolder

_logger = logging.getLogger(__name__)
_LOSS_BATCH_TOKENS = 2000


def main() -> None:
    """The command."""
    run_app("evaluate", EvaluateConfig, evaluate)


def evaluate(config: EvaluateConfig) -> None:
    """Print a table on stderr and one JSON object on stdout; write the translations to files."""
    runs = [RunFolder.existing(name) for name in config.runs]
    for run in runs:
        load_config(run.config, Task.translate)
    text = scored_text(config.data, runs)
    result = _look_at(config, runs[0], text) if len(runs) == 1 else _compare(config, runs, text)
    json.dump(result, sys.stdout, ensure_ascii=False)
    print()


def scored_text(data: ScoredData, runs: Sequence[RunFolder]) -> ScoredText:
    """The text that was asked for, or else the test set that the runs share."""
    if data.testset is not None and data.language_pair is not None:
        return named_text(data.testset, data.language_pair)
    return file_text(*map(Path, data.test)) if data.test else own_text(runs)


def _look_at(config: EvaluateConfig, run: RunFolder, text: ScoredText) -> dict[str, Any]:
    """Loss, and the scores of greedy search and of the search that was chosen."""
    output = Path(config.output) if config.output else run.path / "evaluation"
    translator = scoring_translator(config, run)
    loss_nats = _loss_nats(translator, text)
    _logger.info("%d lines, loss %.3f nats, perplexity %.2f", len(text.sources), loss_nats, perplexity(loss_nats))
    systems = []
    for search in _searches(translator.search):
        translator.search = search
        systems.append(_kept(scored(search.strategy.name, translator, text), output))
    if config.significance.confidence:
        systems = [with_evidence(Resampling.bootstrap, [system], text, config.significance)[0] for system in systems]
    for line in table("search", systems):
        _logger.info("%s", line)
    found = {system.name: system.as_json() for system in systems}
    return {"lines": len(text.sources), "loss_nats": loss_nats, "perplexity": perplexity(loss_nats), **found}


def _compare(config: EvaluateConfig, runs: Sequence[RunFolder], text: ScoredText) -> dict[str, Any]:
    """The scores of each run, and whether they differ from those of the first by more than chance."""
    systems = []
    for number, run in enumerate(runs, start=1):
        folder = f"{number}-{run.path.resolve().name}"
        output = Path(config.output) / folder if config.output else run.path / "evaluation"
        systems.append(_kept(scored(str(run.path), scoring_translator(config, run), text), output))
        _logger.info("%s: BLEU %.2f", run.path, systems[-1].scores["bleu"])
    for method in Resampling:
        systems = with_evidence(method, systems, text, config.significance)
    search = config.search.strategy.name
    _logger.info("\n%d lines, search=%s; differences and p-values: from %s", len(text.sources), search, runs[0].path)
    for line in table("run", systems):
        _logger.info("%s", line)
    rows = [{"run": system.name, **system.as_json()} for system in systems]
    return {"lines": len(text.sources), "search": search, "runs": rows}


def scoring_translator(config: EvaluateConfig | LengthsConfig, run: RunFolder) -> Translator:
    """The translator of a run, which gives one translation a line."""
    # Every line needs exactly one translation here; several are only of use to choose one from.
    chooses = config.search.mbr is not ExpectedUtility.none
    num_best = config.search.num_best if chooses else 1
    search = dataclasses.replace(config.search, num_best=num_best, format=OutputFormat.text)
    return Translator.load(run.path, search=search, device=config.device, precision=config.precision)


def _searches(chosen: SearchConfig) -> list[SearchConfig]:
    """Greedy search, where the other options have a meaning for it, and the search that was chosen."""
    greedy = dataclasses.replace(chosen, strategy=Strategy.greedy, num_best=1, mbr=ExpectedUtility.none)
    if chosen == greedy:
        return [chosen]
    try:
        check(greedy, "search.")
    except ConfigError as error:
        _logger.info("search=greedy is left out: %s", error)
        return [chosen]
    return [greedy, chosen]


def _loss_nats(translator: Translator, text: ScoredText) -> float:
    """The loss against the first reference."""
    pairs = [Pair(source, target) for source, target in zip(text.sources, text.references[0], strict=True)]
    stores = encode_pairs(pairs, translator.source, translator.target)
    return mean_loss_nats(translator.model, all_batches(*stores, _LOSS_BATCH_TOKENS), translator.device)


def scored(name: str, translator: Translator, text: ScoredText) -> Scored:
    """Translate, and score the translations."""
    metrics = {**comparable_metrics(text.target_language), **lowercased_metric(text.target_language)}
    started_s = time.perf_counter()
    hypotheses = translator.translate(text.sources)
    elapsed_s = time.perf_counter() - started_s
    scores = corpus_scores(hypotheses, *text.references, metrics=metrics, labels=text.labels)
    return Scored(name, hypotheses, scores, elapsed_s, f"{text.name}.{translator.search.strategy.name}.txt")


def _kept(system: Scored, folder: Path) -> Scored:
    """The same, with its translations written into a folder."""
    write_lines(folder / system.output, system.hypotheses)
    return system


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
