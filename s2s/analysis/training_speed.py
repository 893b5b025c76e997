"""How fast a model is trained, and how close that comes to what the machine can do."""

import dataclasses
import logging
import math
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from s2s.analysis.busy_process import SETTLE_S, busy_process
from s2s.config.fitting import fitted
from s2s.config.model import AttentionScore, Cell
from s2s.config.training import Config, Precision
from s2s.data.prepare import Prepared, prepare, read_text
from s2s.data.vocabulary.subwords import PAD
from s2s.device import MATRIX_SIZE, autocast, choose_device, choose_precision, matrix_rate
from s2s.errors import ConfigError
from s2s.models.flops import flops_per_target_token
from s2s.models.network_size import build_in_memory, training_copies
from s2s.models.seq2seq import build_seq2seq
from s2s.runs.folder import RunFolder
from s2s.text_tables import table
from s2s.training.loop import Trainer
from s2s.training.progress import Validation
from s2s.training.updates import Update

_logger = logging.getLogger(__name__)
_NUM_WARM_UP = 3
_STATUS = Path("/proc/self/status")  # of Linux
_COLUMNS = {
    "cell": "{cell}",
    "feeding": "{input_feeding}",
    "precision": "{precision}",
    "tokens/s": "{target_tokens_per_s}",
    "of rate": "{share_of_rate:.3f}",
    "of fp32": "{share_of_fp32_rate:.3f}",
    "padding": "{padding:.3f}",
    "peak GB": "{peak:.2f}",
}
"""Of the table: names, and what they show of a row."""
TrainingSpeed = dict[str, Any]


def bench_training(
    config: Config,
    cells: Sequence[Cell],
    input_feeding: Sequence[bool],
    precisions: Sequence[Precision],
    *,
    num_steps: int,
    num_rounds: int,
    is_busy: bool = False,
) -> TrainingSpeed:
    """Steps of training at the sizes of the config, for each kind of cell and precision, with input feeding or without.

    Each round measures the matrix products and the steps right after one another, so that a change of the machine's
    speed moves both; the medians of the rounds are shown. If `is_busy`, each round measures the steps once more, beside
    a busy process.
    """
    device = choose_device(config.device)
    text = read_text(config.data, config.seed)
    config, _ = fitted(config, text.num_train)
    limit = config.training.max_pieces
    prepared = prepare(config.data, config.subwords, seed=config.seed, max_pieces=limit, text=text)
    if any(input_feeding) and config.model.attention is AttentionScore.none:
        raise ConfigError("model.attention=none has no state to feed back: add input_feeding=false")
    rows = []
    choices = list(product(cells, input_feeding, precisions))
    for cell, is_fed, precision in tqdm(choices, desc="measuring", unit="row", disable=None):
        model = dataclasses.replace(config.model, cell=cell, input_feeding=is_fed)
        options = dataclasses.replace(config, model=model)
        row = _measure(options, prepared, device, precision, num_steps, num_rounds, is_busy)
        rows.append({"cell": cell.name, "input_feeding": is_fed, "precision": precision.name, **row})
    machine = {"device": device.type, "threads": torch.get_num_threads(), "torch": torch.__version__}
    _logger.info("%(device)s, %(threads)d threads, torch %(torch)s", machine)
    shown = [
        {**row, "padding": max(row["padding_source"], row["padding_target"]), "peak": row["peak_memory_gb"] or 0}
        for row in rows
    ]
    columns = _COLUMNS | ({"beside busy": "{target_tokens_per_s_beside_busy}"} if is_busy else {})
    cells_of_table = [[text.format(**row) for text in columns.values()] for row in shown]
    _logger.info("%s", table([list(columns), *cells_of_table], "<<<>"))
    rates = [statistics.median(row[f"matrix_gflops_per_s_{kind}"] for row in rows) for kind in ("fp32", "bf16")]
    size = MATRIX_SIZE[device.type]
    _logger.info("%d x %d matrix products: %.0f GFLOP/s in fp32, %.0f in bf16", size, size, *rates)
    return {**machine, "rows": rows}


def _measure(
    config: Config,
    prepared: Prepared,
    device: torch.device,
    precision: Precision,
    num_steps: int,
    num_rounds: int,
    is_busy: bool,
) -> TrainingSpeed:
    """One row of the table: rates of matrix products, of target tokens (never padding), and of the model's products."""
    _forget_peak_memory(device)
    kind = choose_precision(precision, device)
    torch.manual_seed(config.seed)
    build = partial(build_seq2seq, config.model, len(prepared.source), len(prepared.target))
    model = build_in_memory(build, device, copies=training_copies(config.optim)).to(device)
    stores, run = (prepared.train_source, prepared.train_target), RunFolder(Path(config.run))
    no_validation = partial(Validation, math.nan, {})
    trainer = Trainer(model, *stores, no_validation, run, config, device, partial(autocast, device, kind))
    updates = list(islice(trainer.updates.starting_at(0, 0), num_steps))
    batches = [batch for update in updates for batch in update.batches]
    num_tokens = sum(update.num_tokens for update in updates)
    num_source = sum(int(batch.source_lengths_B.sum()) for batch in batches)
    flops_per_token = flops_per_target_token(model, num_source / num_tokens)
    for update in updates[:_NUM_WARM_UP]:
        trainer.step(update)  # allocations and the choice of kernels are not measured
    tokens_per_s: list[float] = []
    busy_tokens_per_s: list[float] = []
    matrix_flops_per_s: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    for _ in range(num_rounds):
        for each, rates in matrix_flops_per_s.items():
            rates.append(matrix_rate(each, device, MATRIX_SIZE[device.type]))
        tokens_per_s.append(num_tokens / _seconds(trainer, updates, device))
        if is_busy:
            with busy_process():
                until_s = time.perf_counter() + SETTLE_S
                while time.perf_counter() < until_s:
                    trainer.step(updates[0])
                busy_tokens_per_s.append(num_tokens / _seconds(trainer, updates, device))
            time.sleep(SETTLE_S)
    shares = {
        each: [speed * flops_per_token / rate for speed, rate in zip(tokens_per_s, rates, strict=True)]
        for each, rates in matrix_flops_per_s.items()
    }
    own_shares = shares[torch.bfloat16 if kind is torch.bfloat16 else torch.float32]
    return {
        "target_tokens_per_s": round(statistics.median(tokens_per_s)),
        "target_tokens_per_s_by_round": [round(speed) for speed in tokens_per_s],
        "target_tokens_per_s_beside_busy": round(statistics.median(busy_tokens_per_s)) if is_busy else None,
        "target_tokens_per_s_beside_busy_by_round": [round(speed) for speed in busy_tokens_per_s],
        "model_mflop_per_target_token": round(flops_per_token / 1e6, 1),
        "matrix_gflops_per_s_fp32": round(statistics.median(matrix_flops_per_s[torch.float32]) / 1e9, 1),
        "matrix_gflops_per_s_bf16": round(statistics.median(matrix_flops_per_s[torch.bfloat16]) / 1e9, 1),
        "share_of_rate": round(statistics.median(own_shares), 3),
        "share_of_rate_by_round": [round(share, 3) for share in own_shares],
        "share_of_fp32_rate": round(statistics.median(shares[torch.float32]), 3),
        "padding_source": round(_padding([batch.source_BS for batch in batches]), 4),
        "padding_target": round(_padding([batch.target_out_BT for batch in batches]), 4),
        "peak_memory_gb": _peak_memory_gb(device),
    }


def _seconds(trainer: Trainer, updates: Sequence[Update], device: torch.device) -> float:
    """How long some steps take."""
    started_s = time.perf_counter()
    for update in updates:
        trainer.step(update)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started_s


def _padding(padded: list[torch.Tensor]) -> float:
    """Share of positions that are padding."""
    return sum(int((ids == PAD).sum()) for ids in padded) / sum(ids.numel() for ids in padded)


def _forget_peak_memory(device: torch.device) -> None:
    """Let the peak of memory begin at what is used now, where the system can."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _STATUS.is_file():
        with suppress(OSError):  # not allowed: the peak is then that of the whole process
            _STATUS.with_name("clear_refs").write_text("5", encoding="ascii")


def _peak_memory_gb(device: torch.device) -> float | None:
    """Of the GPU, or resident memory of this process; None where the system does not report it."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 1e9, 2)
    if not _STATUS.is_file():
        return None
    peak_kb = int(_STATUS.read_text(encoding="ascii").split("VmHWM:")[1].split()[0])
    return round(peak_kb * 1024 / 1e9, 2)
