"""`s2s-evaluate`: scores of a run on its own test set, or on another."""

import dataclasses
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

from s2s.cli.app import run_app
from s2s.config import EvaluateConfig, OutputFormat, Strategy
from s2s.data.batching import all_batches
from s2s.data.corpora import Pair, read_pairs
from s2s.data.prepare import encode_pairs
from s2s.decoding.translator import Translator
from s2s.evaluation.scores import Scores, corpus_scores, mean_loss_nats
from s2s.files import write_lines
from s2s.models.loss import perplexity
from s2s.runs import RunFolder

_logger = logging.getLogger(__name__)
_LOSS_BATCH_TOKENS = 2000
_STRATEGIES = (Strategy.greedy, Strategy.beam)


def main() -> None:
    """The command."""
    run_app("evaluate", EvaluateConfig, evaluate)


def evaluate(config: EvaluateConfig) -> None:
    """Print a table on stderr and one JSON object on stdout; write the translations to files."""
    run = RunFolder.existing(config.run)
    paths = [Path(name) for name in config.data.test] or run.text("test")
    pairs = list(read_pairs(paths[0], paths[1]))
    # Every line needs exactly one translation here, whatever is asked for in search.
    search = dataclasses.replace(config.search, num_best=1, format=OutputFormat.text)
    translator = Translator.load(config.run, search=search, device=config.device, precision=config.precision)
    stores = encode_pairs(pairs, translator.source, translator.target)
    loss_nats = mean_loss_nats(translator.model, all_batches(*stores, _LOSS_BATCH_TOKENS), translator.device)
    result: dict[str, Any] = {"lines": len(pairs), "loss_nats": loss_nats, "perplexity": perplexity(loss_nats)}
    for strategy in _STRATEGIES:
        translator.search = dataclasses.replace(search, strategy=strategy)
        output = Path(config.output) if config.output else run.path / "evaluation"
        result[strategy.name] = _score(translator, pairs, output / f"{paths[0].name}.{strategy.name}.txt")
    _print_table(result)
    json.dump(result, sys.stdout, ensure_ascii=False)
    print()


def _score(translator: Translator, pairs: list[Pair], output: Path) -> dict[str, Any]:
    """Translate, write the translations, and score them."""
    started_s = time.perf_counter()
    hypotheses = translator.translate([pair.source for pair in pairs])
    elapsed_s = time.perf_counter() - started_s
    write_lines(output, hypotheses)
    scores: Scores = corpus_scores(hypotheses, [pair.target for pair in pairs])
    return {**scores, "translation_s": round(elapsed_s, 3), "output": output.name}


def _print_table(result: dict[str, Any]) -> None:
    _logger.info(
        "%d lines, loss %.3f nats, perplexity %.2f", result["lines"], result["loss_nats"], result["perplexity"]
    )
    _logger.info("%-8s %7s %7s %7s %9s", "search", "BLEU", "chrF", "TER", "seconds")
    for strategy in _STRATEGIES:
        row = result[strategy.name]
        values = (strategy.name, row["bleu"], row["chrf"], row["ter"], row["translation_s"])
        _logger.info("%-8s %7.2f %7.2f %7.2f %9.2f", *values)
    for metric in ("bleu", "chrf", "ter"):
        _logger.info("%-5s %s", metric, result[Strategy.beam.name][f"{metric}_signature"])
