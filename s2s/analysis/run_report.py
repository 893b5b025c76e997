"""What a report says of some runs: what their folders tell, and how they translate a text."""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2s.analysis.attention import WordAttention, attention_of_pairs, medium_sentence, piece_pairs
from s2s.analysis.run_comparison import RunResult, read_result, short_names
from s2s.decoding.translator import Translator
from s2s.errors import DataError, RunError
from s2s.evaluation.score_table import ScoredSystem
from s2s.evaluation.significance import Resampling
from s2s.evaluation.systems import scored, with_significance
from s2s.evaluation.testsets import ScoredText, own_text
from s2s.runs.folder import RunFolder
from s2s.runs.metrics import read_metrics

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReportedRun:
    """What the folder of a run tells.

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
        scored: its translations and scores, with significance where it is compared.
        attention: where it looks in one sentence; None without attention, or where it says nothing.
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


def read_runs(folders: Sequence[RunFolder]) -> list[ReportedRun]:
    """What the folders tell.

    Raises:
        RunError: a file of one cannot be read.
    """
    return [
        ReportedRun(name, read_result(run), read_metrics(run.metrics))
        for name, run in zip(short_names(folders), folders, strict=True)
    ]


def score_runs(
    runs: Sequence[ReportedRun],
    folders: Sequence[RunFolder],
    text: ScoredText | None,
    load: Callable[[Path], Translator],
    num_samples: Mapping[Resampling, int],
    seed: int,
) -> tuple[list[ReportedRun], list[ReportedText]]:
    """Translate with each run that can, score the translations, and compare runs that have the same text.

    Args:
        runs: what is known of them.
        folders: theirs.
        text: what to translate; None: each run's own test set.
        load: gives the translator of a run folder.
        num_samples, seed: see `with_significance`; a run that is alone is not tested against others.

    Returns:
        The runs, with a note where one cannot be scored; and the texts, in the order of the first run that has each.
    """
    noted, groups = list(runs), list[tuple[ScoredText, dict[int, Translator]]]()
    for index, folder in enumerate(folders):
        try:
            translator = load(folder.path)
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
    texts = []
    for own, translators in groups:
        systems = []
        for index, translator in translators.items():
            systems.append(scored(runs[index].name, translator, own))
            _logger.info("%s: BLEU %.2f", systems[-1].name, systems[-1].scores["bleu"])
        methods = num_samples if len(systems) > 1 else {Resampling.bootstrap: num_samples[Resampling.bootstrap]}
        systems = with_significance(systems, own, methods, seed)
        reported = []
        for (index, translator), system in zip(translators.items(), systems, strict=True):
            options = runs[index].result.options
            languages = options["data.source_language"], options["data.target_language"]
            reported.append(
                ReportedSystem(index, system, _attention(translator, medium_sentence(own.sources)), languages)
            )
        texts.append(ReportedText(own, translator.search.strategy.name, reported))
    return noted, texts


def _attention(translator: Translator, source: str) -> WordAttention | None:
    """Where a model looks while it translates a sentence."""
    if not translator.model.has_attention:
        return None
    [sentence] = attention_of_pairs(translator, piece_pairs(translator, [source], [None]))
    return sentence
