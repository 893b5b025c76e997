"""`s2s report`: several runs on one page that needs no network."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from s2s.analysis.attention import WordAttention, attention_of_pairs, middling, piece_pairs
from s2s.analysis.pages.report_page import RunStory, Said, TextResults, report_page
from s2s.analysis.run_comparison import read_result, short_names
from s2s.cli.commands import Command
from s2s.config.decoding import ComparisonConfig
from s2s.config.options import option
from s2s.config.training import Task
from s2s.decoding.translator import Translator
from s2s.errors import ConfigError, DataError, RunError
from s2s.evaluation.significance import Resampling
from s2s.evaluation.systems import scored, with_evidence
from s2s.evaluation.testsets import ScoredText, own_text, scored_text
from s2s.files import write_text
from s2s.runs.folder import RunFolder
from s2s.runs.metrics import read_metrics
from s2s.runs.saved_config import load_config

_logger = logging.getLogger(__name__)


@dataclass
class ReportConfig(ComparisonConfig):
    """Options of `report`."""

    output: str = option("report.html", "the page")
    scores: bool = option(True, "translate and score a text; false: only what the run folders hold")
    samples: int = option(8, "translations shown side by side", low=0)

    def check(self) -> None:
        super().check()
        if not self.scores and (self.data.test or self.data.testset):
            raise ConfigError(
                "scores=false scores nothing, and has no use for data.test and data.testset; leave one out"
            )


@dataclass(frozen=True)
class _Ready:
    """A run that can translate, and the text that it is scored on."""

    run: int
    translator: Translator
    text: ScoredText


def report(config: ReportConfig) -> None:
    """Write the page, and its name on stdout."""
    runs = [RunFolder.existing(name) for name in config.runs]
    task = _common_task(runs)
    if task is Task.classify and (config.data.test or config.data.testset):
        raise RunError(
            f"run={runs[0].path} is a classifier, which report does not score: give data.test to s2s classify"
        )
    stories = [
        RunStory(name, read_result(run), read_metrics(run.metrics))
        for name, run in zip(short_names(runs), runs, strict=True)
    ]
    texts: list[TextResults] = []
    if config.scores and task is Task.translate:
        stories, ready = _ready(config, runs, stories)
        texts = [_results(config, stories, group) for group in _by_text(ready)]
    write_text(Path(config.output), report_page(stories, texts, config.samples))
    print(config.output)


def _common_task(runs: Sequence[RunFolder]) -> Task:
    """What all of the runs have learnt.

    Raises:
        RunError: they have learnt different things, and their figures have nothing in common.
    """
    tasks = [load_config(run.config).task for run in runs]
    for run, task in zip(runs, tasks, strict=True):
        if task is not tasks[0]:
            raise RunError(
                f"run={run.path} was trained with task={task.name} and {runs[0].path} with task={tasks[0].name}: "
                "expected runs of one task; report on each kind by itself"
            )
    return tasks[0]


def _ready(
    config: ReportConfig, runs: Sequence[RunFolder], stories: Sequence[RunStory]
) -> tuple[list[RunStory], list[_Ready]]:
    """The runs that can translate; those that cannot have a note that says why."""
    data = config.data
    is_given = data.test or data.testset
    shared = scored_text(data.test, data.testset, data.language_pair, runs) if is_given else None
    told, ready = list(stories), []
    for index, run in enumerate(runs):
        try:
            translator = Translator.load(
                run.path,
                search=config.search,
                device=config.device,
                precision=config.precision,
                batch_size=config.batch_size,
            )
            ready.append(_Ready(index, translator, shared or own_text([run])))
        except (RunError, DataError) as error:  # no weights yet, a damaged text: the page shows what there is
            _logger.warning("warning: %s is not scored: %s", run.path, error)
            told[index] = replace(stories[index], note=f"not scored: {error}")
    return told, ready


def _by_text(ready: Sequence[_Ready]) -> list[list[_Ready]]:
    """Runs with the same text together, in their order."""
    groups: list[list[_Ready]] = []
    for each in ready:
        group = next((group for group in groups if group[0].text == each.text), None)
        if group is None:
            groups.append([each])
        else:
            group.append(each)
    return groups


def _results(config: ReportConfig, stories: Sequence[RunStory], group: Sequence[_Ready]) -> TextResults:
    """Translate the text with each run, score it, and compare the runs with the first."""
    text, systems = group[0].text, []
    for each in group:
        systems.append(scored(stories[each.run].name, each.translator, text))
        _logger.info("%s: BLEU %.2f", systems[-1].name, systems[-1].scores["bleu"])
    num_samples = {Resampling.bootstrap: config.significance.bootstrap_samples}
    if len(systems) > 1:
        num_samples[Resampling.randomization] = config.significance.randomization_samples
    systems = with_evidence(systems, text, num_samples, config.significance.seed)
    said = []
    for each, system in zip(group, systems, strict=True):
        options = stories[each.run].result.options
        languages = options["data.source_language"], options["data.target_language"]
        said.append(Said(each.run, system, _attention(each.translator, middling(text.sources)), languages))
    return TextResults(text, config.search.strategy.name, said)


def _attention(translator: Translator, source: str) -> WordAttention | None:
    """Where a model looks while it translates a sentence."""
    if not translator.model.has_attention:
        return None
    [sentence] = attention_of_pairs(translator, piece_pairs(translator, [source], [None]))
    return sentence


COMMAND = Command(report, ReportConfig)
