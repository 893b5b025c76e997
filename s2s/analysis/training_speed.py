"""How fast a model is trained, and how close that comes to what the machine can do."""

import dataclasses
import logging
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

from s2s.config.model import AttentionScore, Cell
from s2s.config.training import Config, Precision
from s2s.data.prepare import Prepared, prepare
from s2s.data.vocabulary.subwords import PAD
from s2s.device import autocast, choose_device, choose_precision, matrix_rate
from s2s.errors import ConfigError
from s2s.models.flops import flops_per_target_token
from s2s.models.model import Model
from s2s.models.seq2seq import Seq2Seq, build_seq2seq
from s2s.runs.folder import RunFolder
from s2s.text_tables import table
from s2s.training.loop import Trainer
from s2s.training.progress import Validation
from s2s.training.updates import Update

_logger = logging.getLogger(__name__)
_MATRIX_SIZE = 2048
_NUM_WARM_UP = 3
_STATUS = Path("/proc/self/status")  # of Linux
_HEADERS = ("cell", "feeding", "precision", "tokens/s", "of rate", "of fp32", "padding", "peak GB")
TrainingSpeed = dict[str, Any]


def bench_training(
    config: Config,
    cells: Sequence[Cell],
    input_feeding: Sequence[bool],
    precisions: Sequence[Precision],
    *,
    num_steps: int,
    num_rounds: int,
) -> TrainingSpeed:
    """Steps of training at the sizes of the config, for each kind of cell and precision, with input feeding or without.

    Each round measures the matrix products and the steps right after one another, so that a change of the machine's
    speed moves both; the medians of the rounds are shown.
    """
    device = choose_device(config.device)
    prepared = prepare(config.data, config.subwords, seed=config.seed, max_pieces=config.training.max_pieces)
    rows = []
    choices = list(product(cells, input_feeding, precisions))
    for cell, is_fed, precision in tqdm(choices, desc="measuring", unit="row", disable=None):
        row = _bench_choice(_chosen(config, cell, is_fed), prepared, device, precision, num_steps, num_rounds)
        rows.append({"cell": cell.name, "input_feeding": is_fed, "precision": precision.name, **row})
    machine = {"device": device.type, "threads": torch.get_num_threads(), "torch": torch.__version__}
    _print_table(machine, rows)
    return {**machine, "rows": rows}


def _chosen(config: Config, cell: Cell, is_fed: bool) -> Config:
    if is_fed and config.model.attention is AttentionScore.none:
        raise ConfigError("model.attention=none has no state to feed back: add input_feeding=[false]")
    return dataclasses.replace(config, model=dataclasses.replace(config.model, cell=cell, input_feeding=is_fed))


def _bench_choice(
    config: Config, prepared: Prepared, device: torch.device, precision: Precision, num_steps: int, num_rounds: int
) -> TrainingSpeed:
    """One row of the table."""
    _forget_peak_memory(device)
    kind = choose_precision(precision, device)
    trainer = _trainer(config, prepared, device, kind)
    updates = list(islice(trainer.updates.starting_at(0, 0), num_steps))
    for update in updates[:_NUM_WARM_UP]:
        trainer.step(update)  # allocations and the choice of kernels are not measured
    rounds = [_measure(trainer, updates, device) for _ in range(num_rounds)]
    rate_name = "bf16_flops_per_s" if kind is torch.bfloat16 else "fp32_flops_per_s"
    shares = [each["flops_per_s"] / each[rate_name] for each in rounds]
    batches = [batch for update in updates for batch in update.batches]
    return {
        "target_tokens_per_s": round(statistics.median(each["tokens_per_s"] for each in rounds)),
        "target_tokens_per_s_by_round": [round(each["tokens_per_s"]) for each in rounds],
        "model_mflop_per_target_token": round(_mflop_per_token(trainer.model, updates), 1),
        "matrix_gflops_per_s_fp32": _median_giga(rounds, "fp32_flops_per_s"),
        "matrix_gflops_per_s_bf16": _median_giga(rounds, "bf16_flops_per_s"),
        "share_of_rate": round(statistics.median(shares), 3),
        "share_of_rate_by_round": [round(share, 3) for share in shares],
        "share_of_fp32_rate": round(
            statistics.median(each["flops_per_s"] / each["fp32_flops_per_s"] for each in rounds), 3
        ),
        "padding_source": round(_padding([batch.source_BS for batch in batches]), 4),
        "padding_target": round(_padding([batch.target_out_BT for batch in batches]), 4),
        "peak_memory_gb": _peak_memory_gb(device),
    }


def _trainer(config: Config, prepared: Prepared, device: torch.device, kind: torch.dtype) -> Trainer:
    """A trainer that has never trained."""
    torch.manual_seed(config.seed)
    model = build_seq2seq(config.model, len(prepared.source), len(prepared.target)).to(device)
    stores = prepared.train_source, prepared.train_target
    run = RunFolder(Path(config.run))
    return Trainer(model, *stores, _no_validation, run, config, device, partial(autocast, device, kind))


def _no_validation() -> Validation:
    raise AssertionError("nothing is validated here")


def _measure(trainer: Trainer, updates: list[Update], device: torch.device) -> dict[str, float]:
    """One round: the rates of matrix products, of target tokens (never padding), and of the model's own products."""
    fp32, bf16 = (matrix_rate(kind, device, _MATRIX_SIZE) for kind in (torch.float32, torch.bfloat16))
    started_s = time.perf_counter()
    for update in updates:
        trainer.step(update)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elapsed_s = time.perf_counter() - started_s
    tokens_per_s = sum(update.num_tokens for update in updates) / elapsed_s
    flops_per_s = tokens_per_s * _mflop_per_token(trainer.model, updates) * 1e6
    return {
        "fp32_flops_per_s": fp32,
        "bf16_flops_per_s": bf16,
        "tokens_per_s": tokens_per_s,
        "flops_per_s": flops_per_s,
    }


def _mflop_per_token(model: Model, updates: list[Update]) -> float:
    assert isinstance(model, Seq2Seq)
    num_source = sum(int(batch.source_lengths_B.sum()) for update in updates for batch in update.batches)
    return flops_per_target_token(model, num_source / sum(update.num_tokens for update in updates)) / 1e6


def _median_giga(rounds: list[dict[str, float]], name: str) -> float:
    return round(statistics.median(each[name] for each in rounds) / 1e9, 1)


def _padding(padded: list[torch.Tensor]) -> float:
    """Share of positions that are padding."""
    return sum(int((ids == PAD).sum()) for ids in padded) / sum(ids.numel() for ids in padded)


def _forget_peak_memory(device: torch.device) -> None:
    """Let the peak of memory begin at what there is now, where the system can."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _STATUS.is_file():
        with suppress(OSError):  # not allowed: the peak is then that of the whole process
            _STATUS.with_name("clear_refs").write_text("5", encoding="ascii")


def _peak_memory_gb(device: torch.device) -> float | None:
    """Of the GPU, or resident memory of this process; None where the system does not tell."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 1e9, 2)
    if not _STATUS.is_file():
        return None
    peak_kb = int(_STATUS.read_text(encoding="ascii").split("VmHWM:")[1].split()[0])
    return round(peak_kb * 1024 / 1e9, 2)


def _print_table(machine: TrainingSpeed, rows: list[TrainingSpeed]) -> None:
    _logger.info("%(device)s, %(threads)d threads, torch %(torch)s", machine)
    cells = [
        [
            *(row[name] for name in ("cell", "input_feeding", "precision", "target_tokens_per_s")),
            f"{row['share_of_rate']:.3f}",
            f"{row['share_of_fp32_rate']:.3f}",
            f"{max(row['padding_source'], row['padding_target']):.3f}",
            f"{row['peak_memory_gb'] or 0:.2f}",
        ]
        for row in rows
    ]
    _logger.info("%s", table([_HEADERS, *cells], "<<<>"))
    rates = [statistics.median(row[f"matrix_gflops_per_s_{kind}"] for row in rows) for kind in ("fp32", "bf16")]
    _logger.info("%d x %d matrix products: %.0f GFLOP/s in fp32, %.0f in bf16", _MATRIX_SIZE, _MATRIX_SIZE, *rates)
