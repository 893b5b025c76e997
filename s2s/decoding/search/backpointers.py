"""The trellis: what search chose at each position, and the way back from the end of a hypothesis to its beginning.

B sentences (those that were open at a position), K beams of a sentence, S source positions, T positions, H hypotheses.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from s2s.decoding.search.hypothesis_score import Floats, Ints


@dataclass(frozen=True)
class Position:
    """One position of all hypotheses that were open there; on the host, but for the attention.

    Attributes:
        sentences_B: which sentence each row is, in ascending order.
        origin_BK: the beam, in the position before, that each one goes on from.
        word_BK: what it says here.
        log_probability_BK: of that word.
        total_BK: log probability of all its words.
        score_BK: of hypotheses that end here; -inf for all others.
        attention_BKS: where the beams of the position before looked, to say this word; None where it is not kept.
    """

    sentences_B: Ints
    origin_BK: Ints
    word_BK: Ints
    log_probability_BK: Floats
    total_BK: Floats
    score_BK: Floats
    attention_BKS: Tensor | None


@dataclass(frozen=True)
class Path:
    """A hypothesis that has ended.

    Attributes:
        sentence: which.
        words: all that it says, `</s>` included unless it was cut off.
        log_probabilities: of each of these words.
        beams: the one that it went on from at each position.
        total: log probability of all words together, as search added it up.
        score: what it is ranked by.
    """

    sentence: int
    words: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    beams: tuple[int, ...]
    total: float
    score: float


def read_paths(positions: Sequence[Position], num_sentences: int) -> list[list[Path]]:
    """The hypotheses of each sentence that have ended, the best first; among equals, the one that ended first."""
    found: list[list[Path]] = [[] for _ in range(num_sentences)]
    steps = [_Step.of(position) for position in positions]
    for last, position in enumerate(positions):
        for row, beam in zip(*np.nonzero(position.score_BK > -math.inf), strict=True):
            sentence = int(position.sentences_B[row])
            total, score = float(position.total_BK[row, beam]), float(position.score_BK[row, beam])
            found[sentence].append(Path(sentence, *_way_back(steps[: last + 1], sentence, int(beam)), total, score))
    return [sorted(paths, key=lambda path: -path.score) for paths in found]


class _Step(NamedTuple):
    """A position as lists, which Python reads faster; row_of tells the row of a sentence."""

    row_of: dict[int, int]
    origins: list[list[int]]
    words: list[list[int]]
    log_probabilities: list[list[float]]

    @classmethod
    def of(cls, position: Position) -> "_Step":
        row_of = {sentence: row for row, sentence in enumerate(position.sentences_B.tolist())}
        return cls(row_of, position.origin_BK.tolist(), position.word_BK.tolist(), position.log_probability_BK.tolist())


def _way_back(
    steps: Sequence[_Step], sentence: int, beam: int
) -> tuple[tuple[int, ...], tuple[float, ...], tuple[int, ...]]:
    """Words, their log probabilities, and the beams gone on from, of the hypothesis that ends in the last step."""
    way = []
    for row_of, origins, words, log_probabilities in reversed(steps):
        row = row_of[sentence]
        origin = origins[row][beam]
        way.append((words[row][beam], log_probabilities[row][beam], origin))
        beam = origin
    said, parts, beams = zip(*reversed(way), strict=True)
    return said, parts, beams


def read_attention(positions: Sequence[Position], paths: Sequence[Path]) -> list[Tensor | None]:
    """Where each path looked to say each of its words: (T, S) in float32 on the CPU, or None where it was not kept."""
    looks: list[list[Tensor]] = [[] for _ in paths]
    for at, position in enumerate(positions):
        going = [index for index, path in enumerate(paths) if len(path.words) > at]
        if position.attention_BKS is None or not going:
            continue
        row_H = position.sentences_B.searchsorted([paths[index].sentence for index in going])
        attention_HS = position.attention_BKS[row_H, [paths[index].beams[at] for index in going]].float().cpu()
        for index, attention_S in zip(going, attention_HS, strict=True):
            looks[index].append(attention_S)
    return [torch.stack(look) if look else None for look in looks]
