"""Every option of s2s: its name, type, default, unit and allowed range.

One dataclass a group. YAML files under conf/ choose values; nothing there introduces a name. `cli/`, functions called
`build_...`, the trainer and the translator take these objects; all other code takes plain sizes and values.

A field's `doc` metadata is its help text, and `low`/`high` its allowed range (both ends included).
"""

import dataclasses
import enum
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf, SCMode
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from s2s.errors import ConfigError, RunError
from s2s.files import write_text


class Task(enum.Enum):
    """What a run learns."""

    translate = "translate"
    classify = "classify"


class Corpus(enum.Enum):
    """Where sentence pairs, or texts with their labels, come from."""

    phrasebook = "phrasebook"
    multi30k = "multi30k"
    files = "files"
    labelled = "labelled"


class Split(enum.Enum):
    """A part of the phrasebook; no two share a sentence, or a clause."""

    train = "train"
    dev = "dev"
    test = "test"


class SubwordKind(enum.Enum):
    """How sentencepiece finds its pieces."""

    unigram = "unigram"
    bpe = "bpe"
    word = "word"


class Cell(enum.Enum):
    """The recurrent cell of encoder and decoder."""

    rnn = "rnn"
    lstm = "lstm"
    gru = "gru"


class Score(enum.Enum):
    """How attention compares a decoder state with an encoder state."""

    dot = "dot"
    general = "general"
    additive = "additive"
    none = "none"


class Pooling(enum.Enum):
    """How a classifier makes one vector of the states of a text."""

    last = "last"
    mean = "mean"
    max = "max"
    attention = "attention"


class Tie(enum.Enum):
    """Which embedding tables are one and the same matrix."""

    none = "none"
    output = "output"
    all = "all"


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


class DecodingPrecision(enum.Enum):
    """The type of a translator's matrix products; all else is fp32."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    int8 = "int8"


class EnsembleMean(enum.Enum):
    """Which mean of several models' probabilities."""

    log_probability = "log_probability"
    probability = "probability"


class Strategy(enum.Enum):
    """How a translation is searched for."""

    greedy = "greedy"
    beam = "beam"
    sample = "sample"


class LengthNormalization(enum.Enum):
    """What a hypothesis' log probability is divided by, so that long ones stand a chance."""

    none = "none"
    average = "average"
    gnmt = "gnmt"


class OutputFormat(enum.Enum):
    """What `translate` writes for a line of input."""

    text = "text"
    moses = "moses"
    json = "json"


class Column(enum.Enum):
    """What a tab-separated field after the source asks of the translation."""

    prefix = "prefix"
    must = "must"
    avoid = "avoid"


class ExpectedUtility(enum.Enum):
    """By what minimum Bayes risk decoding compares translations."""

    none = "none"
    chrf = "chrf"
    bleu = "bleu"


class ScoreFormat(enum.Enum):
    """What `score` writes for a sentence pair."""

    text = "text"
    json = "json"


class LinkFormat(enum.Enum):
    """How a file of gold word alignments is written."""

    pharaoh = "pharaoh"
    naacl = "naacl"


class Weights(enum.Enum):
    """Which weights of a checkpoint."""

    model = "model"
    average = "average"


class ExportFormat(enum.Enum):
    """Who can read an exported model."""

    s2s = "s2s"
    onnx = "onnx"


class PictureFormat(enum.Enum):
    """What attention is drawn as."""

    png = "png"
    svg = "svg"
    pdf = "pdf"
    html = "html"


class TableFormat(enum.Enum):
    """How `gather` writes its table."""

    text = "text"
    markdown = "markdown"
    json = "json"
    tsv = "tsv"


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


def option(default: Any, doc: str, low: float | None = None, high: float | None = None) -> Any:
    """A documented dataclass field; `low` and `high` bound a number."""
    metadata = {"doc": doc, "low": low, "high": high}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass
class DataConfig:
    """Which sentence pairs, or labelled texts, to learn from."""

    corpus: Corpus = option(
        Corpus.phrasebook,
        "phrasebook (built in), multi30k (public), files (your own), or labelled (your own, for task=classify)",
    )
    source_language: str = option("ko", "language of the source; for files only a label")
    target_language: str = option("en", "language of the target; for files only a label")
    train: list[str] = option(
        [], "files: [source, target], labelled: [text, label], plain or .gz; or [one file], a tab between the two"
    )
    dev: list[str] = option([], "likewise; left out: cut from train")
    test: list[str] = option([], "likewise; left out: cut from train")
    root: str | None = option(None, "multi30k: a folder that holds its files; left out: download into the cache")
    cache: str | None = option(
        None, "folder for downloads and prepared text; left out: $S2S_CACHE, or s2s in the user's cache folder"
    )
    train_pairs: int = option(150_000, "phrasebook: distinct training pairs", low=1)
    dev_pairs: int = option(1000, "pairs of a dev set that is made or cut", low=1)
    dev_share: float | None = option(
        None, "files and labelled: share of train that is cut as dev, in place of dev_pairs", low=0.001, high=0.9
    )
    test_pairs: int = option(1000, "pairs of a test set that is made or cut", low=1)
    clean: bool = option(True, "drop bad training pairs; dev and test are never filtered")
    max_words: int = option(100, "cleaning of pairs: longest side in words", low=1)
    max_characters: int = option(600, "cleaning of pairs: longest side in characters", low=1)
    max_length_ratio: float = option(6.0, "cleaning of pairs: longest side over shortest, in UTF-8 bytes", low=1)


@dataclass
class SubwordsConfig:
    """How text is cut into pieces."""

    kind: SubwordKind = option(
        SubwordKind.unigram, "unigram, bpe, or word (the most frequent words, uncut; a run of others is one <unk>)"
    )
    shared: bool = option(True, "one vocabulary for both languages")
    vocabulary_size: int = option(8000, "pieces of each vocabulary; lowered where the corpus has fewer", low=8)
    character_coverage: float = option(0.9995, "share of the training characters that get a piece", low=0.9, high=1)
    sampling: bool = option(False, "cut training text anew, at random, every time it is read (subword regularisation)")
    sampling_alpha: float = option(
        0.1, "sampling: unigram, sharpness (0: all cuts alike); bpe, share of merges left out", low=0, high=1
    )


@dataclass
class ModelConfig:
    """Sizes of the network."""

    cell: Cell = option(Cell.lstm, "rnn (tanh), lstm or gru")
    layers: int = option(1, "recurrent layers of encoder and decoder each", low=1)
    embedding_size: int = option(256, "units of a word embedding", low=1)
    hidden_size: int = option(512, "units of a decoder state and of an encoder state (both directions together)", low=2)
    bidirectional: bool = option(True, "the encoder reads in both directions, half of hidden_size each")
    dropout: float = option(0.2, "share of embeddings, layer outputs and attentional states dropped", low=0, high=0.95)
    embedding_dropout: float | None = option(None, "of embeddings; left out: model.dropout", low=0, high=0.95)
    layer_dropout: float | None = option(
        None, "of recurrent layers' outputs; left out: model.dropout", low=0, high=0.95
    )
    output_dropout: float | None = option(None, "of attentional states; left out: model.dropout", low=0, high=0.95)
    locked_dropout: bool = option(False, "drop the same units at all positions of a sentence (variational dropout)")
    source_word_dropout: float = option(0.0, "share of source pieces read as <unk> in training", low=0, high=0.95)
    target_word_dropout: float = option(0.0, "share of target pieces read as <unk> in training", low=0, high=0.95)
    residual: bool = option(False, "add a layer's input to its output, from the second layer on")
    attention: Score = option(Score.dot, "dot, general, additive, or none (the last vector holds everything)")
    scale_attention: bool = option(False, "divide dot-product scores by the square root of hidden_size")
    input_feeding: bool = option(False, "feed the last attentional state into the next step (a slow step loop)")
    tie: Tie = option(Tie.none, "none, output (decoder embedding = output layer), all (encoder embedding too)")
    pooling: Pooling = option(
        Pooling.last, "classifier: the last state, the mean or max of all, or attention, with which the last one asks"
    )

    @property
    def dropout_rates(self) -> tuple[float, float, float]:
        """Of embeddings, layer outputs, and what the output layer reads."""
        given = self.embedding_dropout, self.layer_dropout, self.output_dropout
        embedding, layer, output = (self.dropout if rate is None else rate for rate in given)
        return embedding, layer, output


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
    tensorboard: bool = option(False, "write the metrics as TensorBoard events too (needs the extra s2s[tensorboard])")


@dataclass
class ResumeConfig:
    """What may be done to a run that goes on."""

    reset_optimizer: bool = option(
        False, "begin anew with the optimizer and its schedule, so that options under optim may change"
    )


@dataclass
class SearchConfig:
    """How a translation is searched for and written."""

    strategy: Strategy = option(Strategy.beam, "greedy, beam, or sample (words drawn at random)")
    beam_size: int = option(5, "hypotheses kept a sentence", low=1)
    length_normalization: LengthNormalization = option(
        LengthNormalization.average,
        "a score is the log probability over length ** p (average), ((5 + length) / 6) ** p (gnmt), or 1 (none)",
    )
    length_penalty: float = option(1.0, "the exponent p of length_normalization", low=0)
    word_reward: float = option(0.0, "nats added to a score a piece", low=0)
    coverage_penalty: float = option(0.0, "weight of what is taken off for source pieces hardly looked at", low=0)
    min_length: int = option(0, "shortest translation, in pieces", low=0)
    min_length_factor: float = option(
        0.0, "shortest translation: factor * source pieces, in pieces; `</s>` does not count", low=0
    )
    max_length: int | None = option(
        None, "longest translation at all, in pieces, `</s>` included; left out: no limit but the next", low=1
    )
    max_length_factor: float = option(
        2.0,
        "longest translation: factor * source pieces (or those of a prefix, if more) + offset, in pieces; "
        "`</s>` counts on both sides",
        low=0,
    )
    max_length_offset: int = option(20, "see max_length_factor", low=1)
    no_repeat_ngram: int = option(0, "no piece sequence of this length occurs twice; 0: any may", low=0)
    avoid: list[str] = option([], "words that must not occur, nor begin a longer word (two + fold) as its first pieces")
    must: list[str] = option([], "words that must occur")
    diverse_groups: int = option(1, "groups that the beam is divided into, each kept from saying the same", low=1)
    diversity_strength: float = option(
        0.5, "diverse_groups: nats taken off a word for each hypothesis of an earlier group that says it too", low=0
    )
    temperature: float = option(1.0, "sample: below 1 likely words become likelier, above 1 less so", low=0.01)
    top_k: int = option(0, "sample: only from so many likeliest words; 0: from all", low=0)
    top_p: float = option(
        1.0, "sample: only from the likeliest words that have this probability together", low=0, high=1
    )
    seed: int = option(1, "sample: same seed, same line number, same samples", low=0)
    max_source_pieces: int = option(512, "longer source lines are cut, with a warning", low=1)
    batch_size: int = option(64, "sentences translated at once", low=1)
    num_best: int = option(
        1, "translations (sample: samples) a line; more than one needs format=moses, format=json or mbr", low=1
    )
    mbr: ExpectedUtility = option(
        ExpectedUtility.none,
        "rank the num_best translations by their mean chrf or bleu against each other",
    )
    replace_unknown: bool = option(
        False, "allow <unk> where the model knows no better, and write the source word there that it looked at most"
    )
    alignments: bool = option(False, "write links `i-j` between source and target words, from attention")
    format: OutputFormat = option(
        OutputFormat.text, "text, moses (`id ||| text ||| features ||| score`) or json (an object a line)"
    )
    columns: list[Column] = option(
        [], "tab-separated fields after the source: prefix (how the translation begins), must, avoid (words, WORD|WORD)"
    )
    workers: int | None = option(
        None,
        "processes, one only on a GPU; left out: one, or one a core for much input (not under torchrun)",
        low=1,
    )


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
    resume: ResumeConfig = field(default_factory=ResumeConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    init_from: str | None = option(None, "folder of a run whose weights this new run starts from (fine-tuning)")
    init_subwords: InitSubwords = option(
        InitSubwords.old, "init_from: that run's subwords (old), or learnt from the new text (new)"
    )


def _folders(run: Any) -> list[str]:
    """One folder or a list of them, as a list."""
    return [str(name) for name in (run if isinstance(run, list) else [run])]


@dataclass
class ScoredData:
    """Which pairs to score instead of the run's own test set."""

    test: list[str] = option([], "[source, target], plain or .gz; left out: the run's own test set")
    testset: str | None = option(None, "one of sacrebleu's own test sets instead, such as wmt17 (in $SACREBLEU)")
    language_pair: str | None = option(None, "testset: its source and target language, such as en-de")


@dataclass
class SignificanceConfig:
    """How sure scores, and differences between runs, are."""

    confidence: bool = option(False, "a single run: 95% confidence intervals too; runs that are compared have them")
    bootstrap_samples: int = option(1000, "test sets drawn: confidence intervals and p-values", low=100)
    randomization_samples: int = option(10_000, "pairs of systems with lines swapped at random: p-values", low=100)
    seed: int = option(12345, "of both", low=1)


@dataclass
class EvaluateConfig:
    """Options of `evaluate`."""

    run: Any = option("???", "folder of a trained run; or [FOLDER,FOLDER]: they are compared to the first")
    device: Device = option(Device.auto, "auto (CUDA where there is one), cpu or cuda")
    precision: DecodingPrecision = option(
        DecodingPrecision.auto,
        "fp32 (also auto), bf16 or int8, which round, and are faster where the processor has them",
    )
    data: ScoredData = field(default_factory=ScoredData)
    search: SearchConfig = field(default_factory=SearchConfig)
    significance: SignificanceConfig = field(default_factory=SignificanceConfig)
    output: str | None = option(None, "folder for the hypotheses; left out: RUN/evaluation")

    @property
    def runs(self) -> list[str]:
        """The folders, also where there is one."""
        return _folders(self.run)


@dataclass
class ReportConfig(EvaluateConfig):
    """Options of `report`: those of `evaluate`, plus what the page shows."""

    output: str | None = option("report.html", "the page")
    scores: bool = option(True, "translate and score a text; false: only what the run folders tell")
    samples: int = option(8, "translations shown side by side", low=0)


@dataclass
class TranslateConfig:
    """Options of `translate`."""

    run: Any = option("???", "folder of a trained run; or [FOLDER,FOLDER]: they vote, and have the same subwords")
    ensemble: EnsembleMean = option(
        EnsembleMean.log_probability, "several runs: mean of log_probability or of probability"
    )
    device: Device = option(Device.auto, "auto (CUDA where there is one), cpu or cuda")
    precision: DecodingPrecision = option(
        DecodingPrecision.auto,
        "fp32 (also auto), bf16 or int8, which round, and are faster where the processor has them",
    )
    input: str | None = option(None, "file to translate, plain or .gz; left out: standard input")
    output: str | None = option(
        None, "new file for the translations, complete or absent; a stopped job goes on; left out: standard output"
    )
    search: SearchConfig = field(default_factory=SearchConfig)

    @property
    def runs(self) -> list[str]:
        """The folders, also where there is one."""
        return _folders(self.run)


@dataclass
class GivenTexts:
    """Which labelled texts to judge."""

    test: list[str] = option(
        [],
        "[text, label], plain or .gz, or [one file], a tab between the two; left out: standard input is labelled",
    )


@dataclass
class ClassifyConfig:
    """Options of `classify`."""

    run: str = option("???", "folder of a run trained with task=classify")
    device: Device = option(Device.auto, "auto (CUDA where there is one), cpu or cuda")
    data: GivenTexts = field(default_factory=GivenTexts)
    batch_size: int = option(64, "texts labelled at once", low=1)
    output: str | None = option(None, "data.test: folder for pictures; left out: RUN/evaluation")


@dataclass
class GivenPairs:
    """Which sentence pairs to read."""

    test: list[str] = option(
        [], "[source, target], plain or .gz; left out: standard input, a source, a tab and a target a line"
    )


@dataclass
class ForcedConfig:
    """Options of commands in which a model reads given translations."""

    device: Device = option(Device.auto, "auto (CUDA where there is one), cpu or cuda")
    data: GivenPairs = field(default_factory=GivenPairs)
    batch_tokens: int = option(2000, "budget of a batch: pairs times longest side, in pieces", low=1)
    max_pieces: int = option(512, "longer sides are cut, with a warning", low=1)


@dataclass
class ScoreConfig(ForcedConfig):
    """Options of `score`."""

    run: str = option("???", "folder of a trained run")
    format: ScoreFormat = option(ScoreFormat.text, "text (the log probability) or json (of every piece too)")


@dataclass
class AlignConfig(ForcedConfig):
    """Options of `align`: one of run, diagonal and hypotheses says where the links come from."""

    run: str | None = option(None, "folder of a trained run, whose attention links the words")
    diagonal: bool = option(False, "link words at the same place of their sentences: a baseline without a model")
    hypotheses: str | None = option(None, "file of links, Pharaoh `i-j`, zero-based, to be scored against gold")
    threshold: float | None = option(
        None, "run: link all source words of at least this weight; left out: the one of the largest", low=1e-9, high=1
    )
    gold: str | None = option(None, "file of gold links: precision, recall and AER are written instead of links")
    gold_format: LinkFormat = option(
        LinkFormat.pharaoh, "pharaoh (`i-j` sure, `ipj` possible) or naacl (a link a line)"
    )
    gold_base: int = option(0, "pharaoh: number of the first word in the gold file", low=0, high=1)
    gold_reversed: bool = option(False, "target words stand first in the gold file")


@dataclass
class AttentionConfig:
    """Options of `attention`."""

    run: str = option("???", "folder of a trained run")
    device: Device = option(Device.auto, "auto (CUDA where there is one), cpu or cuda")
    text: str | None = option(None, "a sentence, taken as it stands; left out: input")
    target: str | None = option(None, "text: its translation, taken as it stands; left out: the model's own")
    input: str | None = option(
        None,
        "file, plain or .gz: a sentence a line, or a sentence, a tab and its translation; left out: standard input",
    )
    step: int | None = option(
        None, "text: print the six steps of this step of the decoder, with their numbers, and draw nothing", low=1
    )
    output: str | None = option(None, "folder of the pictures; left out: RUN/attention")
    formats: list[PictureFormat] = option(
        [PictureFormat.png, PictureFormat.svg, PictureFormat.html],
        "png, svg, pdf: a picture a sentence (need the extra s2s[plots]); html: one page for all of them",
    )
    ends: bool = option(True, "show </s>, the end of a sentence, too; without, what looks there is missing")
    pieces: bool = option(False, "a row and a column a subword piece instead of a word")
    most: int = option(20, "sentences drawn; of more, the rest is left out with a warning", low=1)
    search: SearchConfig = field(default_factory=SearchConfig)


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
    cells: list[Cell] = option([Cell.rnn, Cell.lstm, Cell.gru], "cells to measure, in place of model.cell")
    precisions: list[Precision] = option([Precision.fp32, Precision.bf16], "in place of precision")
    input_feeding: list[bool] = option([False, True], "in place of model.input_feeding")
    steps: int = option(20, "steps or batches measured in each round", low=1)
    rounds: int = option(3, "rounds, the median of which is printed", low=1)
    untrained: bool = option(False, "decode: a model with random weights, in place of that in run; `</s>` comes late")
    strategies: list[Strategy] = option([Strategy.greedy, Strategy.beam], "decode: in place of search.strategy")
    batch_sizes: list[int] = option([1, 8, 64, 256], "decode: in place of search.batch_size")
    decoding_precisions: list[DecodingPrecision] = option(
        [DecodingPrecision.fp32, DecodingPrecision.bf16, DecodingPrecision.int8], "decode: those the processor has"
    )
    processes: list[int] = option([], "decode: numbers of processes; left out: 1, and one a core")
    lines: int = option(1000, "decode: test lines, or 100 a sentence of the batch where that is less", low=1)
    output: str | None = option(None, "curve: a picture to draw, .png, .svg or .pdf (needs the extra s2s[plots])")


@dataclass
class AverageConfig:
    """Options of `average`."""

    run: str = option("???", "folder of a trained run; it is only read")
    output: str = option("???", "new folder for a run that translates with the averaged weights")
    last: int = option(5, "newest checkpoints whose mean is taken; training.keep says how many there are", low=1)
    what: Weights = option(Weights.model, "model (weights as trained) or average (their moving averages)")


@dataclass
class ExportConfig:
    """Options of `export`."""

    run: str = option("???", "folder of a trained run; it is only read")
    output: str = option("???", "new folder for the model")
    format: ExportFormat = option(
        ExportFormat.s2s,
        "s2s (a run folder with only what translating needs), or onnx (graphs for other programs; needs the extra "
        "s2s[export])",
    )


@dataclass
class GatherConfig:
    """Options of `gather`."""

    runs: Any = option("???", "a folder, or [FOLDER,FOLDER]: all runs in it and below it are compared")
    format: TableFormat = option(TableFormat.text, "text, markdown, json or tsv")


@dataclass
class GradientsConfig:
    """Options of `gradients`."""

    runs: Any = option(
        None,
        "a folder, or [FOLDER,FOLDER]: measure the encoders of all runs in it and below it on their own test sets; "
        "left out: small new models",
    )
    lengths: list[int] = option([10, 25, 50, 100, 200, 400], "pieces of the sequences, from 2 to 500")
    batches: int = option(8, "batches of each length; the spread is over them", low=1)
    batch_size: int = option(16, "sequences of a batch", low=1)
    hidden_size: int = option(64, "new models: units of the embedding and of the recurrent layer", low=1)
    steps: int = option(300, "new models: updates between the pictures at initialisation and after training", low=1)
    scale: float = option(2.0, "new models: factor of the recurrent weights that are scaled up", low=0, high=4)
    max_grad_norm: float = option(1.0, "new models: norm to which clipping scales gradients down", low=1e-6)
    seed: int = option(1, "of weights and text", low=0)
    output: str | None = option("gradients.png", "picture, .png, .svg or .pdf (needs the extra s2s[plots]); null: none")


@dataclass
class MemoryConfig:
    """Options of `memory`."""

    cells: list[Cell] = option([Cell.rnn, Cell.lstm, Cell.gru], "cells of models without attention")
    attention_cells: list[Cell] = option([Cell.rnn], "cells of models with dot-product attention")
    distances: list[int] = option([1, 3, 10, 30, 100], "fillers between a word and its copy, from 1 to 1000")
    word_length: int = option(2, "letters of a word, out of 10", low=1)
    hidden_size: int = option(64, "units of a state; half of them in an embedding", low=2)
    steps: int = option(2000, "updates of each model", low=1)
    batch_size: int = option(32, "words of a batch", low=1)
    seeds: int = option(1, "models trained for each kind and distance; the spread is over them", low=1)
    output: str | None = option("memory.png", "picture, .png, .svg or .pdf (needs the extra s2s[plots]); null: none")


@dataclass
class LengthsConfig:
    """Options of `lengths`."""

    runs: Any = option("???", "a folder, or [FOLDER,FOLDER]: all runs in it and below it are scored on one test set")
    edges: list[int] | None = option(
        None, "words at which a new group of lengths begins, ascending; null: about five groups of equally many lines"
    )
    device: Device = option(Device.auto, "auto (CUDA where there is one), cpu or cuda")
    precision: DecodingPrecision = option(
        DecodingPrecision.auto,
        "fp32 (also auto), bf16 or int8, which round, and are faster where the processor has them",
    )
    data: ScoredData = field(default_factory=ScoredData)
    search: SearchConfig = field(default_factory=SearchConfig)
    bootstrap_samples: int = option(300, "test sets drawn, for the 95% confidence intervals", low=100)
    seed: int = option(12345, "of them", low=1)
    output: str | None = option("lengths.png", "picture, .png, .svg or .pdf (needs the extra s2s[plots]); null: none")


class Direction(enum.Enum):
    """Which half of a bidirectional encoder."""

    forwards = "forwards"
    backwards = "backwards"


@dataclass
class GatesConfig:
    """Options of `gates`."""

    run: str = option("???", "folder of a trained lstm or gru run")
    text: str = option("???", "sentence that its encoder reads")
    layer: int = option(1, "of the encoder, from 1", low=1)
    direction: Direction = option(Direction.forwards, "forwards or backwards, in which the layer reads")
    units: list[int] = option([], "units to draw, from 0; left out: those at both ends by mean gate")
    num_units: int = option(8, "units of the largest mean gate, and of the smallest, to draw and to print", low=1)
    lines: int = option(200, "sentences of the run's test set over which gates are averaged; 0: only over text", low=0)
    output: str | None = option("gates.png", "picture, .png, .svg or .pdf (needs the extra s2s[plots]); null: none")


@dataclass
class PhrasebookConfig:
    """Options of `phrasebook`."""

    output: str = option("???", "folder for the files SPLIT.ko, SPLIT.en and SPLIT.align")
    pairs: int = option(150_000, "distinct pairs", low=1)
    split: Split = option(Split.train, "train, dev or test: they share no clause")
    seed: int = option(1, "of the pairs; those that data=phrasebook has with this seed", low=0)
    alignments: bool = option(True, "write word alignments too, as Pharaoh `i-j`, zero-based, over words")


def check(config: Any, prefix: str = "") -> None:
    """Check every number against its range, and combinations against sense.

    Raises:
        ConfigError: naming the option, what is allowed, and what came.
    """
    for item in dataclasses.fields(config):
        value, name = getattr(config, item.name), prefix + item.name
        if dataclasses.is_dataclass(value):
            check(value, f"{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            _check_range(name, value, item.metadata.get("low"), item.metadata.get("high"))
    for rule in _RULES.get(type(config), ()):
        rule(config)


def _check_range(name: str, value: float, low: float | None, high: float | None) -> None:
    if not math.isfinite(value) or (low is not None and value < low) or (high is not None and value > high):
        allowed = f"at least {low:g}" if high is None else f"between {low:g} and {high:g}"
        raise ConfigError(f"{name} must be {allowed}, but is {value:g}")


def _check_data(data: DataConfig) -> None:
    is_own = data.corpus in (Corpus.files, Corpus.labelled)
    sides = "TEXT_FILE,LABEL_FILE" if data.corpus is Corpus.labelled else "SOURCE_FILE,TARGET_FILE"
    if is_own and not data.train:
        raise ConfigError(f"data={data.corpus.name} needs data.train=[{sides}]; nothing was given")
    if not is_own and (data.train or data.dev or data.test):
        raise ConfigError(
            f"data.train, data.dev and data.test belong to data=files and data=labelled, not to data={data.corpus.name}"
        )
    for name in ("train", "dev", "test"):
        if len(getattr(data, name)) > 2:
            raise ConfigError(
                f"data.{name} must be [{sides}], or [FILE] with a tab between the two, but has "
                f"{len(getattr(data, name))} entries"
            )
    if data.corpus is Corpus.multi30k and data.source_language == data.target_language:
        raise ConfigError(f"data.source_language and data.target_language are both {data.source_language}")


def _check_texts(data: GivenTexts) -> None:
    if len(data.test) > 2:
        raise ConfigError(
            f"data.test must be [TEXT_FILE,LABEL_FILE], or [FILE] with a tab between the two, but has "
            f"{len(data.test)} entries"
        )


def _check_classify(config: ClassifyConfig) -> None:
    if config.output is not None and not config.data.test:
        raise ConfigError(f"output={config.output} is for the pictures of data.test, which is not given")


def _check_pair(name: str, files: list[str]) -> None:
    if len(files) not in (0, 2):
        raise ConfigError(f"{name} must be [SOURCE_FILE,TARGET_FILE], but has {len(files)} entries")


def _check_model(model: ModelConfig) -> None:
    if model.bidirectional and model.hidden_size % 2:
        raise ConfigError(
            f"model.hidden_size must be even for a bidirectional encoder, but is {model.hidden_size}; "
            "change it or set model.bidirectional=false"
        )
    if model.input_feeding and model.attention is Score.none:
        raise ConfigError("model.input_feeding=true feeds the attentional state back, which model.attention=none lacks")
    if model.scale_attention and model.attention is not Score.dot:
        raise ConfigError(f"model.scale_attention=true belongs to model.attention=dot, not {model.attention.name}")


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


def _check_search(search: SearchConfig) -> None:
    if search.strategy is Strategy.greedy and search.num_best > 1:
        raise ConfigError(
            f"search=greedy finds one translation; search.num_best={search.num_best} needs search=beam or search=sample"
        )
    if search.strategy is Strategy.beam and search.num_best > search.beam_size:
        raise ConfigError(f"search.num_best={search.num_best} needs search.beam_size of at least as much")
    for rule in (_check_strategy, _check_ranking, _check_lengths, _check_groups, _check_words, _check_written):
        rule(search)


def _check_written(search: SearchConfig) -> None:
    """What is read and written for a line."""
    is_one = search.format is OutputFormat.text and search.mbr is ExpectedUtility.none
    if search.num_best > 1 and is_one:
        raise ConfigError(
            f"search.num_best={search.num_best} with search.format=text would break `a line in, a line out`; "
            "add search.format=moses or search.format=json, or search.mbr=chrf, which chooses one of them"
        )
    if search.mbr is not ExpectedUtility.none and search.num_best == 1:
        raise ConfigError(
            f"search.mbr={search.mbr.name} chooses among several translations: add search.num_best=20 or so"
        )
    names = [column.name for column in search.columns]
    if len(names) > len(set(names)):
        raise ConfigError(f"search.columns=[{','.join(names)}] must name each column once")
    if Column.must in search.columns and (search.strategy is not Strategy.beam or search.diverse_groups > 1):
        raise ConfigError("search.columns with must needs search=beam, undivided (search.diverse_groups=1)")


def _check_strategy(search: SearchConfig) -> None:
    """Options that another strategy has no use for."""
    for name in ("temperature", "top_k", "top_p", "seed"):
        if search.strategy is not Strategy.sample:
            _refuse_change(search, name, f"belongs to search=sample, not to search={search.strategy.name}")
    for name in ("must", "diverse_groups"):
        if search.strategy is not Strategy.beam:
            _refuse_change(search, name, f"needs a beam: it belongs to search=beam, not to {search.strategy.name}")
    for name in ("word_reward", "coverage_penalty"):
        if search.strategy is Strategy.greedy:
            _refuse_change(search, name, "ranks hypotheses, and search=greedy has only one; it needs search=beam")


def _refuse_change(search: SearchConfig, name: str, reason: str) -> None:
    """Refuse an option that is not left at its default."""
    value = getattr(search, name)
    if value != getattr(SearchConfig(), name):
        text = f"{value:g}" if isinstance(value, float) else f"[{','.join(value)}]" if name == "must" else value
        raise ConfigError(f"search.{name}={text} {reason}")


def _check_ranking(search: SearchConfig) -> None:
    if search.length_normalization is LengthNormalization.none:
        _refuse_change(search, "length_penalty", "is an exponent, which search.length_normalization=none lacks")


def _check_lengths(search: SearchConfig) -> None:
    if search.max_length is not None and search.min_length > search.max_length:
        raise ConfigError(f"search.min_length={search.min_length} is more than search.max_length={search.max_length}")
    if search.min_length_factor > search.max_length_factor:
        raise ConfigError(
            f"search.min_length_factor={search.min_length_factor:g} is more than "
            f"search.max_length_factor={search.max_length_factor:g}"
        )


def _check_groups(search: SearchConfig) -> None:
    if search.diverse_groups == 1:
        _refuse_change(search, "diversity_strength", "is for search.diverse_groups of 2 and more")
    elif search.beam_size % search.diverse_groups:
        raise ConfigError(
            f"search.beam_size={search.beam_size} cannot be divided into search.diverse_groups={search.diverse_groups} "
            "equal groups; choose a multiple"
        )
    elif search.must:
        raise ConfigError("search.must and search.diverse_groups divide the beam in two ways; leave one of them out")


def _check_words(search: SearchConfig) -> None:
    for name in ("avoid", "must"):
        if not all(word.strip() for word in getattr(search, name)):
            raise ConfigError(f"search.{name} must be [WORD,WORD], but has a blank word")
    both = sorted({word.strip() for word in search.avoid} & {word.strip() for word in search.must})
    if both:
        raise ConfigError(f"{both[0]} must not occur (search.avoid) and must occur (search.must); leave one out")


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
    if config.model.pooling is Pooling.attention and config.model.attention is Score.none:
        raise ConfigError("model.pooling=attention needs model.attention=dot, general or additive, not none")


def _check_subwords(subwords: SubwordsConfig) -> None:
    if subwords.sampling and subwords.kind is SubwordKind.word:
        raise ConfigError("subwords.sampling=true cuts words in other ways, and subwords.kind=word cuts none")


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


def _check_translate(config: TranslateConfig) -> None:
    _check_folders("run", config.run)
    if len(config.runs) == 1 and config.ensemble is not EnsembleMean.log_probability:
        raise ConfigError(f"ensemble={config.ensemble.name} is a mean of several runs: run=[FOLDER,FOLDER]")
    if config.output is not None and config.output.endswith(".gz"):
        raise ConfigError(f"output={config.output} is written as plain text: choose a name without .gz")


def _check_bench(config: BenchConfig) -> None:
    _check_whole(config)
    if config.output is not None and config.measure is not BenchTask.curve:
        raise ConfigError(
            f"output={config.output} is the picture of measure=curve, not of measure={config.measure.name}"
        )
    if config.task is not Task.translate:
        raise ConfigError(
            f"bench measures the training of translators: expected task=translate, got {config.task.name}"
        )
    for name in ("batch_sizes", "processes"):
        if any(number < 1 for number in getattr(config, name)):
            raise ConfigError(f"{name} must be numbers from 1, but is {getattr(config, name)}")


def _check_scored(data: ScoredData) -> None:
    _check_pair("data.test", data.test)
    if data.test and data.testset is not None:
        raise ConfigError(f"data.test and data.testset={data.testset} are two test sets; give one of them")
    if (data.testset is None) != (data.language_pair is None):
        raise ConfigError("data.testset=NAME and data.language_pair=SOURCE-TARGET belong together; one is missing")


def _check_evaluate(config: EvaluateConfig) -> None:
    _check_folders("run", config.run)
    _check_scoring_search(config.search)


def _check_scoring_search(search: SearchConfig) -> None:
    if search.columns:
        raise ConfigError("search.columns belongs to translate: a test set holds a sentence a line and nothing else")


def _check_folders(name: str, given: Any) -> None:
    folders = given if isinstance(given, list) else [given]
    # Hydra reads a folder called 2025 as a number.
    if not folders or not all(isinstance(folder, str | int | float) and folder != "" for folder in folders):
        raise ConfigError(f"{name} must be a folder or [FOLDER,FOLDER], but is {given!r}")


def _is_ascending(numbers: list[int], low: int, high: float = math.inf) -> bool:
    """Whether there are some, each larger than the one before it, and all of them in this range."""
    return bool(numbers) and numbers == sorted(set(numbers)) and low <= numbers[0] and numbers[-1] <= high


def _check_gradients(config: GradientsConfig) -> None:
    if not _is_ascending(config.lengths, 2, 500):
        raise ConfigError(f"lengths must be ascending numbers from 2 to 500, such as [10,100], but is {config.lengths}")
    if config.runs is not None:
        _check_folders("runs", config.runs)


def _check_memory(config: MemoryConfig) -> None:
    if not _is_ascending(config.distances, 1, 1000):
        raise ConfigError(
            f"distances must be ascending numbers from 1 to 1000, such as [10,100], but is {config.distances}"
        )
    for name in ("cells", "attention_cells"):
        names = [cell.name for cell in getattr(config, name)]
        if len(names) > len(set(names)):
            raise ConfigError(f"{name}=[{','.join(names)}] must name each cell once")
    if not config.cells and not config.attention_cells:
        raise ConfigError("cells and attention_cells are both empty: name at least one cell")


def _check_length_groups(config: LengthsConfig) -> None:
    _check_folders("runs", config.runs)
    _check_scoring_search(config.search)
    if config.edges and not _is_ascending(config.edges, 2):
        raise ConfigError(f"edges must be ascending numbers of words from 2 on, such as [10,20], but is {config.edges}")


def _check_gates(config: GatesConfig) -> None:
    if not config.text.strip():
        raise ConfigError("text must be a sentence, but is blank")


def _check_report(config: ReportConfig) -> None:
    if config.output is None:
        raise ConfigError("output must be given: output=FILE.html")
    if not config.scores and (config.data.test or config.data.testset):
        raise ConfigError("scores=false scores nothing, and has no use for data.test and data.testset; leave one out")


def _check_attention(config: AttentionConfig) -> None:
    if config.text is None:
        for name in ("target", "step"):
            if getattr(config, name) is not None:
                raise ConfigError(f"{name}={getattr(config, name)} belongs to text=SENTENCE, which is not given")
    elif config.input is not None:
        raise ConfigError(f"text and input={config.input} both say what to read; leave one of them out")
    elif not config.text.strip():
        raise ConfigError("text is blank: expected a sentence")
    if not config.formats:
        raise ConfigError("formats is empty: expected some of png, svg, pdf and html, such as formats=[html]")
    if config.search.num_best > 1:
        raise ConfigError(f"search.num_best={config.search.num_best}: the best translation is drawn, and no other")
    if config.search.columns:
        raise ConfigError(
            "search.columns belongs to translate: here a tab is followed by the translation of a sentence"
        )


def _check_align(config: AlignConfig) -> None:
    systems = {"run": config.run, "diagonal": config.diagonal, "hypotheses": config.hypotheses}
    given = [name for name, value in systems.items() if value]
    if len(given) != 1:
        came = " and ".join(given) if given else "none"
        raise ConfigError(
            f"one of run=DIR, diagonal=true and hypotheses=FILE says where the links come from, got {came}"
        )
    if config.hypotheses is not None and config.gold is None:
        raise ConfigError("hypotheses=FILE is there to be scored: add gold=FILE")
    if config.hypotheses is not None and config.data.test:
        raise ConfigError("data.test has no part in hypotheses=FILE, which holds the links already: leave one out")
    if config.run is None and config.threshold is not None:
        raise ConfigError("threshold is about attention: it belongs to run=DIR")
    if config.gold_format is LinkFormat.naacl and config.gold_base:
        raise ConfigError("gold_base belongs to gold_format=pharaoh; in gold_format=naacl words count from 1 anyway")


_RULES: dict[type, tuple[Any, ...]] = {
    DataConfig: (_check_data,),
    SubwordsConfig: (_check_subwords,),
    ScoredData: (_check_scored,),
    GivenTexts: (_check_texts,),
    ClassifyConfig: (_check_classify,),
    GivenPairs: (lambda data: _check_pair("data.test", data.test),),
    AlignConfig: (_check_align,),
    ModelConfig: (_check_model,),
    OptimConfig: (_check_optim,),
    SearchConfig: (_check_search,),
    Config: (_check_whole,),
    TranslateConfig: (_check_translate,),
    BenchConfig: (_check_bench,),
    EvaluateConfig: (_check_evaluate,),
    ReportConfig: (_check_evaluate, _check_report),
    AttentionConfig: (_check_attention,),
    GatherConfig: (lambda config: _check_folders("runs", config.runs),),
    GradientsConfig: (_check_gradients,),
    MemoryConfig: (_check_memory,),
    LengthsConfig: (_check_length_groups,),
    GatesConfig: (_check_gates,),
}


def portable(data: DataConfig) -> DataConfig:
    """The same options with every path cut down to its last name, so that a run folder names no place on one machine.

    The files themselves are told apart by the fingerprint of their content, kept in the run folder as well.
    """
    return dataclasses.replace(
        data,
        train=[Path(name).name for name in data.train],
        dev=[Path(name).name for name in data.dev],
        test=[Path(name).name for name in data.test],
        root=data.root and Path(data.root).name,
        cache=None,
    )


def same_network(old: ModelConfig, new: ModelConfig) -> ModelConfig:
    """The options of `new` with the network of `old`: its sizes and parts, but not its dropout."""
    network = {
        item.name: getattr(old, item.name)
        for item in dataclasses.fields(ModelConfig)
        if not item.name.endswith("dropout")
    }
    return dataclasses.replace(new, **network)


def save_config(config: Config, path: Path) -> None:
    """Write every option, defaults included, as YAML; paths lose their folders."""
    init_from = config.init_from and Path(config.init_from).name
    kept = dataclasses.replace(config, run="", data=portable(config.data), init_from=init_from)
    write_text(path, OmegaConf.to_yaml(OmegaConf.structured(kept)))


_COMMAND_OF = {Task.translate: "s2s-translate and s2s-evaluate", Task.classify: "s2s-classify"}


def load_config(path: Path, task: Task | None = None) -> Config:
    """Read what `save_config` wrote; options that are not there take their defaults.

    Args:
        path: of the file, in the folder of its run.
        task: what the run must have learnt; None: anything.

    Raises:
        RunError: the file is missing, is no YAML, holds unknown options or wrong types, or is of another task.
    """
    try:
        merged = OmegaConf.merge(OmegaConf.structured(Config), OmegaConf.load(path))
        # A stranger's file gets no say in what is looked up: `${...}` stays text.
        config = OmegaConf.to_container(merged, resolve=False, structured_config_mode=SCMode.INSTANTIATE)
    except (OSError, ValueError, OmegaConfBaseException, YAMLError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise RunError(f"{path}: expected the options of an s2s run, but they cannot be read: {first_line}") from error
    assert isinstance(config, Config)
    try:
        check(config)
    except ConfigError as error:
        raise RunError(f"{path}: {error}; the file was changed since the run was made") from error
    if task is not None and config.task is not task:
        raise RunError(
            f"run={path.parent} was trained with task={config.task.name}, and task={task.name} is needed here: "
            f"give it to {_COMMAND_OF[config.task]}"
        )
    return config


class Differences(NamedTuple):
    """Options in which a command differs from the run that it wants to go on with, each as `name: old -> new`.

    Attributes:
        refused: those that make another run.
        allowed: those that may change: how long a run goes on and reports, where and how it is computed.
    """

    refused: list[str]
    allowed: list[str]


_NO_DIFFERENCE = ("run", "data.train", "data.dev", "data.test", "data.root", "data.cache")
"""Places: the text is told by its fingerprint."""

_MAY_CHANGE = (
    "device",
    "precision",
    "search.",
    "resume.",
    "training.max_",  # steps, epochs and minutes, and how many bad steps are borne
    "training.log_every",
    "training.validate_every",
    "training.save_every",
    "training.keep",
    "training.patience",
    "training.tensorboard",
)
"""Names of options, or what they begin with."""


def differences(old: Config, new: Config) -> Differences:
    """What has changed since a run was made; `resume.reset_optimizer` allows what is under `optim` too."""
    found = Differences([], [])
    may_change = (*_MAY_CHANGE, "optim.") if new.resume.reset_optimizer else _MAY_CHANGE
    flat_old, flat_new = flatten(old), flatten(new)
    if old.init_from is not None and new.init_from is not None:
        flat_old["init_from"] = new.init_from  # a place too: its weights are in the checkpoint
    for name in flat_new:
        if flat_old[name] != flat_new[name] and name not in _NO_DIFFERENCE:
            is_allowed = name.startswith(may_change) and name != "training.max_pieces"  # which decides what is read
            kind = found.allowed if is_allowed else found.refused
            kind.append(f"{name}: {flat_old[name]} -> {flat_new[name]}")
    return found


def flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    """Every option of a group by its dotted name, enums by theirs; all values are JSON-able."""
    flat: dict[str, Any] = {}
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if dataclasses.is_dataclass(value):
            flat |= flatten(value, f"{prefix}{item.name}.")
        else:
            flat[prefix + item.name] = _plain(value)
    return flat


def _plain(value: Any) -> Any:
    """A value with the names of enums in their place."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.name if isinstance(value, enum.Enum) else value
