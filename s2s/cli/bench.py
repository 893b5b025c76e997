"""`s2s bench`: how close training and translation come to what the machine can do."""

import enum
import json
from dataclasses import dataclass

from s2s.cli.commands import Command
from s2s.config.decoding import DecodingPrecision
from s2s.config.model import Cell
from s2s.config.options import Takes, option
from s2s.config.search import Strategy
from s2s.config.training import Config, Precision, Task
from s2s.errors import ConfigError


class BenchTask(enum.Enum):
    """What to measure."""

    train = "train"
    decode = "decode"


@dataclass
class BenchConfig(Config):
    """Options of `bench`: those of training, plus what and how much to measure."""

    run: str = option("runs/bench", "decode: folder of a trained run", takes=Takes.run)
    measure: BenchTask = option(BenchTask.train, "train or decode; may be the first word: s2s bench decode")
    cells: list[Cell] = option([Cell.rnn, Cell.lstm, Cell.gru], "cells to measure, instead of model.cell")
    precisions: list[Precision] = option([Precision.fp32, Precision.bf16], "instead of precision")
    input_feeding: list[bool] = option([False, True], "instead of model.input_feeding")
    steps: int = option(20, "steps or batches measured in each round", low=1, high=1_000_000)
    rounds: int = option(3, "rounds, whose median is printed", low=1, high=1_000_000)
    busy: bool = option(False, "measure each round once more, beside a process that keeps a core busy")
    untrained: bool = option(False, "decode: random weights instead of run, and translations as long as their sources")
    strategies: list[Strategy] = option([Strategy.greedy, Strategy.beam], "decode: instead of search.strategy")
    batch_sizes: list[int] = option([1, 8, 64, 256], "decode: sentences translated at once", low=1, high=1_000_000)
    decoding_precisions: list[DecodingPrecision] = option(
        [DecodingPrecision.fp32, DecodingPrecision.bf16, DecodingPrecision.int8], "decode: those the processor has"
    )
    processes: list[int] = option([], "decode: numbers of processes; left out: 1, and one a core", low=1, high=10_000)
    lines: int = option(
        1000, "decode: most test lines; at most 100 for each sentence of a batch", low=1, high=1_000_000_000
    )

    def check(self) -> None:
        super().check()
        if self.task is not Task.translate:
            raise ConfigError(
                f"bench measures the training of translators: expected task=translate, got {self.task.name}"
            )


def bench(config: BenchConfig) -> None:
    """Measure what was asked for: a table on stderr, one JSON object on stdout."""
    from s2s.analysis.decoding_speed import bench_decoding
    from s2s.analysis.training_speed import bench_training

    match config.measure:
        case BenchTask.train:
            result = bench_training(
                config,
                config.cells,
                config.input_feeding,
                config.precisions,
                num_steps=config.steps,
                num_rounds=config.rounds,
                is_busy=config.busy,
            )
        case BenchTask.decode:
            result = bench_decoding(
                config,
                config.strategies,
                config.decoding_precisions,
                config.processes,
                config.batch_sizes,
                is_untrained=config.untrained,
                num_lines=config.lines,
                num_rounds=config.rounds,
                is_busy=config.busy,
            )
    print(json.dumps(result))


COMMAND = Command(
    bench,
    BenchConfig,
    bare=("measure", "run"),
    examples=(
        "",
        "decode runs/demo",
        "decode untrained=true batch_sizes=64",
    ),
    common=("model.layers", "model.hidden_size"),
)
