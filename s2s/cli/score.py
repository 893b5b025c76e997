"""`s2s score`: how likely a model finds given translations."""

import enum
import json
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from s2s.cli.commands import Command
from s2s.config.decoding import ForcedDecodingConfig
from s2s.config.options import Takes, option

if TYPE_CHECKING:
    from s2s.data.vocabulary.subwords import Subwords
    from s2s.decoding.forced_decoding import ForcedScore


class ScoreFormat(enum.Enum):
    """What `score` writes for a sentence pair."""

    text = "text"
    json = "json"


@dataclass
class ScoreConfig(ForcedDecodingConfig):
    """Options of `score`."""

    run: str = option("???", "folder of a trained run", takes=Takes.run)
    format: ScoreFormat = option(ScoreFormat.text, "text (the log probability) or json (of every piece too)")


def score(config: ScoreConfig) -> None:
    """Score sentence pairs: N pairs in, N lines out, in order."""
    from s2s.decoding.batch_translator import BatchTranslator
    from s2s.decoding.forced_decoding import ForcedDecoder
    from s2s.decoding.streaming.input_pairs import read_pair_blocks

    translator = BatchTranslator.load(config.run, device=config.device)
    decoder = ForcedDecoder(translator, batch_tokens=config.batch_tokens, max_pieces=config.max_pieces)
    for number, pairs in read_pair_blocks(config.data.test):
        for result in decoder.scores(pairs, first_line=number):
            sys.stdout.buffer.write(f"{format_score(result, decoder.target, config.format)}\n".encode())
        sys.stdout.buffer.flush()


def format_score(result: "ForcedScore", subwords: "Subwords", form: ScoreFormat) -> str:
    """The line to write for a pair.

    Args:
        result: of the pair.
        subwords: of the target.
        form: text (the log probability, which may be -inf), or json, which has null for -inf.
    """
    match form:
        case ScoreFormat.text:
            return f"{result.log_probability:.6f}"
        case ScoreFormat.json:
            values = result.token_log_probabilities
            line = {
                "log_probability": _number(result.log_probability),
                "mean": _number(result.mean),
                "pieces": [*subwords.pieces(result.ids), "</s>"][: len(values)],
                "log_probabilities": [_number(value) for value in values],
            }
            return json.dumps(line, ensure_ascii=False)


def _number(value: float) -> float | None:
    """A number as JSON can hold it."""
    return round(value, 6) if math.isfinite(value) else None


COMMAND = Command(
    score,
    ScoreConfig,
    bare=("run",),
    examples=(
        "runs/demo data.test=a.ko,a.en",
        "runs/demo format=json < pairs.tsv",
    ),
    common=("data.test",),
)
