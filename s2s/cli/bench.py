"""`s2s bench`: how close training and translation come to what the machine can do."""

import json
import sys

from s2s.analysis.decoding_speed import bench_decoding
from s2s.analysis.training_speed import bench_training
from s2s.cli.commands import Command
from s2s.config.commands import BenchConfig, BenchTask


def bench(config: BenchConfig) -> None:
    """Measure what was asked for: a table on stderr, one JSON object on stdout."""
    match config.measure:
        case BenchTask.train:
            result = bench_training(
                config,
                config.cells,
                config.input_feeding,
                config.precisions,
                num_steps=config.steps,
                num_rounds=config.rounds,
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
            )
    json.dump(result, sys.stdout)
    print()


COMMAND = Command(bench, BenchConfig, first_word="measure")
