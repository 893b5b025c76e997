"""`s2s report`: several runs on one page that needs no network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from s2s.cli.commands import Command
from s2s.cli.output_names import AUTO, chosen_path, path_for_runs
from s2s.config.decoding import ComparisonConfig
from s2s.config.options import Takes, option
from s2s.config.pictures import LABELS_HELP, check_labels
from s2s.config.training import Task
from s2s.errors import ConfigError, RunError

if TYPE_CHECKING:
    from s2s.runs.folder import RunFolder


@dataclass
class ReportConfig(ComparisonConfig):
    """Options of `report`."""

    output: str = option(
        AUTO,
        "the page; auto: report.html in the run, or for several, beside them, report-A+B.html for A and B",
        takes=Takes.file,
    )
    title: str | None = option(
        None, "of the page, taken as it stands; left out: the names of the runs", takes=Takes.sentence
    )
    labels: list[str] = option([], LABELS_HELP.replace("picture", "page"), takes=Takes.sentence)
    scores: bool = option(True, "translate and score a text; false: only what the run folders hold")
    samples: int = option(8, "translations shown side by side", low=0, high=1_000_000)

    def check(self) -> None:
        super().check()
        if not self.scores and (self.data.test or self.data.testset):
            raise ConfigError(
                "scores=false scores nothing, and has no use for data.test and data.testset; leave one out"
            )


def report(config: ReportConfig) -> None:
    """Write the page, and its name on stdout."""
    from s2s.analysis.pages.report_page import report_page
    from s2s.analysis.run_report import ReportedText, read_runs, score_runs
    from s2s.evaluation.testsets import read_scored_text
    from s2s.files import write_text
    from s2s.runs.folder import RunFolder

    folders = [RunFolder.existing(name) for name in config.run]
    task = _common_task(folders)
    if task is Task.classify and (config.data.test or config.data.testset):
        raise RunError(
            f"run={folders[0].path} is a classifier, which report does not score: give data.test to s2s classify"
        )
    check_labels(config.labels, len(folders), "runs")
    runs, texts = read_runs(folders, config.labels), list[ReportedText]()
    if config.scores and task is Task.translate:
        text = read_scored_text(config.data, folders) if config.data.test or config.data.testset else None
        runs, texts = score_runs(runs, folders, text, config)
    path = chosen_path(config.output, path_for_runs([folder.path for folder in folders], "report", ".html"))
    assert path is not None  # as null is no text
    write_text(path, report_page(runs, texts, config.samples, title=config.title))
    print(path)


def _common_task(runs: "Sequence[RunFolder]") -> Task:
    """What all of the runs have learnt.

    Raises:
        RunError: they have learnt different things, and their figures have nothing in common.
    """
    from s2s.runs.saved_config import load_config

    tasks = [load_config(run.config).task for run in runs]
    for run, task in zip(runs, tasks, strict=True):
        if task is not tasks[0]:
            raise RunError(
                f"run={run.path} was trained with task={task.name} and {runs[0].path} with task={tasks[0].name}: "
                "expected runs of one task; report on each kind by itself"
            )
    return tasks[0]


COMMAND = Command(
    report,
    ReportConfig,
    bare=("run",),
    examples=(
        "runs/demo runs/other",
        "runs/demo runs/other scores=false output=curves.html",
    ),
    common=("data.test",),
)
