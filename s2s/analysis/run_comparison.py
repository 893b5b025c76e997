"""Runs side by side: the scores of a choice of options, as mean and standard deviation over seeds."""

import logging
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2s.analysis.picture_words import localized
from s2s.config.model import AttentionScore
from s2s.config.options import flatten
from s2s.config.pictures import Language
from s2s.config.training import MEASURES_OF, Config, Task
from s2s.errors import RunError
from s2s.runs.checkpoint import checkpoints, step_of
from s2s.runs.folder import RunFolder
from s2s.runs.metrics import read_metrics
from s2s.runs.saved_config import load_config
from s2s.runs.summary import SIGNED, read_summary

_logger = logging.getLogger(__name__)
MEASURES = (*(name for measures in MEASURES_OF.values() for name in measures.test), "dev_loss_nats", "minutes")
"""All that a run may be measured by, in the order of a table's columns."""


_FIRST_TOLD = ["model.cell", "model.attention", "model.layers", "model.hidden_size"]
_NO_MATTER = ("run", "device", "data.train", "data.dev", "data.test", "data.root", "data.cache", "search.")
"""Options that say nothing of what a run has learnt, by how their names begin."""
_MOST_TOLD = 3  # options: a longer name fills a legend


@dataclass(frozen=True)
class RunResult:
    """The outcome of one run.

    Attributes:
        path: its folder.
        options: every option by its full name.
        step: updates made.
        measures: test-set `bleu` and `chrf`, or of a classifier `accuracy`, `f1` and `calibration_error`; lowest
            `dev_loss_nats`, `minutes` of training; those that are known.
        signatures: what makes `bleu` and `chrf` comparable; empty for a run that has not ended, and for a classifier.
        is_ended: whether the run has been scored.
        is_unfinished: whether its training is to go on; not so for an averaged or an exported run, which has no scores.
    """

    path: Path
    options: dict[str, Any]
    step: int
    measures: dict[str, float]
    signatures: dict[str, str]
    is_ended: bool
    is_unfinished: bool = False


@dataclass(frozen=True)
class SeedGroup:
    """Runs that differ in nothing but their seed.

    Attributes:
        options: those options by which the rows of a table differ.
        num_runs: seeds, where each was run once.
        means: mean of each measure.
        deviations: sample standard deviation (n - 1) of each measure; None for one run.
    """

    options: dict[str, Any]
    num_runs: int
    means: dict[str, float]
    deviations: dict[str, float | None]


def find_runs(folders: Sequence[str | Path]) -> list[RunFolder]:
    """All runs in these folders and below them, by path, each once.

    Raises:
        RunError: a folder does not exist, or holds no run.
    """
    found: dict[Path, RunFolder] = {}
    for folder in map(Path, folders):
        configs = sorted(folder.rglob("config.yaml"))
        if not configs:
            what = "holds no run" if folder.is_dir() else "does not exist"
            raise RunError(f"run={folder} {what}: expected a folder with runs (config.yaml) in it or below it")
        found |= {config.resolve(): RunFolder(config.parent) for config in configs}
    return list(found.values())


def find_translation_runs(folders: Sequence[str | Path]) -> list[RunFolder]:
    """All trained translators among these runs, at least one.

    A run that is named itself must be one. Of the runs found below a folder, classifiers, runs without weights and runs
    that are not finished are left out with a warning.

    Raises:
        RunError: as `find_runs`; a run that is named cannot translate; or none is left.
    """
    named, found = {Path(folder).resolve() for folder in folders}, []
    for run in find_runs(folders):
        is_named = run.path.resolve() in named
        try:
            _check_translates(run, has_to_have_ended=not is_named)
        except RunError as error:
            if is_named:
                raise
            _logger.warning("warning: left out: %s", error)
            continue
        found.append(run)
    if not found:
        raise RunError(f"run={','.join(map(str, folders))} holds no run that can translate: train one first")
    return found


def _check_translates(run: RunFolder, *, has_to_have_ended: bool) -> None:
    """Ensure that a run is a trained translator.

    Raises:
        RunError: it is not.
    """
    load_config(run.config, Task.translate)
    if not run.has_begun:
        raise RunError(f"run={run.path} holds no weights yet: expected a trained run; train it with s2s train")
    if has_to_have_ended and run.is_unfinished:
        raise RunError(f"run={run.path} is unfinished: train it to its end, or name it itself")


def short_names(runs: Sequence[RunFolder]) -> list[str]:
    """The names of the folders, or whole paths where two have one name."""
    names = [run.path.resolve().name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.path) for run in runs]


def model_name(config: Config) -> str:
    """What a model is, in a few words: LSTM with dot attention, 2 layers of 256 units."""
    model = config.model
    if config.task is Task.classify:
        kind = f"with {model.pooling.name} pooling"
    elif model.attention is AttentionScore.none:
        kind = "without attention"
    else:
        kind = f"with {model.attention.name} attention"
    layers = "1 layer" if model.layers == 1 else f"{model.layers} layers"
    return f"{model.cell.name.upper()} {kind}, {layers} of {model.hidden_size} units"


def run_labels(results: Sequence[RunResult], language: Language = Language.en) -> list[str]:
    """Short names of runs for a legend, from what differs between them: LSTM, dot attention.

    The names of their folders, where the runs have the same options, or would need more than a few words.
    """
    names = [name for name in differing(results) if not name.startswith(_NO_MATTER)]
    names.sort(key=lambda name: (_FIRST_TOLD.index(name) if name in _FIRST_TOLD else len(_FIRST_TOLD), name == "seed"))
    labels = [""] * len(results)
    for number in range(1, min(len(names), _MOST_TOLD) + 1):
        told = [[_told(name, result.options[name], language) for name in names[:number]] for result in results]
        labels = [", ".join(parts) for parts in told]
        if len(set(labels)) == len(labels):
            return labels
    return short_names([RunFolder(result.path) for result in results])


def _told(name: str, value: Any, language: Language) -> str:
    """An option and its value as people say it."""
    match name, value:
        case "model.cell", str():
            return value.upper()
        case "model.attention", "none":
            return localized("no attention", language)
        case "model.attention", str():
            return localized("{score} attention", language).format(score=value)
        case "model.layers", int():
            return localized("1 layer" if value == 1 else "{number} layers", language).format(number=value)
        case "model.hidden_size", int():
            return localized("{number} units", language).format(number=value)
        case "seed", int():
            return localized("seed {number}", language).format(number=value)
    words = name.rpartition(".")[2].replace("_", " ")
    if isinstance(value, bool):
        return words if value else localized("no {words}", language).format(words=words)
    return f"{words} {'–' if value is None or value == '' else value}"


def read_result(run: RunFolder) -> RunResult:
    """The outcome of a run so far, from its folder.

    Raises:
        RunError: a file of it cannot be read.
    """
    config, rows = load_config(run.config), read_metrics(run.metrics)
    summary = read_summary(run, config.task)
    measures, signatures = {}, {}
    if summary is not None:
        measures = {name: float(summary.test[name]) for name in MEASURES_OF[config.task].test}
        signatures = {name: summary.test[f"{name}_signature"] for name in measures if name in SIGNED}
    losses = [row["loss_nats"] for row in rows if row["kind"] == "dev" and row["loss_nats"] is not None]
    times_s = [row["elapsed_s"] for row in rows if row.get("elapsed_s") is not None]
    measures |= {"dev_loss_nats": min(losses)} if losses else {}
    measures |= {"minutes": times_s[-1] / 60} if times_s else {}
    step = max([row["step"] for row in rows] + [step_of(path) for path in checkpoints(run)], default=0)
    return RunResult(run.path, flatten(config), step, measures, signatures, summary is not None, run.is_unfinished)


def differing(results: Sequence[RunResult]) -> list[str]:
    """The names of the options that are not the same in all results, the seed among them; in their order."""
    names = results[0].options if results else ()
    return [name for name in names if any(result.options[name] != results[0].options[name] for result in results)]


def compare(results: Sequence[RunResult]) -> list[SeedGroup]:
    """A row for each combination of the options that differ between the results, the seed left out; in their order."""
    names = [name for name in differing(results) if name != "seed"]
    groups: dict[str, list[RunResult]] = {}
    for result in sorted(results, key=lambda result: [_rank(result.options[name]) for name in names]):
        groups.setdefault(repr([result.options[name] for name in names]), []).append(result)
    rows = []
    for group in groups.values():
        options = {name: group[0].options[name] for name in names}
        known = {name: [result.measures[name] for result in group if name in result.measures] for name in MEASURES}
        means = {name: statistics.fmean(values) for name, values in known.items() if values}
        deviations = {name: statistics.stdev(known[name]) if len(known[name]) > 1 else None for name in means}
        rows.append(SeedGroup(options, len(group), means, deviations))
    return rows


def _rank(value: Any) -> tuple[int, float, str]:
    """Numbers before words, each in their order."""
    return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, str(value))


def signatures(results: Iterable[RunResult]) -> dict[str, list[str]]:
    """The different signatures of each score; more than one means that the scores must not be compared."""
    results = list(results)
    found = {name: {result.signatures[name] for result in results if name in result.signatures} for name in SIGNED}
    return {name: sorted(different) for name, different in found.items()}
