"""`s2s-bench`: how close training comes to what the machine can do."""

import json
import logging
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from tqdm import tqdm

from s2s.cli.app import run_app
from s2s.config import BenchConfig
from s2s.data.batching import Batch, batch_indices, read_batch
from s2s.data.prepare import prepare
from s2s.data.subwords import PAD
from s2s.device import autocast, choose_device, choose_precision
from s2s.models.seq2seq import build_seq2seq, flops_per_target_token
from s2s.runs import RunFolder
from s2s.training.loop import Trainer, Validation

_logger = logging.getLogger(__name__)
_MATRIX_SIZE = 2048
_NUM_PRODUCTS = 5
T = TypeVar("T")


def main() -> None:
    """The command."""
    run_app("bench", BenchConfig, bench)


@dataclass(frozen=True)
class Round:
    """One round of measuring: some products and some training steps, right after one another.

    Attributes:
        fp32_flops_per_s: of a 2048 x 2048 matrix product.
        tokens_per_s: target tokens trained on in a second, `</s>` counted and padding not.
        flops_per_s: of the model's own matrix products.
    """

    fp32_flops_per_s: float
    tokens_per_s: float
    flops_per_s: float


def bench(config: BenchConfig) -> None:
    """Measure training at the sizes of the config: a table on stderr, one JSON object on stdout.

    Each round measures the matrix product and the training steps after one another, so that a change of the machine's
    speed moves both; the median of the rounds is shown.
    """
    device = choose_device(config.device)
    precision = choose_precision(config.precision, device)
    batches, trainer = _prepare(config, device, precision)
    for batch in batches[:3]:
        trainer.step(batch)  # allocations and the choice of kernels are not measured
    rounds = [_measure(trainer, batches, device) for _ in tqdm(range(config.rounds), disable=None)]
    result = {
        "cell": config.model.cell.name,
        "input_feeding": config.model.input_feeding,
        "precision": str(precision).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "target_tokens_per_s": round(statistics.median(row.tokens_per_s for row in rounds)),
        "matrix_gflops_per_s_fp32": round(statistics.median(row.fp32_flops_per_s for row in rounds) / 1e9, 1),
        "model_gflops_per_s": round(statistics.median(row.flops_per_s for row in rounds) / 1e9, 1),
        "share_of_matrix_rate": round(statistics.median(row.flops_per_s / row.fp32_flops_per_s for row in rounds), 3),
        "share_of_matrix_rate_by_round": [round(row.flops_per_s / row.fp32_flops_per_s, 3) for row in rounds],
        "padding_source": round(_padding([batch.source_BS for batch in batches]), 4),
        "padding_target": round(_padding([batch.target_out_BT for batch in batches]), 4),
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2),
    }
    for name, value in result.items():
        _logger.info("%-30s %s", name, value)
    json.dump(result, sys.stdout)
    print()


def _prepare(config: BenchConfig, device: torch.device, precision: torch.dtype) -> tuple[list[Batch], Trainer]:
    """The first batches of an epoch of the corpus, and a trainer that has never trained."""
    corpus = prepare(config.data, config.subwords, seed=config.seed, max_pieces=config.training.max_pieces)
    stores = corpus.train_source, corpus.train_target
    lengths = stores[0].lengths, stores[1].lengths
    indices = batch_indices(*lengths, batch_tokens=config.training.batch_tokens, seed=config.seed, epoch=0)
    torch.manual_seed(config.seed)
    model = build_seq2seq(config.model, len(corpus.source), len(corpus.target)).to(device)
    run = RunFolder(Path(config.run))
    trainer = Trainer(model, *stores, _no_validation, run, config, device, partial(autocast, device, precision))
    return [read_batch(*stores, rows).to(device) for rows in indices[: config.steps]], trainer


def _no_validation() -> Validation:
    raise AssertionError("nothing is validated here")


def _measure(trainer: Trainer, batches: list[Batch], device: torch.device) -> Round:
    """One round: the matrix product, then the steps."""
    matrix = torch.randn(_MATRIX_SIZE, _MATRIX_SIZE, device=device)
    products_s = _elapsed_s(lambda _: torch.mm(matrix, matrix), range(_NUM_PRODUCTS), device)
    steps_s = _elapsed_s(trainer.step, batches, device)
    num_tokens = sum(batch.num_tokens for batch in batches)
    source_per_target = sum(int(batch.source_lengths_B.sum()) for batch in batches) / num_tokens
    flops = flops_per_target_token(trainer.model, source_per_target) * num_tokens
    return Round(_NUM_PRODUCTS * 2 * _MATRIX_SIZE**3 / products_s, num_tokens / steps_s, flops / steps_s)


def _elapsed_s(work: Callable[[T], object], items: Iterable[T], device: torch.device) -> float:
    """Seconds that some work on each item takes, all of it done on the device too."""
    started_s = time.perf_counter()
    for item in items:
        work(item)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started_s


def _padding(padded: list[torch.Tensor]) -> float:
    """Share of positions that are padding."""
    return sum(int((ids == PAD).sum()) for ids in padded) / sum(ids.numel() for ids in padded)
