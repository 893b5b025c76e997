"""`s2s align`: word alignments of sentence pairs, and how good they are."""

import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from s2s.cli.commands import Command
from s2s.config.decoding import ForcedDecodingConfig
from s2s.config.options import Takes, option
from s2s.errors import ConfigError

if TYPE_CHECKING:
    from s2s.data.text.parallel_text import Pair
    from s2s.data.word_alignment import Link

_logger = logging.getLogger(__name__)


@dataclass
class AlignConfig(ForcedDecodingConfig):
    """Options of `align`: one of run, diagonal and hypotheses says where the links come from."""

    run: str | None = option(None, "folder of a trained run, whose attention links the words", takes=Takes.run)
    diagonal: bool = option(False, "link words at the same relative position: a baseline without a model")
    hypotheses: str | None = option(
        None, "file of links, Pharaoh `i-j`, zero-based, to be scored against gold", takes=Takes.file
    )
    threshold: float | None = option(
        None, "run: link all source words with at least this weight; left out: the one with the most", low=1e-9, high=1
    )
    gold: str | None = option(
        None,
        "file of gold links, `i-j` sure, `ipj` possible: precision, recall and AER are written instead of links",
        takes=Takes.file,
    )

    def check(self) -> None:
        systems = {"run": self.run, "diagonal": self.diagonal, "hypotheses": self.hypotheses}
        given = [name for name, value in systems.items() if value]
        if len(given) != 1:
            came = " and ".join(given) if given else "none"
            raise ConfigError(
                f"one of run=DIR, diagonal=true and hypotheses=FILE says where the links come from, got {came}"
            )
        if self.hypotheses is not None and self.gold is None:
            raise ConfigError("hypotheses=FILE is there to be scored: add gold=FILE")
        if self.hypotheses is not None and self.data.test:
            raise ConfigError("data.test has no part in hypotheses=FILE, which holds the links already: leave one out")
        if self.run is None and self.threshold is not None:
            raise ConfigError("threshold is about attention: it belongs to run=DIR")


def align(config: AlignConfig) -> None:
    """Write the links of sentence pairs, N pairs in, N lines out, in order; or, given gold links, their scores."""
    from s2s.data.word_alignment import format_pharaoh

    if config.gold is not None:
        _score(config, Path(config.gold))
        return
    for window in _aligned(config):
        for _, links in window:
            print(format_pharaoh(links))
        sys.stdout.flush()


def _aligned(config: AlignConfig) -> "Iterator[list[tuple[Pair | None, list[Link]]]]":
    """Sentence pairs with their links, in windows; the pair is None where only the links are known."""
    from s2s.decoding.batch_translator import BatchTranslator
    from s2s.decoding.forced_decoding import ForcedDecoder
    from s2s.decoding.streaming.input_pairs import read_pair_blocks
    from s2s.evaluation.alignment import diagonal_links, read_gold
    from s2s.evaluation.attention_aligner import AttentionAligner

    if config.hypotheses is not None:
        yield [(None, sorted(found.sure | found.possible)) for found in read_gold(Path(config.hypotheses))]
    elif config.diagonal:
        for _, pairs in read_pair_blocks(config.data.test):
            yield [(pair, diagonal_links(*_lengths(pair))) for pair in pairs]
    else:
        assert config.run is not None
        translator = BatchTranslator.load(config.run, device=config.device)
        decoder = ForcedDecoder(translator, batch_tokens=config.batch_tokens, max_pieces=config.max_pieces)
        aligner = AttentionAligner(decoder, config.threshold)
        for number, pairs in read_pair_blocks(config.data.test):
            yield list(zip(pairs, aligner.links(pairs, first_line=number), strict=True))


def _lengths(pair: "Pair") -> tuple[int, int]:
    """How many words the sides have."""
    return len(pair.source.split()), len(pair.target.split())


def _score(config: AlignConfig, path: Path) -> None:
    """Compare the links with those of the gold file: a line on stderr, and one JSON object on stdout."""
    from s2s.evaluation.alignment import alignment_scores, check_gold, read_gold

    golds = read_gold(path)
    aligned = [each for window in _aligned(config) for each in window]
    for number, ((pair, _), gold) in enumerate(zip(aligned, golds, strict=False), start=1):
        if pair is not None:
            check_gold(gold, *_lengths(pair), f"{path}, pair {number}")
    scores = alignment_scores((set(links) for _, links in aligned), golds)
    _logger.info(
        "%d pairs: precision %.1f %%, recall %.1f %%, AER %.1f %%",
        scores.num_pairs, 100 * scores.precision, 100 * scores.recall, 100 * scores.error_rate,
    )  # fmt: skip
    print(json.dumps(scores.as_json()))


COMMAND = Command(
    align,
    AlignConfig,
    bare=("run",),
    examples=(
        "runs/demo data.test=a.ko,a.en",
        "runs/demo data.test=a.ko,a.en gold=a.links",
        "diagonal=true data.test=a.ko,a.en",
    ),
    common=("data.test",),
)
