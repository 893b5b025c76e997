"""The attention of a model at each word of a translation.

S source pieces, T target pieces, I source words, J target words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from s2s.data.vocabulary.subwords import Subwords
from s2s.data.vocabulary.words import WORD_START, merge_pieces, merge_weights
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.forced_decoding import ForcedDecoder
from s2s.errors import CheckpointError, RunError

END = "</s>"
"""How the end of a sentence is shown."""


class PiecePair(NamedTuple):
    """A sentence and its translation as piece ids, without `</s>`."""

    source: list[int]
    target: list[int]


@dataclass(frozen=True)
class WordAttention:
    """The words of a sentence and of its translation, and how much each of the latter attends to each of the former.

    Attributes:
        source: I words.
        target: J words, at least one of each.
        weights_JI: a row for each target word, 0 to 1.
    """

    source: list[str]
    target: list[str]
    weights_JI: NDArray[np.floating[Any]]


def check_has_attention(translator: BatchTranslator, name: object) -> None:
    """Refuse a model without attention; `name` is its run, for the message.

    Raises:
        RunError: it has none.
    """
    if not translator.model.has_attention:
        raise RunError(
            f"run={name} was trained with model.attention=none: its decoder looks at no source word, all it has is the "
            "encoder's last vector, so there is nothing to draw; give a run with attention"
        )


def piece_pairs(
    translator: BatchTranslator, sources: Sequence[str], targets: Sequence[str | None], *, first_line: int = 1
) -> list[PiecePair]:
    """Sentences in pieces, each with its translation: the one given, or else (None) the model's own.

    The model's own comes in the pieces that search chose, which `Subwords.encode` may cut otherwise.

    Args:
        sources, targets: any text; a side that is longer than search.max_source_pieces is cut.
        first_line: number of the first sentence, for warnings.
    """
    own = {line: source for line, (source, target) in enumerate(zip(sources, targets, strict=True)) if target is None}
    numbers = [first_line + line for line in own]
    found = dict(zip(own, translator.translations(list(own.values()), numbers=numbers), strict=True))
    max_pieces = translator.search.max_source_pieces
    decoder = ForcedDecoder(translator, max_pieces=max_pieces)
    pairs = []
    for line, (source, target) in enumerate(zip(sources, targets, strict=True)):
        source_rows = translator.source.encode([source])
        if target is None:  # the translator has warned of a long source
            pairs.append(PiecePair(source_rows[0][:max_pieces], list(found[line].hypotheses[0].ids)))
        else:
            [source_ids] = decoder.cut(source_rows, "source", first_line + line)
            [target_ids] = decoder.cut(translator.target.encode([target]), "target", first_line + line)
            pairs.append(PiecePair(source_ids, target_ids))
    return pairs


def attention_of_pairs(
    translator: BatchTranslator, pairs: Sequence[PiecePair], *, has_ends: bool = True, is_merged: bool = True
) -> list[WordAttention | None]:
    """The attention of each pair, in order; None for one that has a side without words.

    Args:
        translator: with attention.
        pairs: sentences and their translations.
        has_ends: `</s>` counts as the last word of both sides, so that rows sum to 1; without it, attention to
            it is missing.
        is_merged: pieces are merged into words; otherwise each stands for itself.

    Raises:
        CheckpointError: the weights of the model are damaged.
    """
    found = dict(ForcedDecoder(translator).attention([pair.source for pair in pairs], [pair.target for pair in pairs]))
    sentences: list[WordAttention | None] = []
    for index, pair in enumerate(pairs):
        source = pieces_with_end(translator.source, pair.source)
        target = pieces_with_end(translator.target, pair.target)
        weights_TS = found[index]
        if not np.isfinite(weights_TS).all():
            raise CheckpointError("the model looks nowhere (NaN): its weights are damaged; train it anew")
        if not has_ends:
            source, target, weights_TS = source[:-1], target[:-1], weights_TS[:-1, :-1]
        make = _merged if is_merged else WordAttention
        sentences.append(make(source, target, weights_TS) if all(pair) else None)
    return sentences


def medium_sentence(sources: Sequence[str]) -> str:
    """The first sentence of 6 to 9 words, which is long enough to show word order and short enough to read."""
    return next((source for source in sources if 6 <= len(source.split()) <= 9), sources[0])


def pieces_with_end(subwords: Subwords, ids: Sequence[int]) -> list[str]:
    """The pieces of a sentence, `</s>` after them."""
    return [*subwords.pieces(ids), END]


def _merged(source: list[str], target: list[str], weights_TS: NDArray[np.float32]) -> WordAttention:
    source, target = ([WORD_START + piece if piece == END else piece for piece in side] for side in (source, target))
    return WordAttention(merge_pieces(source), merge_pieces(target), merge_weights(weights_TS, source, target))
