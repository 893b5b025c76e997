"""What the gates of an encoder do at each piece of a sentence, as heat maps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from s2s.analysis.gate_reading import GateReading
from s2s.analysis.gates import Trace, UnitHalfLife
from s2s.analysis.picture_words import localized
from s2s.analysis.plots.heat_maps import HeatMap, draw_heat_maps
from s2s.config.pictures import Language

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATES = (Trace.cell, Trace.hidden)
"""What is no share: any value from -1 to 1, and of a cell state any at all."""


def draw_gates(
    reading: GateReading, units: Sequence[UnitHalfLife], *, title: str | None = None, language: Language = Language.en
) -> "Figure":
    """A map for each gate and for the state: a row a unit, a column a piece.

    Args:
        units: those to draw.
        title: above the maps; left out: the layer.
        language: of the names.
    """
    chosen = [each.unit for each in units]
    maps = [
        HeatMap(localized(name.value, language), values_SH[:, chosen].T.numpy(), name not in STATES)
        for name, values_SH in reading.values.items()
    ]
    pattern = localized("unit {unit} ({mean:.2f})", language)
    names = [pattern.format(unit=each.unit, mean=each.mean_gate) for each in units]
    # A line between the units that remember longest and those that forget first, where both were chosen.
    half = len(units) // 2
    is_divided = len(units) % 2 == 0 and [*units] == [*reading.units[:half], *reading.units[-half:]]
    return draw_heat_maps(
        maps,
        names,
        reading.pieces,
        title=gates_title(reading, language) if title is None else title,
        divided_after=half if is_divided and len(units) < len(reading.units) else None,
    )


def gates_title(reading: GateReading, language: Language = Language.en) -> str:
    """Which layer was read, and what stands in brackets after the number of a unit."""
    pattern = localized("{cell}, encoder layer {layer} reading {direction}; in brackets the mean {gate}", language)
    return pattern.format(
        cell=reading.cell.name.upper(),
        layer=reading.layer,
        direction=localized(reading.direction.name, language),
        gate=localized(reading.keeps.value, language),
    )
