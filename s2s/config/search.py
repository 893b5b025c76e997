"""Options of search: what decides the text of a translation."""

import enum
from dataclasses import dataclass

from s2s.config.options import LARGEST_SEED, Options, Takes, option
from s2s.errors import ConfigError


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


class ExpectedUtility(enum.Enum):
    """By what minimum Bayes risk decoding compares translations."""

    none = "none"
    chrf = "chrf"
    bleu = "bleu"


SEVERAL = [Strategy.beam, Strategy.sample]
"""The strategies that find several hypotheses, which a score ranks."""


@dataclass
class SearchConfig(Options):
    """How a translation is searched for."""

    strategy: Strategy = option(Strategy.beam, "greedy, beam, or sample (tokens drawn at random)")
    beam_size: int = option(5, "beam: hypotheses kept of each sentence", low=1, high=10_000)
    length_normalization: LengthNormalization = option(
        LengthNormalization.average,
        "a score is the log probability over length ** p (average), ((5 + length) / 6) ** p (gnmt), or 1 (none)",
    )
    length_penalty: float = option(
        1.0,
        "average, gnmt: the exponent p",
        low=0,
        high=100,
        only=[LengthNormalization.average, LengthNormalization.gnmt],
    )
    word_reward: float = option(
        0.0, "beam, sample: nats added to a score for each piece", low=0, high=1000, only=SEVERAL
    )
    coverage_penalty: float = option(
        0.0, "beam, sample: weight of a penalty for source pieces with little attention", low=0, high=1000, only=SEVERAL
    )
    min_length: int = option(0, "shortest translation, in pieces without `</s>`", low=0, high=1_000_000)
    min_length_factor: float = option(
        0.0, "shortest translation over source, in pieces without `</s>`", low=0, high=1000
    )
    max_length: int | None = option(
        None,
        "longest translation, in pieces with `</s>`; left out: only the next two options limit it",
        low=1,
        high=1_000_000,
    )
    max_length_factor: float = option(
        2.0,
        "longest translation: factor * pieces of the source (or of a prefix, if more) + max_length_offset",
        low=0,
        high=1000,
    )
    max_length_offset: int = option(20, "see max_length_factor; in pieces with `</s>`", low=1, high=1_000_000)
    no_repeat_ngram: int = option(0, "no sequence of this many pieces occurs twice; 0: any may", low=0, high=1_000_000)
    avoid: list[str] = option(
        [],
        "words that must not occur, nor at the beginning of longer words (two: no twofold)",
        takes=Takes.sentence,
    )
    must: list[str] = option([], "beam: words that must occur", only=[Strategy.beam], takes=Takes.sentence)
    diverse_groups: int = option(
        1,
        "beam: groups of hypotheses, each penalized for tokens of earlier groups",
        low=1,
        high=10_000,
        only=[Strategy.beam],
    )
    diversity_strength: float = option(
        0.5,
        "diverse_groups: nats subtracted from a token for each hypothesis of an earlier group with it",
        low=0,
        high=1_000_000,
    )
    temperature: float = option(
        1.0,
        "sample: below 1 sharpens the distribution, above 1 flattens it",
        low=0.01,
        high=1000,
        only=[Strategy.sample],
    )
    top_k: int = option(
        0, "sample: draw from the k likeliest tokens; 0: from all", low=0, high=1_000_000, only=[Strategy.sample]
    )
    top_p: float = option(
        1.0, "sample: draw from the fewest tokens with this probability together", low=0, high=1, only=[Strategy.sample]
    )
    seed: int = option(
        1,
        "sample: the same seed and line number give the same samples",
        low=0,
        high=LARGEST_SEED,
        only=[Strategy.sample],
    )
    max_source_pieces: int = option(512, "longer source lines are cut, with a warning", low=1, high=1_000_000)
    num_best: int = option(1, "beam, sample: translations found for each line", low=1, high=10_000, only=SEVERAL)
    mbr: ExpectedUtility = option(
        ExpectedUtility.none, "none, or rank the num_best translations by their mean chrf or bleu against each other"
    )
    replace_unknown: bool = option(False, "allow <unk>, and write the source word with the most attention in its place")

    @property
    def gives_one(self) -> bool:
        """Whether each line gets one translation: the only one that is found, or that which mbr chooses."""
        return self.num_best == 1 or self.mbr is not ExpectedUtility.none

    @property
    def is_free(self) -> bool:
        """Whether nothing but the model decides: no piece is drawn, forced or forbidden, no short translation refused.

        Only then does the probability of a translation tell how sure the model is.
        """
        return (
            self.strategy is not Strategy.sample
            and self.diverse_groups == 1
            and self.mbr is ExpectedUtility.none
            and not (self.must or self.avoid or self.min_length or self.min_length_factor or self.no_repeat_ngram)
        )

    def check(self) -> None:
        if self.strategy is Strategy.beam and self.num_best > self.beam_size:
            raise ConfigError(f"search.num_best={self.num_best} needs search.beam_size of at least as much")
        if self.mbr is not ExpectedUtility.none and self.num_best == 1:
            raise ConfigError(
                f"search.mbr={self.mbr.name} chooses among several translations: add search.num_best=20 or so"
            )
        if self.max_length is not None and self.min_length > self.max_length:
            raise ConfigError(f"search.min_length={self.min_length} is more than search.max_length={self.max_length}")
        if self.min_length_factor > self.max_length_factor:
            raise ConfigError(
                f"search.min_length_factor={self.min_length_factor:g} is more than "
                f"search.max_length_factor={self.max_length_factor:g}"
            )
        for name, words in (("avoid", self.avoid), ("must", self.must)):
            if not all(word.strip() for word in words):
                raise ConfigError(f"search.{name} takes WORD,WORD, but a word is blank")
        both = sorted({word.strip() for word in self.avoid} & {word.strip() for word in self.must})
        if both:
            raise ConfigError(f"{both[0]} must not occur (search.avoid) and must occur (search.must); leave one out")
        if self.diverse_groups == 1 and self.diversity_strength != SearchConfig.diversity_strength:
            raise ConfigError(
                f"search.diversity_strength={self.diversity_strength:g} is for search.diverse_groups of 2 and more"
            )
        if self.beam_size % self.diverse_groups:
            raise ConfigError(
                f"search.beam_size={self.beam_size} cannot be divided into search.diverse_groups={self.diverse_groups} "
                "equal groups; choose a multiple"
            )
        if self.diverse_groups > 1 and self.must:
            raise ConfigError(
                "search.must and search.diverse_groups divide the beam in two ways; leave one of them out"
            )
