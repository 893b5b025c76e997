"""What the gates of an encoder do at each piece of a sentence."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from s2s.analysis.gate_reading import GateReading
from s2s.analysis.gates import UnitHalfLife
from s2s.analysis.pages.notebook import fragment
from s2s.analysis.plots.gate_maps import STATES, draw_gates, gates_title
from s2s.api.keywords import language_of
from s2s.config.pictures import Language
from s2s.text_tables import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Gates:
    """The gates and the state of one layer of an encoder, at each piece of a sentence.

    >>> import s2s
    >>> gates = s2s.Translator.load("runs/demo").gates("하나 둘 셋", num_units=2)
    >>> list(gates.values)
    ['forget', 'input', 'output', 'cell']
    >>> gates["forget"].shape == (len(gates.pieces), len(gates.mean_gates))
    True
    >>> bool(gates.mean_gates[gates.units[0]] == gates.mean_gates.max())
    True

    Attributes:
        pieces: S pieces of the sentence, `</s>` at the end.
        values: by its name, each gate (S, H), 0 to 1 (forget, input and output of an LSTM, update and reset of a GRU),
            and the state (S, H): cell of an LSTM, hidden of a GRU. H units of one direction.
        mean_gates: (H) of each unit the mean of the gate that keeps its state, over the lines that were read.
        half_lives: (H) of each unit the pieces until half of its state is gone; infinite where nothing is lost.
        units: those that are shown: the ones with the largest mean gates, and those with the smallest.
    """

    pieces: tuple[str, ...]
    values: dict[str, NDArray[np.floating[Any]]]
    mean_gates: NDArray[np.float64]
    half_lives: NDArray[np.float64]
    units: tuple[int, ...]
    _reading: GateReading

    @classmethod
    def of(cls, reading: GateReading, units: list[UnitHalfLife]) -> "Gates":
        """A reading as arrays, of which some units are shown."""
        by_number = sorted(reading.units, key=lambda each: each.unit)
        return cls(
            tuple(reading.pieces),
            {name.name: values_SH.numpy() for name, values_SH in reading.values.items()},
            np.array([each.mean_gate for each in by_number]),
            np.array([each.half_life for each in by_number]),
            tuple(each.unit for each in units),
            reading,
        )

    def __getitem__(self, name: str) -> NDArray[np.floating[Any]]:
        """A gate, or the state, by its name: (S, H)."""
        return self.values[name]

    def _shown(self) -> list[UnitHalfLife]:
        return self._reading.chosen(list(self.units), len(self.units))

    def __repr__(self) -> str:
        rows = [[unit, f"{mean:.3f}", f"{life:.1f}"] for unit, mean, life in self._shown()]
        head = f"Gates of {gates_title(self._reading).partition(';')[0]}, {len(self.pieces)} pieces; {len(rows)} units"
        return f"{head}:\n{table([['unit', f'mean {self._reading.keeps.value}', 'half-life (pieces)'], *rows], '>')}"

    def _repr_html_(self) -> str:
        maps = []
        for name, values_SH in self._reading.values.items():
            most = 1.0 if name not in STATES else float(abs(values_SH[:, list(self.units)]).max()) or 1.0
            rows = [
                (
                    f"unit {unit} ({mean:.2f})",
                    [(float(value), abs(float(value)) / most) for value in values_SH[:, unit]],
                )
                for unit, mean, _ in self._shown()
            ]
            maps.append((name.value, rows, name not in STATES))
        return fragment("gates.html", title=gates_title(self._reading).partition(";")[0], pieces=self.pieces, maps=maps)

    def plot(self, *, title: str | None = None, language: Language | str = Language.en) -> "Figure":
        """A heat map for each gate and for the state: a row a unit, a column a piece.

        Args:
            title: above them; left out: the layer.
            language: of the names, en or ko.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return draw_gates(self._reading, self._shown(), title=title, language=language_of(language))
