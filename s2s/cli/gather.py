"""`s2s gather`: many runs in one table, seeds taken together."""

import enum
import json
import logging
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

from s2s.analysis.run_comparison import MEASURES, SeedGroup, compare, find_runs, read_result, signatures
from s2s.cli.commands import Command
from s2s.config.decoding import folder_list
from s2s.config.options import Options, as_argument, option
from s2s.text_tables import table

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

    runs: Any = option("???", "a folder, or [FOLDER,FOLDER]: all runs in it and below it are compared")
    format: TableFormat = option(TableFormat.text, "text, markdown, json or tsv")

    def check(self) -> None:
        folder_list("runs", self.runs)


def gather(config: GatherConfig) -> None:
    """Print one table of all runs that have ended on stdout; on stderr, what to know about it."""
    results = [read_result(run) for run in find_runs(config.runs)]
    ended = [result for result in results if result.is_ended]
    for result in results:
        if not result.is_ended:
            _logger.info("unfinished: %s, at step %d", result.path, result.step)
    found = signatures(ended)
    for name, different in found.items():
        if len(different) > 1:
            _logger.warning("warning: the scores of %s differ in signature and cannot be compared:", name)
        for signature in different:
            _logger.info("%s  %s", name, signature)
    rows = compare(ended)
    measures = [name for name in MEASURES if any(name in row.means for row in rows)]
    match config.format:
        case TableFormat.json:
            objects = [_object(row, measures) for row in rows]
            print(json.dumps({"rows": objects, "signatures": found}, ensure_ascii=False))
        case TableFormat.tsv:
            print("\n".join("\t".join(row) for row in _cells(rows, measures)))
        case TableFormat.text:
            print(table(_cells(rows, measures), "<"))
        case TableFormat.markdown:
            names, *cells = [[cell.replace("|", "\\|") for cell in row] for row in _cells(rows, measures)]
            print(tabulate(cells, names, tablefmt="github", disable_numparse=True))


def _object(row: SeedGroup, measures: list[str]) -> dict[str, Any]:
    """A row as JSON."""
    values = {name: {"mean": row.means.get(name), "sd": row.deviations.get(name)} for name in measures}
    return {"options": row.options, "runs": row.num_runs, **values}


def _cells(rows: list[SeedGroup], measures: list[str]) -> list[list[str]]:
    """The table as text, a line of names first."""
    options = list(rows[0].options) if rows else []
    names = [*options, "runs"]
    for name in measures:
        names += [name, f"{name}_sd"]
    table = [names]
    for row in rows:
        cells = [as_argument(row.options[name]) for name in options] + [str(row.num_runs)]
        for name in measures:
            cells += [_rounded(row.means.get(name), name), _rounded(row.deviations.get(name), name)]
        table.append(cells)
    return table


def _rounded(value: float | None, measure: str) -> str:
    return "-" if value is None else f"{value:.{_DIGITS[measure]}f}"


COMMAND = Command(gather, GatherConfig)
