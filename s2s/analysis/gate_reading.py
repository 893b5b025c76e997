"""The gates of an encoder while it reads a sentence, and which of its units remember longest over many sentences.

S positions, H hidden units.
"""

import copy
from dataclasses import dataclass

from torch import Tensor

from s2s.analysis.gates import KEEP_GATES, LayerReader, Trace, UnitHalfLife, extremes, half_lives
from s2s.config.model import Cell, ModelConfig
from s2s.config.pictures import Direction
from s2s.config.training import Task
from s2s.data.batching import source_batch
from s2s.data.text.parallel_text import read_pairs
from s2s.decoding.batch_translator import BatchTranslator
from s2s.errors import ConfigError, DataError, RunError
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import load_config


@dataclass(frozen=True)
class GateReading:
    """What a layer of an encoder does at each piece of a sentence.

    Attributes:
        cell: its kind.
        layer: its number, from 1.
        direction: in which it reads.
        pieces: S pieces of the sentence, `</s>` included.
        values: gates and state (S, H), the gate that keeps the state first.
        units: how well each of the H units remembers, by its mean gate, largest first.
        num_lines: of text over which the gates are averaged.
    """

    cell: Cell
    layer: int
    direction: Direction
    pieces: list[str]
    values: dict[Trace, Tensor]
    units: list[UnitHalfLife]
    num_lines: int

    @property
    def keeps(self) -> Trace:
        """The gate that keeps the state."""
        return KEEP_GATES[self.cell]

    def chosen(self, units: list[int], num_units: int) -> list[UnitHalfLife]:
        """The units of these numbers; of none, the `num_units` with the largest mean gate, and with the smallest.

        Raises:
            ConfigError: there is no such unit.
        """
        by_number = {each.unit: each for each in self.units}
        if not by_number.keys() >= set(units):
            raise ConfigError(f"units={units}: this layer has units 0 to {len(by_number) - 1}")
        return [by_number[unit] for unit in units] or extremes(self.units, num_units)


def read_gates(
    translator: BatchTranslator, run: RunFolder, text: str, *, layer: int, direction: Direction, num_lines: int
) -> GateReading:
    """Read a sentence with one layer of the encoder of a run, and the run's test set for the means.

    Args:
        translator: of that run, and perhaps of others.
        text: not blank.
        layer: from 1.
        num_lines: of the test set over which the gates are averaged; 0: over the sentence alone.

    Raises:
        RunError: its cells have no gates, or there is no test set.
        ConfigError: it has no such layer or direction.
        DataError: the text is blank.
    """
    model = load_config(run.config, Task.translate).model
    _check(run, model, layer, direction)
    if not text.strip():
        raise DataError("expected a sentence, got a blank one")
    texts = [text] if num_lines == 0 else _test_lines(run, num_lines)
    encoder = translator.model.encoder
    if translator.device.type != "cpu":
        encoder = copy.deepcopy(encoder).cpu()
    is_backwards = direction is Direction.backwards
    reader = LayerReader(encoder, model.cell, layer - 1, is_backwards=is_backwards)
    source_S = _pieces(translator, text)
    units = half_lives(reader.read(_pieces(translator, line))[KEEP_GATES[model.cell]] for line in texts)
    pieces = translator.source.pieces(source_S.tolist())
    return GateReading(model.cell, layer, direction, pieces, reader.read(source_S), units, len(texts))


def _check(run: RunFolder, model: ModelConfig, layer: int, direction: Direction) -> None:
    """Refuse what this run does not have.

    Raises:
        RunError: its cells have no gates.
        ConfigError: it has no such layer or direction.
    """
    if model.cell not in KEEP_GATES:
        raise RunError(f"run={run.path} has plain RNN cells, which have no gates: expected an lstm or gru run")
    if not 1 <= layer <= model.layers:
        raise ConfigError(f"layer={layer}: the encoder of {run.path} has layers 1 to {model.layers}")
    if direction is Direction.backwards and not model.bidirectional:
        raise ConfigError(f"direction=backwards: the encoder of {run.path} reads forwards only")


def _test_lines(run: RunFolder, number: int) -> list[str]:
    """The first `number` lines of the run's test set that are not blank, or all of them.

    Raises:
        RunError: there is no test set, or nothing in it.
    """
    pairs = read_pairs(*run.kept_text("test", advice="add lines=0"))
    lines = [pair.source for pair in pairs if pair.source.strip()]
    if not lines:
        raise RunError(f"run={run.path} has a test set of blank lines: add lines=0")
    return lines[:number]


def _pieces(translator: BatchTranslator, text: str) -> Tensor:
    """As the encoder reads them, `</s>` included."""
    source_1S, _ = source_batch(translator.source.encode([text]))
    return source_1S[0]
