"""`s2s translate`: lines in, translations out, one for one and in order."""

import datetime
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from s2s.cli.commands import Command
from s2s.config.decoding import Column, EnsembleMean, OutputFormat, TranslatingConfig
from s2s.config.options import Takes, as_argument, flatten, option
from s2s.config.search import Strategy
from s2s.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from s2s.decoding.streaming.parallel_translator import Load, ParallelTranslator
    from s2s.decoding.streaming.resumable_output import Settings
    from s2s.distributed import Ranks

_LONGEST_WAIT = datetime.timedelta(days=30)  # for a slower rank; one that is lost is noticed at once


@dataclass
class TranslateConfig(TranslatingConfig):
    """Options of `translate`."""

    run: list[str] = option(
        "???", "folder of a trained run; or RUN,RUN: an ensemble of runs with the same subwords", takes=Takes.run
    )
    ensemble: EnsembleMean = option(
        EnsembleMean.log_probability, "mean of several runs: of log_probability or probability"
    )
    input: str | None = option(None, "file to translate, plain or .gz; left out: standard input", takes=Takes.file)
    output: str | None = option(
        None, "new file of translations; a job that was stopped continues; left out: standard output", takes=Takes.file
    )
    format: OutputFormat = option(
        OutputFormat.text, "text, moses (`id ||| text ||| features ||| score`) or json (an object a line)"
    )
    columns: list[Column] = option(
        [], "tab-separated fields after the source: prefix (how the translation begins), must, avoid (words, WORD|WORD)"
    )
    alignments: bool = option(False, "write links `i-j` between source and target words, from attention")
    workers: int | None = option(
        None,
        "processes, one only on a GPU; left out: one, or one a core for much input (not under torchrun)",
        low=1,
        high=10_000,
    )

    def check(self) -> None:
        if len(self.run) == 1 and self.ensemble is not EnsembleMean.log_probability:
            raise ConfigError(f"ensemble={self.ensemble.name} is a mean of several runs: run=RUN,RUN")
        if self.output is not None and self.output.endswith(".gz"):
            raise ConfigError(f"output={self.output} is written as plain text: choose a name without .gz")
        if self.format is OutputFormat.text and not self.search.gives_one:
            raise ConfigError(
                f"search.num_best={self.search.num_best} with format=text would break `a line in, a line out`; add "
                "format=moses or format=json, or search.mbr=chrf, which chooses one of them"
            )
        if len(self.columns) > len(set(self.columns)):
            raise ConfigError(f"columns={as_argument(self.columns)} must name each column once")
        is_undivided = self.search.strategy is Strategy.beam and self.search.diverse_groups == 1
        if Column.must in self.columns and not is_undivided:
            raise ConfigError("columns with must needs search=beam, undivided (search.diverse_groups=1)")


def translate(config: TranslateConfig) -> None:
    """Translate standard input or a file line by line: N lines in, N lines out, in order."""
    import torch

    from s2s.cli.prompt import is_interactive
    from s2s.decoding.streaming.input_lines import open_input, read_blocks
    from s2s.decoding.streaming.line_bar import line_bar
    from s2s.decoding.streaming.resumable_output import ResumableOutput, join
    from s2s.device import choose_device
    from s2s.distributed import connected, take_gpu

    with connected(torch.device("cpu"), _LONGEST_WAIT) as ranks, ExitStack() as stack:
        ranks.from_first(partial(_check_processes, config, ranks))
        if choose_device(config.device).type == "cuda":
            take_gpu()
        if config.input is None and config.output is None and is_interactive():
            from s2s.cli.typed_translation import translate_typed_lines

            translate_typed_lines(_loader(config)(), config.run)
            return
        translator = stack.enter_context(_parallel_translator(config, ranks))
        source = Path(config.input) if config.input else None
        blocks = read_blocks(stack.enter_context(open_input(source)))
        if config.output is None:
            translator.on_lines = stack.enter_context(line_bar("translating", source, has_output=False))
            for _, content in translator.translate(blocks):
                sys.stdout.buffer.write(content)
                sys.stdout.buffer.flush()
            return
        output = Path(config.output)
        shard = stack.enter_context(ResumableOutput.open(output, ranks.rank, ranks.size, _settings(config)))
        if ranks.size == 1:
            bar = line_bar("translating", source, has_output=True, num_done=shard.num_done)
            translator.on_lines = stack.enter_context(bar)
        for block, content in translator.translate(shard.remaining(blocks)):
            shard.add(block, content)
        if len(set(ranks.gather(shard.whole_input))) > 1:
            raise OutputError(f"input={config.input} changed while it was read: remove {shard.path} and its like")
        ranks.from_first(partial(join, output, ranks.size))


def _check_processes(config: TranslateConfig, ranks: "Ranks") -> None:
    from s2s.device import choose_device

    if ranks.size > 1 and (config.input is None or config.output is None):
        raise ConfigError("several ranks (torchrun) share out a file: give input=FILE and output=FILE")
    if (config.workers or 1) > 1 and choose_device(config.device).type == "cuda":
        raise ConfigError(
            f"workers={config.workers}: expected one on a GPU, as all would take the same GPU; leave it "
            "out, or give device=cpu; several GPUs share out a file under torchrun"
        )


def _parallel_translator(config: TranslateConfig, ranks: "Ranks") -> "ParallelTranslator":
    """The translator, with the number of processes that was asked for.

    Left out, it is one a core once there is so much to do that it takes far longer than starting processes, each of
    which loads the run. A GPU is faster with one process, and so are ranks, which share the cores already.
    """
    from s2s.decoding.streaming.input_lines import BLOCK_BYTES
    from s2s.decoding.streaming.parallel_translator import ParallelTranslator
    from s2s.device import choose_device
    from s2s.workers import all_cores, num_cores

    num_workers = config.workers
    if num_workers is None:
        is_shared_out = ranks.size > 1 or choose_device(config.device).type == "cuda"
        num_workers = 1 if is_shared_out else num_cores()
    return ParallelTranslator(
        _loader(config),
        num_workers,
        num_threads=None if "OMP_NUM_THREADS" in os.environ else max(1, all_cores() // num_workers),
        enough_bytes=BLOCK_BYTES // 2 if config.workers is None else 0,
    )


def _loader(config: TranslateConfig) -> "Load":
    """What loads the translator, in this process or another."""
    from s2s.decoding.streaming.line_translator import load_line_translator

    return partial(
        load_line_translator,
        config.run,
        output_format=config.format,
        columns=config.columns,
        search=config.search,
        device=config.device,
        precision=config.precision,
        ensemble=config.ensemble,
        batch_size=config.batch_size,
        with_alignments=config.alignments,
    )


def _settings(config: TranslateConfig) -> "Settings":
    """All that decides the text."""
    from s2s.data.text.parallel_text import sha256_of
    from s2s.decoding.streaming.input_lines import BLOCK_BYTES
    from s2s.runs.checkpoint import best_path
    from s2s.runs.folder import RunFolder
    from s2s.runs.saved_config import load_config

    runs = [RunFolder.existing(run) for run in config.run]
    subwords = sorted(set(runs[0].subwords(load_config(runs[0].config).subwords.shared)))
    return {
        "s2s": version("s2s"),
        "block_bytes": BLOCK_BYTES,
        "weights": [sha256_of(best_path(run)) for run in runs],
        "ensemble": config.ensemble.name,
        "subwords": [sha256_of(path) for path in subwords],
        "precision": config.precision.name,
        "format": config.format.name,
        "columns": [column.name for column in config.columns],
        "alignments": config.alignments,
        **flatten(config.search, "search."),
    }


COMMAND = Command(
    translate,
    TranslateConfig,
    bare=("run",),
    imports=("s2s.decoding.streaming.line_translator",),
    examples=(
        "runs/demo < korean.txt > english.txt",
        "runs/demo input=korean.txt output=english.txt search.beam_size=10",
        "runs/a,runs/b search.must=library < korean.txt",
    ),
    common=("search.beam_size", "search.num_best", "search.must", "search.avoid"),
)
