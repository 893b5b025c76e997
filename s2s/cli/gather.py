"""`s2s gather`: many runs in one table, seeds taken together."""

import enum
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from s2s.cli.commands import Command
from s2s.config.options import Options, Takes, as_argument, option

if TYPE_CHECKING:
    from s2s.analysis.run_comparison import SeedGroup

_logger = logging.getLogger(__name__)
_DIGITS = {"bleu": 2, "chrf": 2, "accuracy": 2, "f1": 2, "calibration_error": 2, "dev_loss_nats": 3, "minutes": 1}


class TableFormat(enum.Enum):
    """How `gather` writes its table."""

    text = "text"
    markdown = "markdown"
    json = "json"
    tsv = "tsv"


@dataclass
class GatherConfig(Options):
    """Options of `gather`."""

    run: list[str] = option(
        "???", "a folder of runs, or FOLDER,FOLDER: all runs in it and below it are compared", takes=Takes.run
    )
    format: TableFormat = option(TableFormat.text, "text, markdown, json or tsv")


def gather(config: GatherConfig) -> None:
    """Print one table of all runs that have ended on stdout; on stderr, what to know about it."""
    from tabulate import tabulate

    from s2s.analysis.run_comparison import MEASURES, compare, find_runs, read_result, signatures
    from s2s.text_tables import table

    results = [read_result(run) for run in find_runs(config.run)]
    ended = [result for result in results if result.is_ended]
    for result in results:
        if result.is_unfinished:
            _logger.info("unfinished: %s, at step %d", result.path, result.step)
        elif not result.is_ended:
            _logger.info("left out: %s, which holds weights alone: s2s evaluate scores it", result.path)
    found = signatures(ended)
    for name, different in found.items():
        if len(different) > 1:
            _logger.warning("warning: the scores of %s differ in signature and cannot be compared:", name)
        for signature in different:
            _logger.info("%s  %s", name, signature)
    rows = compare(ended)
    measures = [name for name in MEASURES if any(name in row.means for row in rows)]
    if config.format is TableFormat.json:
        print(json.dumps({"rows": [_object(row, measures) for row in rows], "signatures": found}, ensure_ascii=False))
        return
    options = list(rows[0].options) if rows else []
    cells = [[*options, "runs", *(head for name in measures for head in (name, f"{name}_sd"))]]
    for row in rows:
        values = [(value.get(name), _DIGITS[name]) for name in measures for value in (row.means, row.deviations)]
        numbers = ["-" if value is None else f"{value:.{digits}f}" for value, digits in values]
        cells.append([*(as_argument(row.options[name]) for name in options), str(row.num_runs), *numbers])
    match config.format:
        case TableFormat.tsv:
            print("\n".join("\t".join(row) for row in cells))
        case TableFormat.text:
            print(table(cells, "<"))
        case TableFormat.markdown:
            names, *body = [[cell.replace("|", "\\|") for cell in row] for row in cells]
            print(tabulate(body, names, tablefmt="github", disable_numparse=True))


def _object(row: "SeedGroup", measures: list[str]) -> dict[str, Any]:
    """A row as JSON."""
    scores = {name: {"mean": row.means.get(name), "sd": row.deviations.get(name)} for name in measures}
    return {"options": row.options, "runs": row.num_runs, **scores}


COMMAND = Command(
    gather,
    GatherConfig,
    bare=("run",),
    examples=(
        "runs",
        "runs/one runs/two format=markdown",
        "runs/phrasebook-sweep format=tsv > table.tsv",
    ),
)
