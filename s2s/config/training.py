"""Options of a training run."""

import enum
from dataclasses import dataclass, field
from typing import NamedTuple

from s2s.config.data import Corpus, DataConfig, SubwordsConfig
from s2s.config.model import AttentionScore, ModelConfig, Pooling, Tie
from s2s.config.optim import OptimConfig
from s2s.config.options import LARGEST_SEED, FittedInt, Options, Takes, option
from s2s.config.search import SearchConfig
from s2s.errors import ConfigError


class Task(enum.Enum):
    """What a run learns."""

    translate = "translate"
    classify = "classify"


class StopMetric(enum.Enum):
    """What early stopping and the best checkpoint look at."""

    loss = "loss"
    perplexity = "perplexity"
    bleu = "bleu"
    accuracy = "accuracy"
    f1 = "f1"


class InitSubwords(enum.Enum):
    """Which subwords a run has that starts from another run's weights."""

    old = "old"
    new = "new"


class Device(enum.Enum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


DEVICE_HELP = "auto (CUDA where there is one), cpu or cuda"


class Precision(enum.Enum):
    """The floating-point type of matrix products; weights, sums and losses are always fp32."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


class Measures(NamedTuple):
    """What runs of a task are measured by; scores by their names in files, with the names that people read.

    Attributes:
        dev: scores of a validation, besides the loss and its perplexity; each is a stop metric too.
        test: scores of the test set with which training ends.
        loss_unit: what a loss is a mean over, and speed is counted in.
    """

    dev: dict[str, str]
    test: dict[str, str]
    loss_unit: str


MEASURES_OF = {
    Task.translate: Measures({"bleu": "BLEU"}, {"bleu": "BLEU", "chrf": "chrF"}, "target token"),
    Task.classify: Measures(
        {"accuracy": "accuracy", "f1": "F1"},
        {"accuracy": "accuracy", "f1": "F1", "calibration_error": "calibration error"},
        "text",
    ),
}
_MODEL_OPTIONS_OF = {
    Task.translate: ("input_feeding", "target_word_dropout", "tie"),
    Task.classify: ("pooling",),
}
"""Those that another task has no use for."""


@dataclass
class TrainingConfig(Options):
    """How long to train, and what to do on the way."""

    batch_tokens: FittedInt = option(
        1000,
        "budget of a batch: sentences times longest sentence, in pieces; null: fits the text",
        low=1,
        high=1_000_000_000,
    )
    batch_size: int | None = option(
        None, "most sentences of a batch; left out: batch_tokens alone limits it", low=1, high=1_000_000
    )
    accumulate: int = option(1, "batches whose gradients make up one update of the weights", low=1, high=1_000_000)
    max_steps: FittedInt = option(100_000, "updates of the weights; null: fits the text", low=1, high=1_000_000_000)
    max_epochs: int | None = option(None, "passes over the training text; left out: no limit", low=1, high=1_000_000)
    max_minutes: float | None = option(
        None, "minutes of training, validation included, over all starts", low=0, high=1_000_000_000
    )
    max_pieces: int = option(
        256, "training pairs with a longer side are left out; labelled texts are cut", low=2, high=1_000_000
    )
    log_every: int = option(50, "steps between two lines of training metrics", low=1, high=1_000_000_000)
    validate_every: FittedInt = option(
        500, "steps between two validations; null: fits the text", low=1, high=1_000_000_000
    )
    save_every: int = option(500, "steps between two checkpoints", low=1, high=1_000_000_000)
    keep: int = option(2, "checkpoints kept in last/: the newest and those to fall back on", low=1, high=1_000_000)
    stop_metric: StopMetric = option(StopMetric.bleu, "loss, perplexity, bleu, accuracy or f1 of the dev set")
    patience: FittedInt = option(
        20, "validations without a better stop_metric before the run ends; null: fits the text", low=1, high=1_000_000
    )
    max_bad_steps: int = option(
        10, "steps in a row whose loss or gradient is not finite, before an error", low=0, high=1_000_000
    )
    reset_optimizer: bool = option(
        False, "allow other options under optim when resuming; if any differ, optimizer and schedule begin anew"
    )
    tensorboard: bool = option(False, "write the metrics as TensorBoard events too (needs the extra s2s[tensorboard])")


@dataclass
class Config(Options):
    """Everything that a training run is made of."""

    task: Task = option(Task.translate, "translate, or classify (labels of texts; needs data=labelled)")
    run: str = option(
        "",
        "folder of the run, which continues if it was stopped; left out: runs/DATA-MODEL, or named after your files",
        takes=Takes.run,
    )
    seed: int = option(1, "seed of data, weights, order and dropout", low=0, high=LARGEST_SEED)
    device: Device = option(Device.auto, DEVICE_HELP)
    precision: Precision = option(Precision.auto, "auto (bf16 where the hardware is fast at it), fp32 or bf16")
    data: DataConfig = field(default_factory=DataConfig)
    subwords: SubwordsConfig = field(default_factory=SubwordsConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    init_from: str | None = option(
        None, "folder of a run whose weights this new run starts from (fine-tuning)", takes=Takes.run
    )
    init_subwords: InitSubwords = option(
        InitSubwords.old, "init_from: that run's subwords (old), or learnt from the new text (new)"
    )

    def check(self) -> None:
        task, metrics = self.task, ("loss", "perplexity", *MEASURES_OF[self.task].dev)
        if (task is Task.classify) != (self.data.corpus is Corpus.labelled):
            raise ConfigError(
                "task=classify and data=labelled belong together, but "
                f"task={task.name} and data={self.data.corpus.name} were given"
            )
        for other, names in _MODEL_OPTIONS_OF.items():
            for name in names:
                if other is not task and getattr(self.model, name) != getattr(ModelConfig, name):
                    raise ConfigError(
                        f"model.{name} belongs to task={other.name}, not to task={task.name}; leave it out"
                    )
        if self.training.stop_metric.name not in metrics:
            raise ConfigError(
                f"training.stop_metric={self.training.stop_metric.name} does not belong to task={task.name}, which "
                f"has {', '.join(metrics)}"
            )
        if self.model.pooling is Pooling.attention and self.model.attention is AttentionScore.none:
            raise ConfigError("model.pooling=attention needs model.attention=dot, general or additive, not none")
        if self.model.tie is Tie.all and not self.subwords.shared:
            raise ConfigError("model.tie=all needs one vocabulary: set subwords.shared=true or model.tie=output")
        if self.init_subwords is InitSubwords.new and self.init_from is None:
            raise ConfigError(
                "init_subwords=new belongs to init_from=RUN, which is not given; a new run learns its own"
            )
