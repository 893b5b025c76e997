"""From hypotheses to text: unknown pieces filled in, words linked, candidates ranked by what they have in common.

S source pieces, T target positions.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2s.config.search import ExpectedUtility, SearchConfig, Strategy
from s2s.data.vocabulary.subwords import UNK, Subwords
from s2s.data.vocabulary.words import Words, merge_pieces, word_weights, words_of_pieces
from s2s.data.word_alignment import Link, links_from_weights
from s2s.decoding.minimum_bayes_risk import Utility, bleu_utility, chrf_utility, expected_utilities
from s2s.decoding.search.search import Hypothesis


def copy_unknown(
    target_pieces: Sequence[str],
    is_unknown_T: Sequence[bool],
    weights_TS: NDArray[np.floating[Any]],
    source_pieces: Sequence[str],
    is_unknown_S: Sequence[bool],
) -> list[str]:
    """The target pieces with each unknown one replaced by the source word that it attends to most.

    Of a word that holds unknown pieces (a number in brackets, whose digits no subword has), it is the most attended of
    these: what stands around them is translated by itself.

    Args:
        target_pieces: T of them.
        is_unknown_T: which of them stand for characters that the subwords do not know.
        weights_TS: attention of each target piece.
        source_pieces: S of them, the unknown ones as they stand in the text; at least one.
        is_unknown_S: which of these the subwords do not know.
    """
    words_S, texts = np.array(words_of_pieces(source_pieces)), merge_pieces(source_pieces)
    copied = list(target_pieces)
    for target in np.flatnonzero(is_unknown_T):
        weights_S = weights_TS[target]
        word = int(np.bincount(words_S, weights=weights_S).argmax())
        unknown = np.flatnonzero((words_S == word) & np.array(is_unknown_S))
        copied[target] = source_pieces[unknown[weights_S[unknown].argmax()]] if len(unknown) else texts[word]
    return copied


_UTILITIES = {ExpectedUtility.chrf: chrf_utility, ExpectedUtility.bleu: bleu_utility}


@dataclass(frozen=True)
class Translation:
    """What became of a line: its hypotheses as text, the best first.

    Attributes:
        texts: a line each; one empty text for a line without words.
        hypotheses: the ids and scores of each text.
        pieces: of each text, `<unk>` where one was filled in; "▁" (U+2581) stands for the space before a word.
        links: of each text, between the words of the line, which white space separates, and those of the translation;
            None unless they were asked for.
    """

    texts: tuple[str, ...]
    hypotheses: tuple[Hypothesis, ...]
    pieces: tuple[tuple[str, ...], ...]
    links: tuple[tuple[Link, ...], ...] | None = None


@dataclass(frozen=True)
class Postprocessing:
    """How hypotheses become text.

    Attributes:
        source: subwords of the source.
        target: subwords of the target.
        has_links: whether words are linked by attention.
        fills_unknown: whether a source word takes the place of `<unk>`.
        utility: what hypotheses are ranked by, in the mean over all of them; None: by their score.
        is_sampled: whether they are samples, so that each counts alike; else each counts by its probability.
    """

    source: Subwords
    target: Subwords
    has_links: bool = False
    fills_unknown: bool = False
    utility: Utility | None = None
    is_sampled: bool = False

    def nothing(self) -> Translation:
        """The translation of a line without words."""
        return Translation(("",), (Hypothesis((), 0.0, 0.0, ()),), ((),), ((),) if self.has_links else None)

    def translation(self, line: str, source_ids: Sequence[int], found: Sequence[Hypothesis]) -> Translation:
        """The hypotheses of a line as text, the best first.

        Args:
            line: the source; of a line that was cut, the whole of it.
            source_ids: its pieces, as the model saw them; at least one.
            found: at least one; with attention where it is needed.
        """
        source = self.source.surfaces(line)[: len(source_ids)] if self.fills_unknown else []
        sizes = Words.of_line(line, self.source).first(len(source_ids)) if self.has_links else []
        pieces = [self.target.pieces(item.ids) for item in found]
        worded = Translation(
            tuple(self._text(item, target, source, source_ids) for item, target in zip(found, pieces, strict=True)),
            tuple(found),
            tuple(map(tuple, pieces)),
            tuple(_links(item, target, sizes) for item, target in zip(found, pieces, strict=True))
            if self.has_links
            else None,
        )
        return worded if self.utility is None else self._ranked(worded, self.utility)

    def _text(
        self, hypothesis: Hypothesis, pieces: Sequence[str], source: Sequence[str], source_ids: Sequence[int]
    ) -> str:
        if UNK not in hypothesis.ids or not self.fills_unknown:
            return self.target.decode(hypothesis.ids)
        is_unknown_T, is_unknown_S = ([index == UNK for index in ids] for ids in (hypothesis.ids, source_ids))
        weights_TS = _weights(hypothesis, len(source))
        return self.target.join(copy_unknown(pieces, is_unknown_T, weights_TS, source, is_unknown_S))

    def _ranked(self, translation: Translation, utility: Utility) -> Translation:
        """The same hypotheses, with their expected utility for a score, the best first."""
        most = max(item.log_probability for item in translation.hypotheses)
        weights = [math.exp(item.log_probability - most) for item in translation.hypotheses]
        scores = expected_utilities(translation.texts, utility, None if self.is_sampled else weights)
        order = sorted(range(len(scores)), key=lambda row: -scores[row])
        hypotheses = [dataclasses.replace(translation.hypotheses[row], score=scores[row]) for row in order]
        return Translation(
            tuple(translation.texts[row] for row in order),
            tuple(hypotheses),
            tuple(translation.pieces[row] for row in order),
            None if translation.links is None else tuple(translation.links[row] for row in order),
        )


def build_wording(
    source: Subwords, target: Subwords, search: SearchConfig, *, with_alignments: bool = False
) -> Postprocessing:
    """How the options say that hypotheses become text."""
    return Postprocessing(
        source,
        target,
        has_links=with_alignments,
        fills_unknown=search.replace_unknown,
        utility=_UTILITIES.get(search.mbr),
        is_sampled=search.strategy is Strategy.sample,
    )


def _links(hypothesis: Hypothesis, pieces: Sequence[str], source_sizes: Sequence[int]) -> tuple[Link, ...]:
    """Links from the source's words, of so many pieces each, to those that the pieces of the translation tell."""
    target_sizes = np.bincount(words_of_pieces(pieces)).tolist()
    weights_TS = _weights(hypothesis, sum(source_sizes))
    return tuple(links_from_weights(word_weights(weights_TS, source_sizes, target_sizes)))


def _weights(hypothesis: Hypothesis, num_source: int) -> NDArray[np.float32]:
    """Attention between pieces alone (T, S), without the `</s>` of either side."""
    assert hypothesis.attention_TS is not None
    weights_TS: NDArray[np.float32] = hypothesis.attention_TS[: len(hypothesis.ids), :num_source].numpy()
    return weights_TS
