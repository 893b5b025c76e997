"""Options of commands that code below `cli/` takes whole."""

import enum
from dataclasses import dataclass, field
from typing import Any

from s2s.config.decoding import ScoredData, SignificanceConfig, TranslatingConfig, folder_list
from s2s.config.model import Cell
from s2s.config.options import Options, check_ascending, option
from s2s.config.search import DecodingPrecision, Strategy
from s2s.config.training import Config, Precision, Task
from s2s.errors import ConfigError


class LinkFormat(enum.Enum):
    """How a file of gold word alignments is written."""

    pharaoh = "pharaoh"
    naacl = "naacl"


class Direction(enum.Enum):
    """Which half of a bidirectional encoder."""

    forwards = "forwards"
    backwards = "backwards"


@dataclass
class EvaluateConfig(TranslatingConfig):
    """Options of `evaluate`."""

    run: Any = option("???", "folder of a trained run; or [FOLDER,FOLDER]: they are compared with the first")
    data: ScoredData = field(default_factory=ScoredData)
    significance: SignificanceConfig = field(default_factory=SignificanceConfig)
    output: str | None = option(None, "folder for the hypotheses; left out: RUN/evaluation")

    @property
    def runs(self) -> list[str]:
        """The folders, also where there is one."""
        return folder_list("run", self.run)

    def check(self) -> None:
        folder_list("run", self.run)
        _check_scoring_search(self)


@dataclass
class ReportConfig(EvaluateConfig):
    """Options of `report`: those of `evaluate`, plus what the page shows."""

    output: str | None = option("report.html", "the page")
    scores: bool = option(True, "translate and score a text; false: only what the run folders tell")
    samples: int = option(8, "translations shown side by side", low=0)

    def check(self) -> None:
        super().check()
        if self.output is None:
            raise ConfigError("output must be given: output=FILE.html")
        if not self.scores and (self.data.test or self.data.testset):
            raise ConfigError(
                "scores=false scores nothing, and has no use for data.test and data.testset; leave one out"
            )


@dataclass
class LengthsConfig(TranslatingConfig):
    """Options of `lengths`."""

    runs: Any = option("???", "a folder, or [FOLDER,FOLDER]: all runs in it and below it are scored on one test set")
    edges: list[int] | None = option(
        None,
        "words at which a new group of lengths begins, ascending; null: about five groups of equally many lines",
        low=2,
    )
    data: ScoredData = field(default_factory=ScoredData)
    bootstrap_samples: int = option(300, "test sets drawn, for the 95% confidence intervals", low=100)
    seed: int = option(12345, "of them", low=1)
    output: str | None = option("lengths.png", "picture, .png, .svg or .pdf (needs the extra s2s[plots]); null: none")

    def check(self) -> None:
        folder_list("runs", self.runs)
        _check_scoring_search(self)
        if self.edges:
            check_ascending("edges", self.edges)


def _check_scoring_search(config: TranslatingConfig) -> None:
    if config.search.columns:
        raise ConfigError("search.columns belongs to translate: a test set holds a sentence a line and nothing else")


class BenchTask(enum.Enum):
    """What to measure."""

    train = "train"
    decode = "decode"
    curve = "curve"


@dataclass
class BenchConfig(Config):
    """Options of `bench`: those of training, plus what and how much to measure."""

    measure: BenchTask = option(
        BenchTask.train,
        "train or decode (speed), or curve (dev scores of a run over time); may be the first word: s2s-bench decode",
    )
    cells: list[Cell] = option([Cell.rnn, Cell.lstm, Cell.gru], "cells to measure, instead of model.cell")
    precisions: list[Precision] = option([Precision.fp32, Precision.bf16], "instead of precision")
    input_feeding: list[bool] = option([False, True], "instead of model.input_feeding")
    steps: int = option(20, "steps or batches measured in each round", low=1)
    rounds: int = option(3, "rounds, whose median is printed", low=1)
    untrained: bool = option(False, "decode: a model with random weights instead of that in run; `</s>` comes late")
    strategies: list[Strategy] = option([Strategy.greedy, Strategy.beam], "decode: instead of search.strategy")
    batch_sizes: list[int] = option([1, 8, 64, 256], "decode: sentences translated at once", low=1)
    decoding_precisions: list[DecodingPrecision] = option(
        [DecodingPrecision.fp32, DecodingPrecision.bf16, DecodingPrecision.int8], "decode: those the processor has"
    )
    processes: list[int] = option([], "decode: numbers of processes; left out: 1, and one a core", low=1)
    lines: int = option(1000, "decode: test lines, or 100 a sentence of the batch where that is less", low=1)
    output: str | None = option(None, "curve: a picture to draw, .png, .svg or .pdf (needs the extra s2s[plots])")

    def check(self) -> None:
        super().check()
        if self.output is not None and self.measure is not BenchTask.curve:
            raise ConfigError(
                f"output={self.output} is the picture of measure=curve, not of measure={self.measure.name}"
            )
        if self.task is not Task.translate:
            raise ConfigError(
                f"bench measures the training of translators: expected task=translate, got {self.task.name}"
            )


@dataclass
class GradientsConfig(Options):
    """Options of `gradients`."""

    runs: Any = option(
        None,
        "a folder, or [FOLDER,FOLDER]: measure the encoders of all runs in it and below it on their own test sets; "
        "left out: small new models",
    )
    lengths: list[int] = option([10, 25, 50, 100, 200, 400], "pieces of the sequences", low=2, high=500)
    batches: int = option(8, "batches of each length; the spread is over them", low=1)
    batch_size: int = option(16, "sequences of a batch", low=1)
    hidden_size: int = option(64, "new models: units of the embedding and of the recurrent layer", low=1)
    steps: int = option(300, "new models: updates between the pictures at initialisation and after training", low=1)
    scale: float = option(2.0, "new models: factor of the recurrent weights that are scaled up", low=0, high=4)
    max_grad_norm: float = option(1.0, "new models: norm to which clipping scales gradients down", low=1e-6)
    seed: int = option(1, "of weights and text", low=0)
    output: str | None = option("gradients.png", "picture, .png, .svg or .pdf (needs the extra s2s[plots]); null: none")

    def check(self) -> None:
        check_ascending("lengths", self.lengths)
        if self.runs is not None:
            folder_list("runs", self.runs)
