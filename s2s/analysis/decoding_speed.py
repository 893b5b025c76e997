"""How fast lines are translated, and how close that comes to what the machine can do."""

import dataclasses
import logging
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from s2s.analysis.busy_process import SETTLE_S, busy_process
from s2s.config.decoding import DecodingPrecision
from s2s.config.fitting import fitted
from s2s.config.search import Strategy
from s2s.config.training import Config
from s2s.data.prepare import prepare, read_text
from s2s.data.text.parallel_text import Pair, read_pairs
from s2s.data.vocabulary.subwords import NO_TEXT
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.ensemble import Ensemble, EnsembleState
from s2s.decoding.packed_linear import pack_linear
from s2s.decoding.streaming.input_lines import LineBlock
from s2s.decoding.streaming.line_translator import load_line_translator
from s2s.decoding.streaming.parallel_translator import ParallelTranslator
from s2s.device import MATRIX_SIZE, choose_decoding_precision, choose_device, matrix_rate, product_rate
from s2s.errors import ConfigError
from s2s.files import write_bytes
from s2s.models.flops import decoding_flops
from s2s.models.network_size import build_in_memory
from s2s.models.seq2seq import build_seq2seq
from s2s.runs.checkpoint import checkpoint_content, model_tensors, weights_path, with_prefix
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import save_config
from s2s.text_tables import table
from s2s.workers import all_cores, num_cores

_logger = logging.getLogger(__name__)
_BATCHES = 100  # enough for a median; the smallest batches take longest
_COLUMNS = {
    "search": "{strategy}",
    "precision": "{precision}",
    "processes": "{processes}",
    "batch": "{batch_size}",
    "lines": "{lines}",
    "seconds": "{seconds:.3f}",
    "lines/s": "{lines_per_s:.1f}",
    "tokens/s": "{target_tokens_per_s}",
    "ms/line": "{ms_per_line:.2f}",
    "of rate": "{share_of_rate:.3f}",
}
"""Of the table: names, and what they show of a row."""
DecodingSpeed = dict[str, Any]


def bench_decoding(
    config: Config,
    strategies: Sequence[Strategy],
    precisions: Sequence[DecodingPrecision],
    processes: Sequence[int],
    batch_sizes: Sequence[int],
    *,
    is_untrained: bool,
    num_lines: int,
    num_rounds: int,
    is_busy: bool = False,
) -> DecodingSpeed:
    """Translate test lines in every way that the options name; the medians of some rounds are shown.

    Start-up is not measured: each way translates the lines once before. Each round measures the matrix products and
    the lines right after one another, so that a change of the machine's speed moves both.

    Args:
        config: of the run, and what to search with; a run that has been trained has its own options for its model.
        precisions: those that the processor does not have are left out.
        processes: how many translate at a time; empty: one, and one a core.
        is_untrained: translate with new random weights, as many pieces as each line has.
        num_lines: of the test set, but at most 100 batches.
        is_busy: measure each round once more, beside a busy process.
    """
    device = choose_device(config.device)
    precisions = [each for each in precisions if _has_precision(device, each)]
    processes = processes or sorted({1, num_cores() if device.type == "cpu" else 1})
    with _untrained_run(config) if is_untrained else _trained_run(config) as (run, pairs):
        rows = []
        choices = list(product(strategies, precisions, processes, batch_sizes))
        for strategy, precision, num, batch_size in tqdm(choices, desc="measuring", unit="row", disable=None):
            search = dataclasses.replace(config.search, strategy=strategy, num_best=1)
            if is_untrained:
                search = dataclasses.replace(search, min_length_factor=1.0, max_length_factor=1.0, max_length_offset=1)
            lines = [pair.source for pair in pairs[: min(num_lines, _BATCHES * batch_size)]]
            options = {"search": search, "device": config.device, "precision": precision, "batch_size": batch_size}
            kind = choose_decoding_precision(precision, device)
            row = _measure(str(run.path), options, lines, num, kind, device, num_rounds, is_busy)
            names = {"strategy": strategy.name, "precision": precision.name, "processes": num, "batch_size": batch_size}
            rows.append({**names, **row})
    machine = {"device": device.type, "cores": all_cores(), "torch": torch.__version__}
    _logger.info("%(device)s, %(cores)d cores, torch %(torch)s", machine)
    columns = _COLUMNS | ({"s beside busy": "{seconds_beside_busy:.3f}"} if is_busy else {})
    _logger.info(
        "%s", table([list(columns), *([text.format(**row) for text in columns.values()] for row in rows)], "<<>")
    )
    return {**machine, "rows": rows}


def _has_precision(device: torch.device, precision: DecodingPrecision) -> bool:
    try:
        choose_decoding_precision(precision, device)
    except ConfigError as error:
        _logger.info("left out: %s", error)
        return False
    return True


@contextmanager
def _trained_run(config: Config) -> Iterator[tuple[RunFolder, list[Pair]]]:
    """The run to translate with and the test set, whose order is that of the text."""
    run = RunFolder.existing(config.run)
    paths = [Path(name) for name in config.data.test] or run.kept_text("test")
    yield run, list(read_pairs(*paths))


@contextmanager
def _untrained_run(config: Config) -> Iterator[tuple[RunFolder, list[Pair]]]:
    """A run with random weights in a folder that is there for the block, and its test set."""
    text = read_text(config.data, config.seed)
    config, _ = fitted(config, text.num_train)
    limit = config.training.max_pieces
    prepared = prepare(config.data, config.subwords, seed=config.seed, max_pieces=limit, text=text)
    torch.manual_seed(config.seed)
    build = partial(build_seq2seq, config.model, len(prepared.source), len(prepared.target))
    model = build_in_memory(build, torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder))
        write_bytes(weights_path(run), checkpoint_content(with_prefix("model", model_tensors(model)), {}))
        options = {item.name: getattr(config, item.name) for item in dataclasses.fields(Config)}
        save_config(Config(**options), run.config)
        sides = prepared.source, prepared.target
        for path, subwords in zip(run.subwords(config.subwords.shared), sides, strict=True):
            write_bytes(path, subwords.model)
        yield run, prepared.test


class _CountingEnsemble(Ensemble):
    """Counts what it computes."""

    num_beams = 0
    num_source = 0

    def start(self, source_BS: Tensor, lengths_B: Tensor) -> EnsembleState:
        self.num_source += int(lengths_B.sum())
        return super().start(source_BS, lengths_B)

    def step(self, token_BK: Tensor, state: EnsembleState) -> tuple[Tensor, EnsembleState]:
        self.num_beams += token_BK.numel()
        return super().step(token_BK, state)


class _CountingTranslator(BatchTranslator):
    """Counts what its one model computes."""

    @cached_property
    def packed(self) -> _CountingEnsemble:
        return _CountingEnsemble([self.model], self.precision, banned=NO_TEXT)


def _measure(
    run: str,
    options: dict[str, Any],
    lines: Sequence[str],
    num_processes: int,
    kind: torch.dtype,
    device: torch.device,
    rounds: int,
    is_busy: bool,
) -> DecodingSpeed:
    """One row of the table."""
    num_threads = max(1, all_cores() // num_processes)
    before = torch.get_num_threads()
    block = LineBlock(1, [line.encode() for line in lines])
    num_tokens, flops = _work(_CountingTranslator.load(run, **options), lines)
    found, busy_s = [], []
    load = partial(load_line_translator, run, **options)
    with ParallelTranslator(load, num_processes, num_threads=num_threads) as workers:
        for number in range(rounds + 1):
            rate = _rate(kind, device)
            torch.set_num_threads(before if num_processes == 1 else num_threads)
            elapsed_s = _seconds(workers, block)
            if number:  # the first round loads and warms up
                found.append((elapsed_s, flops / elapsed_s / rate))
            if number and is_busy:
                with busy_process():
                    until_s = time.perf_counter() + SETTLE_S
                    while time.perf_counter() < until_s:
                        _seconds(workers, block)
                    busy_s.append(_seconds(workers, block))
                time.sleep(SETTLE_S)
            torch.set_num_threads(before)
    seconds = statistics.median(elapsed_s for elapsed_s, _ in found)
    return {
        "lines": len(lines),
        "target_tokens": num_tokens,
        "seconds": round(seconds, 3),
        "seconds_by_round": [round(elapsed_s, 3) for elapsed_s, _ in found],
        "seconds_beside_busy": round(statistics.median(busy_s), 3) if is_busy else None,
        "seconds_beside_busy_by_round": [round(elapsed_s, 3) for elapsed_s in busy_s],
        "lines_per_s": round(len(lines) / seconds, 1),
        "target_tokens_per_s": round(num_tokens / seconds),
        "ms_per_line": round(1000 * seconds / len(lines), 2),
        "share_of_rate": round(statistics.median(share for _, share in found), 3),
    }


def _seconds(workers: ParallelTranslator, block: LineBlock) -> float:
    """How long a block takes."""
    started_s = time.perf_counter()
    for _ in workers.translate([block]):
        pass
    return time.perf_counter() - started_s


def _work(translator: _CountingTranslator, lines: Sequence[str]) -> tuple[int, float]:
    """Target tokens of the translations, `</s>` counted, and floating-point operations that they take."""
    translations = translator.translations(lines)
    on_source, on_beam = decoding_flops(translator.model)
    num_tokens = sum(len(translation.hypotheses[0].ids) + 1 for translation in translations)
    return num_tokens, translator.packed.num_source * on_source + translator.packed.num_beams * on_beam


def _rate(kind: torch.dtype, device: torch.device) -> float:
    """Operations a second of a square product of the type."""
    size = MATRIX_SIZE[device.type]
    if kind is not torch.int8:
        return matrix_rate(kind, device, size)
    multiply = pack_linear(torch.rand(size, size), None, torch.int8, 1.0)
    return product_rate(partial(multiply, torch.rand(size, size)), device, size)
