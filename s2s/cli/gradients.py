"""`s2s gradients`: how gradients vanish and explode on their way back through time, as a picture and as figures."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2s.cli.commands import Command
from s2s.config.decoding import PICTURE_HELP, folder_list
from s2s.config.options import Options, check_ascending, option

_logger = logging.getLogger(__name__)


@dataclass
class GradientsConfig(Options):
    """Options of `gradients`."""

    runs: Any = option(
        None, "a folder, or [FOLDER,FOLDER]: measure the encoders of all runs below it; left out: small new models"
    )
    lengths: list[int] = option([10, 25, 50, 100, 200, 400], "pieces of the sequences, ascending", low=2, high=500)
    batches: int = option(8, "batches of each length; the spread is over them", low=1)
    batch_size: int = option(16, "sequences of a batch", low=1)
    hidden_size: int = option(64, "new models: units of the embedding and of the recurrent layer", low=1)
    steps: int = option(300, "new models: updates between the measurements at initialisation and after training", low=1)
    scale: float = option(2.0, "new models: factor of the recurrent weights that are scaled up", low=0, high=4)
    max_grad_norm: float = option(1.0, "new models: norm to which clipping scales gradients down", low=1e-6)
    seed: int = option(1, "of weights and text", low=0)
    output: str | None = option("gradients.png", PICTURE_HELP)

    def check(self) -> None:
        check_ascending("lengths", self.lengths)
        if self.runs is not None:
            folder_list("runs", self.runs)


def gradients(config: GradientsConfig) -> None:
    """Measure; a table on stderr, one JSON object on stdout, and a picture."""
    from s2s.analysis.gradient_report import log_table, panels, rows
    from s2s.analysis.gradient_study import measure_new_models, measure_runs
    from s2s.analysis.plots.figure import check_drawable
    from s2s.analysis.plots.line_plots import plot_panels

    if config.output is not None:
        check_drawable(Path(config.output))
    if config.runs is not None:
        runs, num_batches = folder_list("runs", config.runs), config.batches
        found = measure_runs(
            runs, config.lengths, num_batches=num_batches, batch_size=config.batch_size, seed=config.seed
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
    print(json.dumps({"rows": by_curve}, ensure_ascii=False, allow_nan=False))
    if config.output is not None:
        plot_panels(panels(found), Path(config.output))
        _logger.info("drawn in %s", config.output)


COMMAND = Command(gradients, GradientsConfig)
