"""Options that several commands share: how runs translate, and which text they are given."""

import enum
from dataclasses import dataclass, field

from s2s.config.options import LARGEST_SEED, Options, Takes, option
from s2s.config.search import SearchConfig
from s2s.config.training import DEVICE_HELP, Device
from s2s.errors import ConfigError

PICTURE_HELP = "picture, .png, .svg or .pdf (needs the extra s2s[plots]); null: none"


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


def check_gives_one(search: SearchConfig, use: str) -> None:
    """Check that each line gets one translation, which is all that a command has a use for."""
    if not search.gives_one:
        raise ConfigError(
            f"search.num_best={search.num_best}: one translation of each line is {use}; leave it out, or add "
            "search.mbr=chrf, which chooses one of them"
        )


@dataclass
class TranslatingConfig(Options):
    """Options of commands that translate."""

    device: Device = option(Device.auto, DEVICE_HELP)
    precision: DecodingPrecision = option(
        DecodingPrecision.auto, "fp32 (also auto), or bf16 or int8, which round but may be faster"
    )
    batch_size: int = option(64, "sentences translated at once", low=1, high=1_000_000)
    search: SearchConfig = field(default_factory=SearchConfig)


def _check_pair(files: list[str]) -> None:
    if len(files) not in (0, 2):
        raise ConfigError(
            f"data.test takes SOURCE_FILE,TARGET_FILE, but got {len(files)} file{'' if len(files) == 1 else 's'}"
        )


@dataclass
class ScoredData(Options):
    """Which pairs to score instead of the run's own test set."""

    test: list[str] = option([], "SOURCE,TARGET, plain or .gz; left out: the run's own test set", takes=Takes.file)
    testset: str | None = option(None, "one of sacrebleu's own test sets instead, such as wmt17 (in $SACREBLEU)")
    language_pair: str | None = option(None, "testset: its source and target language, such as en-de")

    def check(self) -> None:
        _check_pair(self.test)
        if self.test and self.testset is not None:
            raise ConfigError(f"data.test and data.testset={self.testset} are two test sets; give one of them")
        if (self.testset is None) != (self.language_pair is None):
            raise ConfigError("data.testset=NAME and data.language_pair=SOURCE-TARGET belong together; one is missing")


@dataclass
class ScoringConfig(TranslatingConfig):
    """Options of commands that score translations."""

    data: ScoredData = field(default_factory=ScoredData)

    def check(self) -> None:
        check_gives_one(self.search, "scored")


@dataclass
class SignificanceConfig(Options):
    """How certain scores, and differences between runs, are."""

    confidence: bool = option(False, "a single run: 95% confidence intervals too; runs that are compared have them")
    bootstrap_samples: int = option(1000, "test sets drawn: confidence intervals and p-values", low=100, high=1_000_000)
    randomization_samples: int = option(
        10_000, "pairs of systems with lines swapped at random: p-values", low=100, high=1_000_000
    )
    seed: int = option(12345, "of both kinds of samples", low=1, high=LARGEST_SEED)


@dataclass
class ComparisonConfig(ScoringConfig):
    """Options of commands that compare the scores of runs."""

    run: list[str] = option(
        "???", "folder of a trained run; or RUN,RUN, which are compared with the first", takes=Takes.run
    )
    significance: SignificanceConfig = field(default_factory=SignificanceConfig)


@dataclass
class GivenPairs(Options):
    """Which sentence pairs to read."""

    test: list[str] = option(
        [],
        "SOURCE,TARGET, plain or .gz; left out: standard input, a source, a tab and a target a line",
        takes=Takes.file,
    )

    def check(self) -> None:
        _check_pair(self.test)


@dataclass
class ForcedDecodingConfig(Options):
    """Options of commands in which a model reads given translations."""

    device: Device = option(Device.auto, DEVICE_HELP)
    data: GivenPairs = field(default_factory=GivenPairs)
    batch_tokens: int = option(
        2000, "budget of a batch: pairs times longest side, in pieces", low=1, high=1_000_000_000
    )
    max_pieces: int = option(512, "longer sides are cut, with a warning", low=1, high=1_000_000)
