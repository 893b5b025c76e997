"""Every option of s2s: its name, type, default, unit and allowed range.

One dataclass a group. YAML files under conf/ choose values; nothing there introduces a name. `cli/`, functions called
`build_...`, the trainer and the translator take these objects; all other code takes plain sizes and values.

A field's `doc` metadata is its help text, and `low`/`high` its allowed range (both ends included).
"""

import enum
from dataclasses import dataclass, field
from typing import Any

from s2s.config.data import Split
from s2s.config.model import Cell
from s2s.config.options import _check_folders, _check_pair, _is_ascending, option
from s2s.config.search import DecodingPrecision, EnsembleMean, SearchConfig, Strategy, _check_scoring_search
from s2s.config.training import Config, Device, Precision, Task, _check_whole
from s2s.errors import ConfigError


class ScoreFormat(enum.Enum):
    """What `score` writes for a sentence pair."""

    text = "text"
    json = "json"


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
    gold: str | None = option(
        None, "file of gold links, `i-j` sure, `ipj` possible: precision, recall and AER are written instead of links"
    )


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


@dataclass
class BenchConfig(Config):
    """Options of `bench`: those of training, plus what and how much to measure."""

    run: str = option("runs/bench", "folder of the run; decode reads a trained one")
    measure: BenchTask = option(BenchTask.train, "train or decode; may be the first word: s2s bench decode")
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


@dataclass
class AverageConfig:
    """Options of `average`."""

    run: str = option("???", "folder of a trained run; it is only read")
    output: str = option("???", "new folder for a run that translates with the averaged weights")
    last: int = option(5, "newest checkpoints whose mean is taken; training.keep says how many there are", low=1)


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


def _check_texts(data: GivenTexts) -> None:
    if len(data.test) > 2:
        raise ConfigError(
            f"data.test must be [TEXT_FILE,LABEL_FILE], or [FILE] with a tab between the two, but has "
            f"{len(data.test)} entries"
        )


def _check_classify(config: ClassifyConfig) -> None:
    if config.output is not None and not config.data.test:
        raise ConfigError(f"output={config.output} is for the pictures of data.test, which is not given")


def _check_translate(config: TranslateConfig) -> None:
    _check_folders("run", config.run)
    if len(config.runs) == 1 and config.ensemble is not EnsembleMean.log_probability:
        raise ConfigError(f"ensemble={config.ensemble.name} is a mean of several runs: run=[FOLDER,FOLDER]")
    if config.output is not None and config.output.endswith(".gz"):
        raise ConfigError(f"output={config.output} is written as plain text: choose a name without .gz")


def _check_bench(config: BenchConfig) -> None:
    _check_whole(config)
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
