"""`s2s evaluate`: scores of a run, or of several that are compared, on their own test set or on another."""

import dataclasses
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2s.cli.commands import Command
from s2s.config.decoding import ComparisonConfig
from s2s.config.options import Takes, check_options, option
from s2s.config.search import ExpectedUtility, SearchConfig, Strategy
from s2s.config.training import Task
from s2s.errors import ConfigError

if TYPE_CHECKING:
    from s2s.evaluation.testsets import ScoredText
    from s2s.runs.folder import RunFolder

_logger = logging.getLogger(__name__)
_LOSS_BATCH_TOKENS = 2000


@dataclass
class EvaluateConfig(ComparisonConfig):
    """Options of `evaluate`."""

    output: str | None = option(None, "folder for the hypotheses; left out: RUN/evaluation", takes=Takes.folder)


def evaluate(config: EvaluateConfig) -> None:
    """Print a table on stderr and one JSON object on stdout; write the translations to files."""
    from s2s.evaluation.testsets import read_scored_text
    from s2s.runs.folder import RunFolder
    from s2s.runs.saved_config import load_config

    runs = [RunFolder.existing(name) for name in config.run]
    for run in runs:
        load_config(run.config, Task.translate)
    text = read_scored_text(config.data, runs)
    result = _evaluate_one(config, runs[0], text) if len(runs) == 1 else _compare(config, runs, text)
    print(json.dumps(result, ensure_ascii=False))


def _evaluate_one(config: EvaluateConfig, run: "RunFolder", text: "ScoredText") -> dict[str, Any]:
    """Loss against the first reference, and the scores of greedy search and of the search that was chosen."""
    from s2s.data.batching import all_batches
    from s2s.data.encode import encode_pairs
    from s2s.data.text.parallel_text import Pair
    from s2s.evaluation.score_table import score_table
    from s2s.evaluation.scores import mean_loss_nats
    from s2s.evaluation.significance import Resampling
    from s2s.evaluation.systems import load_translator, score_system, with_significance
    from s2s.files import write_lines
    from s2s.models.model import perplexity

    output = Path(config.output) if config.output else run.path / "evaluation"
    translator = load_translator(run, config)
    pairs = [Pair(source, target) for source, target in zip(text.sources, text.references[0], strict=True)]
    stores = encode_pairs(pairs, translator.source, translator.target)
    loss_nats = mean_loss_nats(translator.model, all_batches(*stores, _LOSS_BATCH_TOKENS), translator.device)
    _logger.info("%d lines, loss %.3f nats, perplexity %.2f", len(text.sources), loss_nats, perplexity(loss_nats))
    systems = []
    for search in _searches(translator.search):
        system = score_system(search.strategy.name, translator.with_search(search), text)
        write_lines(output / system.output, system.hypotheses)
        if config.significance.confidence:
            [system] = with_significance([system], text, config.significance, [Resampling.bootstrap])
        systems.append(system)
    _logger.info("%s", score_table("search", systems))
    found = {system.name: system.as_json() for system in systems}
    return {"lines": len(text.sources), "loss_nats": loss_nats, "perplexity": perplexity(loss_nats), **found}


def _compare(config: EvaluateConfig, runs: "Sequence[RunFolder]", text: "ScoredText") -> dict[str, Any]:
    """The scores of each run, and whether they differ from those of the first by more than chance."""
    from s2s.evaluation.score_table import score_table
    from s2s.evaluation.systems import load_translator, score_system, with_significance
    from s2s.files import write_lines

    systems = []
    for number, run in enumerate(runs, start=1):
        folder = f"{number}-{run.path.resolve().name}"
        output = Path(config.output) / folder if config.output else run.path / "evaluation"
        systems.append(score_system(str(run.path), load_translator(run, config), text))
        write_lines(output / systems[-1].output, systems[-1].hypotheses)
        _logger.info("%s: BLEU %.2f", run.path, systems[-1].scores["bleu"])
    systems = with_significance(systems, text, config.significance)
    search = config.search.strategy.name
    _logger.info("\n%d lines, search=%s; differences and p-values: from %s", len(text.sources), search, runs[0].path)
    _logger.info("%s", score_table("run", systems))
    rows = [{"run": system.name, **system.as_json()} for system in systems]
    return {"lines": len(text.sources), "search": search, "runs": rows}


def _searches(chosen: SearchConfig) -> list[SearchConfig]:
    """Greedy search, where the other options have a meaning for it, and the search that was chosen."""
    greedy = dataclasses.replace(chosen, strategy=Strategy.greedy, num_best=1, mbr=ExpectedUtility.none)
    if chosen == greedy:
        return [chosen]
    try:
        check_options(greedy, "search.")
    except ConfigError as error:
        _logger.info("search=greedy is left out: %s", error)
        return [chosen]
    return [greedy, chosen]


COMMAND = Command(
    evaluate,
    EvaluateConfig,
    bare=("run",),
    examples=(
        "runs/demo",
        "runs/demo data.test=other.ko,other.en",
        "runs/demo runs/other",
    ),
    common=("data.test", "search.beam_size"),
)
