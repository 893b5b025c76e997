"""What `s2s gradients` measured, as rows for a program, as a table, and as a picture."""

import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from s2s.analysis.gradient_study import Measurement
from s2s.analysis.gradients import Curves, Norms, Quantity
from s2s.analysis.picture_words import localized
from s2s.analysis.plots.line_plots import Curve, Dash, Panel
from s2s.config.pictures import Language
from s2s.text_tables import table

_logger = logging.getLogger(__name__)
_SHOWN = (0, 1, 2, 5, 10, 20, 50, 100, 200)  # steps back of which JSON tells, besides the last
_MEASURED = (Quantity.hidden, Quantity.cell, Quantity.clipped)
_DASHES: dict[Quantity, Dash] = {Quantity.hidden: "-", Quantity.cell: "--", Quantity.bound: ":", Quantity.clipped: "-."}
_SMALLEST, _LARGEST = 1e-40, 1e40  # the picture ends there: what is beyond is as good as 0, or as no number
_SHOWN_CLIPPED = 0.5  # where clipping changes less than this, its curve would lie upon the other


def rows(measurement: Measurement) -> list[dict[str, Any]]:
    """For each length median, smallest and largest batch of every curve, at chosen steps back from the end."""
    rows = []
    for length, curves in measurement.by_length.items():
        steps = [step for step in _SHOWN if step < length - 1] + [length - 1]
        found = {quantity.name: spread(curve_NS[:, steps]) for quantity, curve_NS in curves.items()}
        rows.append(
            {"when": measurement.situation, "name": measurement.name, "length": length, "steps_back": steps, **found}
        )
    return rows


def spread(curve_NS: Norms) -> dict[str, list[float | None]]:
    """Three digits each; what no double can hold, as a bound over very many steps, is None: JSON has no infinity."""
    found = {"median": np.median(curve_NS, axis=0), "low": curve_NS.min(axis=0), "high": curve_NS.max(axis=0)}
    return {
        name: [float(f"{value:.3g}") if math.isfinite(value) else None for value in values_S]
        for name, values_S in found.items()
    }


def log_table(found: list[Measurement]) -> None:
    """Log the norm at the first position of sequences of each length, as the median over batches."""
    _logger.info("norm of the gradient at the first position, median over batches, by length of the sequence")
    for situation in dict.fromkeys(measurement.situation for measurement in found):
        chosen = [measurement for measurement in found if measurement.situation == situation]
        rows = [["", *chosen[0].by_length]]
        for measurement in chosen:
            for quantity in next(iter(measurement.by_length.values())):
                firsts = [np.median(curves[quantity][:, -1]) for curves in measurement.by_length.values()]
                rows.append([f"{measurement.name} {quantity.name}", *(f"{first:.0e}" for first in firsts)])
        _logger.info("\n%s\n%s", situation, table(rows))


def panels(
    found: list[Measurement], labels: Sequence[str] | None = None, language: Language = Language.en
) -> list[Panel]:
    """A panel for each situation, for the longest sequences.

    Args:
        labels: of what was measured, in order; None: the names of cells.
    """
    names = list(dict.fromkeys(each.name for each in found))
    colours = {name: index for index, name in enumerate(names)}
    label_of = dict(zip(names, labels or [name.upper() for name in names], strict=True))
    panels = []
    for situation in dict.fromkeys(each.situation for each in found):
        longest = {each.name: each.by_length[max(each.by_length)] for each in found if each.situation == situation}
        # Room for what was measured; the bound, which may be far above, runs out of the picture.
        values = np.concatenate(
            [curves[quantity].flatten() for curves in longest.values() for quantity in _MEASURED if quantity in curves]
        )
        panels.append(
            Panel(
                next(each.told(language) for each in found if each.situation == situation),
                localized("steps back from the end (pieces)", language),
                localized("norm of the loss's gradient", language),
                [
                    line
                    for name, curves in longest.items()
                    for line in _lines(label_of[name], curves, colours[name], language)
                ],
                is_x_from_zero=True,
                is_y_log=True,
                y_limits=(max(float(values.min()) / 10, _SMALLEST), min(float(values.max()) * 10, _LARGEST)),
            )
        )
    return panels


def lies_upon(clipped_NS: Norms, hidden_NS: Norms) -> bool:
    """Whether clipping changes too little to be seen at most steps; gradients of 0 are what they were."""
    return float(np.mean(clipped_NS >= _SHOWN_CLIPPED * hidden_NS)) > 0.5


def _lines(name: str, curves: Curves, colour: int, language: Language) -> Iterator[Curve]:
    for quantity, curve_NS in curves.items():
        if quantity is Quantity.clipped and lies_upon(curve_NS, curves[Quantity.hidden]):
            continue
        median, low, high = np.median(curve_NS, axis=0), curve_NS.min(axis=0), curve_NS.max(axis=0)
        yield Curve(
            f"{name}, {localized(quantity.value, language)}",
            range(len(median)),
            median.tolist(),
            low.tolist(),
            high.tolist(),
            colour,
            _DASHES[quantity],
        )
