"""TODO: say what s2s.config.training is."""

import enum
from dataclasses import dataclass, field
from typing import NamedTuple

from s2s.config.data import Corpus, DataConfig, SubwordsConfig
from s2s.config.model import AttentionScore, ModelConfig, Pooling, Tie
from s2s.config.options import option
from s2s.config.search import SearchConfig
from s2s.errors import ConfigError


class Task(enum.Enum):
    """What a run learns."""

    translate = "translate"
    classify = "classify"


class Schedule(enum.Enum):
    """How the learning rate moves after warm-up."""

    constant = "constant"
    inverse_sqrt = "inverse_sqrt"
    cosine = "cosine"
    plateau = "plateau"


class Optimizer(enum.Enum):
    """The rule by which gradients move weights."""

    adam = "adam"
    adamw = "adamw"
    sgd = "sgd"


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
        unit: what a loss is a mean over, and speed is counted in.
    """

    dev: dict[str, str]
    test: dict[str, str]
    unit: str


MEASURES_OF = {
    Task.translate: Measures({"bleu": "BLEU"}, {"bleu": "BLEU", "chrf": "chrF"}, "target token"),
    Task.classify: Measures(
        {"accuracy": "accuracy", "f1": "F1"},
        {"accuracy": "accuracy", "f1": "F1", "calibration_error": "calibration error"},
        "text",
    ),
}


@dataclass
class OptimConfig:
    """How weights move."""

    optimizer: Optimizer = option(Optimizer.adam, "adam, adamw or sgd")
    learning_rate: float = option(2e-3, "highest learning rate", low=0)
    schedule: Schedule = option(Schedule.inverse_sqrt, "constant, inverse_sqrt, cosine or plateau, after warm-up")
    warmup_steps: int = option(200, "steps in which the learning rate grows linearly from 0", low=0)
    decay_steps: int | None = option(
        None, "cosine: step at which the learning rate has fallen to 0; left out: training.max_steps", low=1
    )
    plateau_factor: float = option(0.5, "plateau: factor after validations without a better loss", low=0, high=1)
    plateau_patience: int = option(1, "plateau: validations without a better loss to wait", low=0)
    adam_beta1: float = option(0.9, "decay of Adam's mean of gradients", low=0, high=0.9999)
    adam_beta2: float = option(0.998, "decay of Adam's mean of squared gradients", low=0, high=0.99999)
    momentum: float = option(0.9, "sgd: decay of the sum of gradients", low=0, high=0.9999)
    weight_decay: float = option(
        0.0, "adamw: share of a weight taken off a step, times the learning rate; adam, sgd: L2 penalty", low=0
    )
    max_grad_norm: float = option(1.0, "gradients are scaled down to this norm; 0 leaves them", low=0)
    label_smoothing: float = option(0.1, "share of the target spread evenly over the vocabulary", low=0, high=0.9)
    ema_decay: float = option(
        0.998, "decay of the average of weights that is validated and kept; 0: none", low=0, high=1
    )


@dataclass
class TrainingConfig:
    """How long to train, and what to do on the way."""

    batch_tokens: int = option(1000, "budget of a batch: sentences times longest sentence, in pieces", low=1)
    batch_size: int | None = option(None, "most sentences of a batch; left out: batch_tokens alone decides", low=1)
    accumulate: int = option(1, "batches whose gradients make up one update of the weights", low=1)
    max_steps: int = option(100_000, "updates of the weights", low=1)
    max_epochs: int | None = option(None, "passes over the training text; left out: no limit", low=1)
    max_minutes: float | None = option(None, "minutes of training, validation included, over all starts", low=0)
    max_pieces: int = option(256, "training pairs with a longer side are left out; labelled texts are cut", low=2)
    log_every: int = option(50, "steps between two lines of training metrics", low=1)
    validate_every: int = option(500, "steps between two validations", low=1)
    save_every: int = option(500, "steps between two checkpoints", low=1)
    keep: int = option(2, "checkpoints kept in last/: the newest and those to fall back on", low=1)
    stop_metric: StopMetric = option(StopMetric.bleu, "loss, perplexity, bleu, accuracy or f1 of the dev set")
    patience: int = option(20, "validations without a better stop_metric before the run ends", low=1)
    max_bad_steps: int = option(10, "steps in a row whose loss or gradient is not finite, before an error", low=0)
    reset_optimizer: bool = option(
        False, "resume with a new optimizer and schedule where options under optim have changed, which is then allowed"
    )
    tensorboard: bool = option(False, "write the metrics as TensorBoard events too (needs the extra s2s[tensorboard])")


@dataclass
class Config:
    """Everything that a training run is made of."""

    task: Task = option(Task.translate, "translate, or classify (labels of texts; needs data=labelled)")
    run: str = option("", "folder of the run; the same folder goes on where it stopped")
    seed: int = option(1, "seed of data, weights, order and dropout", low=0)
    device: Device = option(Device.auto, "auto (CUDA where there is one), cpu or cuda")
    precision: Precision = option(Precision.auto, "auto (bf16 where the hardware is fast at it), fp32 or bf16")
    data: DataConfig = field(default_factory=DataConfig)
    subwords: SubwordsConfig = field(default_factory=SubwordsConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    init_from: str | None = option(None, "folder of a run whose weights this new run starts from (fine-tuning)")
    init_subwords: InitSubwords = option(
        InitSubwords.old, "init_from: that run's subwords (old), or learnt from the new text (new)"
    )


def _check_optim(optim: OptimConfig) -> None:
    if optim.decay_steps is not None and optim.schedule is not Schedule.cosine:
        raise ConfigError(
            f"optim.decay_steps={optim.decay_steps} belongs to optim.schedule=cosine, not {optim.schedule.name}"
        )
    if optim.decay_steps is not None and optim.decay_steps <= optim.warmup_steps:
        raise ConfigError(
            f"optim.decay_steps={optim.decay_steps} must be greater than optim.warmup_steps={optim.warmup_steps}: the "
            "learning rate falls after warm-up"
        )
    if optim.optimizer is not Optimizer.sgd and optim.momentum != OptimConfig.momentum:
        raise ConfigError(
            f"optim.momentum={optim.momentum:g} belongs to optim.optimizer=sgd; {optim.optimizer.name} has "
            "optim.adam_beta1"
        )


_MODEL_OPTIONS_OF = {
    Task.translate: ("input_feeding", "target_word_dropout", "tie"),
    Task.classify: ("pooling",),
}


def _check_task(config: Config) -> None:
    """Options that another task has no use for."""
    task, metrics = config.task, ("loss", "perplexity", *MEASURES_OF[config.task].dev)
    if (task is Task.classify) != (config.data.corpus is Corpus.labelled):
        raise ConfigError(
            f"task=classify and data=labelled belong together, but task={task.name} and data={config.data.corpus.name} "
            "were given"
        )
    for other, names in _MODEL_OPTIONS_OF.items():
        for name in names:
            if other is not task and getattr(config.model, name) != getattr(ModelConfig(), name):
                raise ConfigError(f"model.{name} belongs to task={other.name}, not to task={task.name}; leave it out")
    if config.training.stop_metric.name not in metrics:
        raise ConfigError(
            f"training.stop_metric={config.training.stop_metric.name} does not belong to task={task.name}, which has "
            f"{', '.join(metrics)}"
        )
    if config.model.pooling is Pooling.attention and config.model.attention is AttentionScore.none:
        raise ConfigError("model.pooling=attention needs model.attention=dot, general or additive, not none")


def _check_whole(config: Config) -> None:
    _check_task(config)
    data = config.data
    if data.dev_share is not None and (data.dev or data.corpus not in (Corpus.files, Corpus.labelled)):
        raise ConfigError(
            "data.dev_share cuts a dev set out of files of your own; there is one already: add data.dev_share=null"
        )
    if config.model.tie is Tie.all and not config.subwords.shared:
        raise ConfigError("model.tie=all needs one vocabulary: set subwords.shared=true or model.tie=output")
    if config.init_subwords is InitSubwords.new and config.init_from is None:
        raise ConfigError("init_subwords=new belongs to init_from=RUN, which is not given; a new run learns its own")
