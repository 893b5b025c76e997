"""TODO: say what s2s.config.search is."""

import enum
from dataclasses import dataclass

from s2s.config.options import option
from s2s.errors import ConfigError


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


def _check_scoring_search(search: SearchConfig) -> None:
    if search.columns:
        raise ConfigError("search.columns belongs to translate: a test set holds a sentence a line and nothing else")
