"""`s2s-translate`: lines in, translations out, one for one and in order."""

import datetime
import os
import sys
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch

from s2s.cli.app import run_app
from s2s.config.commands import TranslateConfig
from s2s.config.options import flatten
from s2s.data.text.parallel_text import sha256_of
from s2s.decoding.streaming.input_lines import BLOCK_BYTES, open_input, read_blocks
from s2s.decoding.streaming.line_translator import load_lines
from s2s.decoding.streaming.parallel_translator import ParallelTranslator
from s2s.decoding.streaming.resumable_output import ResumableOutput, Settings, join
from s2s.device import choose_device
from s2s.distributed import Ranks, connected, local_rank
from s2s.errors import ConfigError, OutputError
from s2s.runs.checkpoint import best_path
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import load_config
from s2s.workers import all_cores, num_cores

_LONGEST_WAIT = datetime.timedelta(days=30)  # for a slower rank; one that is lost is noticed at once
_DECIDES_NOTHING = ("search.workers", "search.batch_size")  # how fast, and in how much memory


def main() -> None:
    """The command."""
    run_app("translate", TranslateConfig, translate)


def translate(config: TranslateConfig) -> None:
    """Translate standard input or a file line by line: N lines in, N lines out, in order."""
    with connected(torch.device("cpu"), _LONGEST_WAIT) as ranks, ExitStack() as stack:
        ranks.from_first(partial(_check_processes, config, ranks))
        if choose_device(config.device).type == "cuda":
            torch.cuda.set_device(local_rank())
        crew = stack.enter_context(_crew(config, ranks))
        blocks = read_blocks(stack.enter_context(open_input(Path(config.input) if config.input else None)))
        if config.output is None:
            for _, content in crew.translate(blocks):
                sys.stdout.buffer.write(content)
                sys.stdout.buffer.flush()
            return
        output = Path(config.output)
        shard = stack.enter_context(ResumableOutput.open(output, ranks.rank, ranks.size, _made_of(config)))
        for block, content in crew.translate(shard.remaining(blocks)):
            shard.add(block, content)
        if len(set(ranks.gather(shard.whole_input))) > 1:
            raise OutputError(f"input={config.input} changed while it was read: remove {shard.path} and its like")
        ranks.from_first(partial(join, output, ranks.size))


def _check_processes(config: TranslateConfig, ranks: Ranks) -> None:
    if ranks.size > 1 and (config.input is None or config.output is None):
        raise ConfigError("several ranks (torchrun) share out a file: give input=FILE and output=FILE")
    if (config.search.workers or 1) > 1 and choose_device(config.device).type == "cuda":
        raise ConfigError(
            f"search.workers={config.search.workers}: expected one on a GPU, as all would take the same GPU; leave it "
            "out, or give device=cpu; several GPUs share out a file under torchrun"
        )


def _crew(config: TranslateConfig, ranks: Ranks) -> ParallelTranslator:
    """The processes that translate.

    Without a number, the cores are shared out when there is as much to do as takes far longer than starting processes,
    which load a run each. A GPU does better with one process, and so do ranks, which share out the cores already.
    """
    num_workers = config.search.workers
    if num_workers is None:
        is_shared_out = ranks.size > 1 or choose_device(config.device).type == "cuda"
        num_workers = 1 if is_shared_out else num_cores()
    return ParallelTranslator(
        partial(
            load_lines,
            config.runs,
            output_format=config.search.format,
            columns=config.search.columns,
            search=config.search,
            device=config.device,
            precision=config.precision,
            ensemble=config.ensemble,
            batch_size=config.search.batch_size,
            with_alignments=config.search.alignments,
        ),
        num_workers,
        num_threads=None if "OMP_NUM_THREADS" in os.environ else max(1, all_cores() // num_workers),
        enough_bytes=BLOCK_BYTES // 2 if config.search.workers is None else 0,
    )


def _made_of(config: TranslateConfig) -> Settings:
    """What decides the text."""
    runs = [RunFolder.existing(run) for run in config.runs]
    subwords = sorted(set(runs[0].subwords(load_config(runs[0].config).subwords.shared)))
    options = flatten(config.search, "search.")
    return {
        "s2s": version("s2s"),
        "window_bytes": BLOCK_BYTES,
        "weights": [sha256_of(best_path(run)) for run in runs],
        "ensemble": config.ensemble.name,
        "subwords": [sha256_of(path) for path in subwords],
        "precision": config.precision.name,
        **{name: value for name, value in options.items() if name not in _DECIDES_NOTHING},
    }
