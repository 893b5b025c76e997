"""`s2s gradients`: how gradients vanish and explode on their way back through time, as a picture and as figures."""

import logging
from dataclasses import dataclass
from pathlib import Path

from s2s.cli.commands import Command
from s2s.cli.output_names import AUTO, chosen_path, path_for_runs
from s2s.cli.results import print_result
from s2s.config.decoding import PICTURE_HELP
from s2s.config.options import LARGEST_SEED, Options, Takes, check_ascending, option
from s2s.config.pictures import LABELS_HELP, LANGUAGE_HELP, TITLE_HELP, Language, check_labels
from s2s.errors import ConfigError

_logger = logging.getLogger(__name__)


@dataclass
class GradientsConfig(Options):
    """Options of `gradients`."""

    run: list[str] | None = option(
        None,
        "a run, or RUN,RUN, or folders of runs: their encoders are measured; left out: small new models",
        takes=Takes.run,
    )
    lengths: list[int] = option([10, 25, 50, 100, 200, 400], "pieces of the sequences, ascending", low=2, high=500)
    batches: int = option(8, "batches of each length; the spread is over them", low=1, high=1_000_000)
    batch_size: int = option(16, "sequences of a batch", low=1, high=1_000_000)
    hidden_size: int = option(64, "new models: units of the embedding and of the recurrent layer", low=1, high=100_000)
    steps: int = option(
        300,
        "new models: updates between the measurements at initialisation and after training",
        low=1,
        high=1_000_000_000,
    )
    scale: float = option(2.0, "new models: factor of the recurrent weights that are scaled up", low=0, high=4)
    max_grad_norm: float = option(
        1.0, "new models: norm to which clipping scales gradients down", low=1e-6, high=1_000_000
    )
    seed: int = option(1, "of weights and text", low=0, high=LARGEST_SEED)
    labels: list[str] = option([], f"run: {LABELS_HELP}", takes=Takes.sentence)
    title: str | None = option(None, TITLE_HELP, takes=Takes.sentence)
    language: Language = option(Language.en, LANGUAGE_HELP)
    output: str | None = option(
        AUTO, f"{PICTURE_HELP}; auto: in RUN/plots, or beside several runs, or gradients.png", takes=Takes.file
    )

    def check(self) -> None:
        check_ascending("lengths", self.lengths)
        if self.run == []:
            raise ConfigError("run is empty: name a run, or leave it out for small new models")
        if self.labels and not self.run:
            raise ConfigError("labels names runs, and there are none: add run=FOLDER, or leave labels out")


def gradients(config: GradientsConfig) -> None:
    """Measure; a table on stderr, one JSON object on stdout, and a picture."""
    from s2s.analysis.gradient_report import log_table, panels, rows
    from s2s.analysis.gradient_study import measure_new_models, measure_runs
    from s2s.analysis.plots.figure import check_drawable
    from s2s.analysis.plots.line_plots import plot_panels
    from s2s.analysis.run_comparison import find_translation_runs, read_result, run_labels

    names: list[str] | None = None
    default = Path("gradients.png")
    if config.run is not None:
        runs = find_translation_runs(config.run)
        default = path_for_runs([run.path for run in runs], "gradients", ".png", folder="plots")
        check_labels(config.labels, len(runs), "runs")
        names = config.labels or run_labels([read_result(run) for run in runs], config.language)
    picture = chosen_path(config.output, default)
    if picture is not None:
        check_drawable(picture)
    if config.run:
        found = measure_runs(
            runs, config.lengths, num_batches=config.batches, batch_size=config.batch_size, seed=config.seed
        )
    else:
        found = measure_new_models(
            config.lengths,
            num_batches=config.batches,
            batch_size=config.batch_size,
            hidden_size=config.hidden_size,
            num_steps=config.steps,
            scale=config.scale,
            max_grad_norm=config.max_grad_norm,
            seed=config.seed,
        )
    log_table(found)
    by_curve = [row for measurement in found for row in rows(measurement)]
    print_result({"rows": by_curve})
    if picture is not None:
        plot_panels(panels(found, names, config.language), picture, title=config.title or "")
        _logger.info("drawn in %s", picture)


COMMAND = Command(
    gradients,
    GradientsConfig,
    bare=("run",),
    examples=(
        "",
        "runs/demo",
        "lengths=10,100 output=null",
    ),
)
