"""Backpointers: what search chose at each position, and the way back from the end of a hypothesis to its beginning.

B sentences (those open at a position), K beams of a sentence, S source positions, T positions, H hypotheses.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from s2s.data.vocabulary.subwords import EOS
from s2s.decoding.search.hypothesis_score import Floats, Ints


@dataclass(frozen=True)
class Backpointers:
    """One position of all hypotheses that were open there; on the host, but for the attention.

    Attributes:
        sentences_B: which sentence each row is, in ascending order.
        origin_BK: the beam, at the position before, that each hypothesis extends.
        token_BK: its token here.
        log_probability_BK: of that token.
        total_BK: log probability of all its tokens.
        score_BK: of hypotheses that end here; -inf for all others.
        attention_BKS: attention weights of the beams of the position before, in choosing this token; None where they
            are not kept.
    """

    sentences_B: Ints
    origin_BK: Ints
    token_BK: Ints
    log_probability_BK: Floats
    total_BK: Floats
    score_BK: Floats
    attention_BKS: Tensor | None


@dataclass(frozen=True)
class Hypothesis:
    """A finished translation.

    Attributes:
        ids: its tokens, without `</s>`.
        log_probability: of these tokens, and of `</s>` unless the longest length cut it off, in nats.
        score: by which hypotheses are ranked, see `HypothesisScore`.
        token_log_probabilities: of each token, then of `</s>` unless it was cut off, in nats.
        attention_TS: attention weights at each of these positions (float32, on the CPU); None unless asked for.
    """

    ids: tuple[int, ...]
    log_probability: float
    score: float
    token_log_probabilities: tuple[float, ...]
    attention_TS: Tensor | None = field(default=None, compare=False)

    @property
    def has_end(self) -> bool:
        """Whether it ends at `</s>`."""
        return len(self.token_log_probabilities) > len(self.ids)


class Path(NamedTuple):
    """The path of a finished hypothesis through the beams: the sentence, and the beam extended at each position."""

    sentence: int
    origins: tuple[int, ...]
    hypothesis: Hypothesis


def read_paths(positions: Sequence[Backpointers], num_sentences: int) -> list[list[Path]]:
    """The finished hypotheses of each sentence, the best first; among equals, the one that ended first."""
    paths: list[list[Path]] = [[] for _ in range(num_sentences)]
    # As lists, which Python reads faster.
    row_of = [dict(zip(each.sentences_B.tolist(), range(len(each.sentences_B)), strict=True)) for each in positions]
    pointers = [
        (each.token_BK.tolist(), each.log_probability_BK.tolist(), each.origin_BK.tolist()) for each in positions
    ]
    for last, position in enumerate(positions):
        for row, end in zip(*np.nonzero(position.score_BK > -math.inf), strict=True):
            sentence, beam = int(position.sentences_B[row]), int(end)
            way_back = []
            for at in range(last, -1, -1):
                way_back.append([values[row_of[at][sentence]][beam] for values in pointers[at]])
                beam = way_back[-1][2]
            tokens, log_probabilities, origins = zip(*reversed(way_back), strict=True)
            ids = tokens[:-1] if tokens[-1] == EOS else tokens
            total, score = float(position.total_BK[row, end]), float(position.score_BK[row, end])
            paths[sentence].append(Path(sentence, origins, Hypothesis(ids, total, score, log_probabilities)))
    return [sorted(each, key=lambda path: -path.hypothesis.score) for each in paths]


def read_attention(positions: Sequence[Backpointers], paths: Sequence[Path]) -> list[Tensor | None]:
    """The attention of each path at each position: (T, S) in float32 on the CPU, or None where it was not kept."""
    weights: list[list[Tensor]] = [[] for _ in paths]
    for at, position in enumerate(positions):
        going = [index for index, path in enumerate(paths) if len(path.origins) > at]
        if position.attention_BKS is None or not going:
            continue
        row_H = position.sentences_B.searchsorted([paths[index].sentence for index in going])
        attention_HS = position.attention_BKS[row_H, [paths[index].origins[at] for index in going]].float().cpu()
        for index, attention_S in zip(going, attention_HS, strict=True):
            weights[index].append(attention_S)
    return [torch.stack(each) if each else None for each in weights]
