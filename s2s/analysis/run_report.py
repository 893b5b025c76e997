"""What a report shows of runs: what their folders hold, and how they translate a text."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from s2s.analysis.attention import WordAttention, attention_of_pairs, medium_sentence, piece_pairs
from s2s.analysis.run_comparison import RunResult, read_result, run_labels
from s2s.config.decoding import ComparisonConfig, SignificanceConfig
from s2s.decoding.batch_translator import BatchTranslator
from s2s.errors import DataError, RunError
from s2s.evaluation.score_table import ScoredSystem
from s2s.evaluation.significance import Resampling
from s2s.evaluation.systems import load_translator, score_system, with_significance
from s2s.evaluation.testsets import ScoredText, own_text
from s2s.runs.folder import RunFolder
from s2s.runs.metrics import read_metrics

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReportedRun:
    """What the folder of a run holds.

    Attributes:
        name: what the page calls it.
        result: options, steps, scores.
        metrics: its rows, see `read_metrics`.
        note: why it has no place among the translations; empty where it has.
    """

    name: str
    result: RunResult
    metrics: Sequence[Mapping[str, Any]]
    note: str = ""


@dataclass(frozen=True)
class ReportedSystem:
    """How a run translates a text.

    Attributes:
        run: its index among the runs of the report.
        scored: its translations and scores, with confidence intervals, and p-values where it is compared.
        attention: in one sentence; None where the model has none, or translates it with nothing.
        languages: of source and target.
    """

    run: int
    scored: ScoredSystem
    attention: WordAttention | None
    languages: tuple[str, str]


@dataclass(frozen=True)
class ReportedText:
    """A text, and how the runs that have it translate it; the first is the baseline."""

    text: ScoredText
    search: str
    systems: Sequence[ReportedSystem]


def read_runs(folders: Sequence[RunFolder], labels: Sequence[str] = ()) -> list[ReportedRun]:
    """Read the folders.

    Args:
        labels: what the page calls the runs; none: by how they differ.

    Raises:
        RunError: a file of one cannot be read.
    """
    results = [read_result(run) for run in folders]
    return [
        ReportedRun(name, result, read_metrics(run.metrics))
        for name, result, run in zip(labels or run_labels(results), results, folders, strict=True)
    ]


def score_runs(
    runs: Sequence[ReportedRun],
    folders: Sequence[RunFolder],
    text: ScoredText | None,
    options: ComparisonConfig,
) -> tuple[list[ReportedRun], list[ReportedText]]:
    """Translate with each run that can, score the translations, and compare runs that have the same text.

    Args:
        runs: what is known of them.
        folders: theirs.
        text: what to translate; None: each run's own test set.

    Returns:
        The runs, with a note where one cannot be scored; and the texts, in the order of the first run that has each.
    """
    noted, groups = list(runs), list[tuple[ScoredText, dict[int, BatchTranslator]]]()
    for index, folder in enumerate(folders):
        try:
            translator = load_translator(folder, options)
            own = own_text([folder]) if text is None else text
        except (RunError, DataError) as error:  # no weights yet, a damaged text: the page shows what there is
            _logger.warning("warning: %s is not scored: %s", folder.path, error)
            noted[index] = dataclasses.replace(runs[index], note=f"not scored: {error}")
            continue
        for other, translators in groups:
            if other == own:
                translators[index] = translator
                break
        else:
            groups.append((own, {index: translator}))
    return noted, [_score_text(runs, own, translators, options.significance) for own, translators in groups]


def _score_text(
    runs: Sequence[ReportedRun],
    text: ScoredText,
    translators: Mapping[int, BatchTranslator],
    options: SignificanceConfig,
) -> ReportedText:
    scored = []
    for index, translator in translators.items():
        scored.append(score_system(runs[index].name, translator, text))
        _logger.info("%s: BLEU %.2f", scored[-1].name, scored[-1].scores["bleu"])
    scored = with_significance(scored, text, options, Resampling if len(scored) > 1 else [Resampling.bootstrap])
    systems = []
    for (index, translator), system in zip(translators.items(), scored, strict=True):
        languages = (
            runs[index].result.options["data.source_language"],
            runs[index].result.options["data.target_language"],
        )
        systems.append(ReportedSystem(index, system, _attention(translator, medium_sentence(text.sources)), languages))
    return ReportedText(text, translator.search.strategy.name, systems)


def _attention(translator: BatchTranslator, source: str) -> WordAttention | None:
    """Where a model looks while it translates a sentence."""
    if not translator.model.has_attention:
        return None
    [sentence] = attention_of_pairs(translator, piece_pairs(translator, [source], [None]))
    return sentence
