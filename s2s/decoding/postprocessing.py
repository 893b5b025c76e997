"""Postprocessing: from hypotheses to text, with unknown words replaced, words aligned, and candidates ranked.

S source pieces, T target pieces.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from s2s.config.search import ExpectedUtility, SearchConfig, Strategy
from s2s.data.vocabulary.subwords import UNK, Subwords
from s2s.data.vocabulary.words import Words, merge_pieces, word_weights, words_of_pieces
from s2s.data.word_alignment import Link, links_from_weights
from s2s.decoding.search.backpointers import Hypothesis

if TYPE_CHECKING:
    from s2s.decoding.minimum_bayes_risk import Utility


@dataclass(frozen=True)
class NBestList:
    """The hypotheses of a line as text, the best first.

    Attributes:
        texts: a line each; one empty text for a line without words.
        hypotheses: the ids and scores of each text.
        pieces: of each text, `<unk>` where a word was replaced; "▁" (U+2581) stands for the space before a word.
        alignments: links of each text, between the words of the line, which white space separates, and those of the
            translation; None unless they were asked for.
    """

    texts: tuple[str, ...]
    hypotheses: tuple[Hypothesis, ...]
    pieces: tuple[tuple[str, ...], ...]
    alignments: tuple[tuple[Link, ...], ...] | None = None


@dataclass(frozen=True)
class Postprocessing:
    """How hypotheses become text.

    Attributes:
        source: subwords of the source.
        target: subwords of the target.
        with_alignments: whether words are aligned, by attention.
        replace_unknown: whether a source word replaces `<unk>`.
        utility: ranks hypotheses, in the mean over all of them as references; None: they are ranked by their score.
        is_sampled: whether they are samples, so that each counts alike; else each counts by its probability.
    """

    source: Subwords
    target: Subwords
    with_alignments: bool = False
    replace_unknown: bool = False
    utility: "Utility | None" = None
    is_sampled: bool = False

    def empty_translation(self) -> NBestList:
        """The translation of a line without words."""
        return NBestList(("",), (Hypothesis((), 0.0, 0.0, ()),), ((),), ((),) if self.with_alignments else None)

    def __call__(self, line: str, source_ids: Sequence[int], hypotheses: Sequence[Hypothesis]) -> NBestList:
        """The translation of a line.

        Args:
            line: the source; of a line that was cut, the whole of it.
            source_ids: its pieces, as the model read them; at least one.
            hypotheses: at least one; with attention where it is needed.
        """
        texts = [self._text(line, source_ids, each) for each in hypotheses]
        if self.utility is not None:
            texts, hypotheses = self._ranked(texts, hypotheses, self.utility)
        pieces = [self.target.pieces(each.ids) for each in hypotheses]
        alignments = None
        if self.with_alignments:
            source_sizes = Words.of_line(line, self.source).first(len(source_ids))
            alignments = tuple(
                _alignment(each, target, source_sizes) for each, target in zip(hypotheses, pieces, strict=True)
            )
        return NBestList(tuple(texts), tuple(hypotheses), tuple(map(tuple, pieces)), alignments)

    def _text(self, line: str, source_ids: Sequence[int], hypothesis: Hypothesis) -> str:
        if UNK not in hypothesis.ids or not self.replace_unknown:
            return self.target.decode(hypothesis.ids)
        source = self.source.surfaces(line)[: len(source_ids)]
        is_unknown_T, is_unknown_S = ([index == UNK for index in ids] for ids in (hypothesis.ids, source_ids))
        pieces, weights_TS = self.target.pieces(hypothesis.ids), _piece_weights(hypothesis, len(source))
        return self.target.join(copy_unknown(pieces, is_unknown_T, weights_TS, source, is_unknown_S))

    def _ranked(
        self, texts: Sequence[str], hypotheses: Sequence[Hypothesis], utility: "Utility"
    ) -> tuple[list[str], list[Hypothesis]]:
        """The same texts and hypotheses, with their expected utility for a score, the best first."""
        from s2s.decoding.minimum_bayes_risk import expected_utilities

        most = max(each.log_probability for each in hypotheses)
        weights = None if self.is_sampled else [math.exp(each.log_probability - most) for each in hypotheses]
        scores = expected_utilities(texts, utility, weights)
        order = sorted(range(len(scores)), key=lambda row: -scores[row])
        scored = [dataclasses.replace(hypotheses[row], score=scores[row]) for row in order]
        return [texts[row] for row in order], scored


def build_postprocessing(
    source: Subwords, target: Subwords, search: SearchConfig, *, with_alignments: bool = False
) -> Postprocessing:
    """The postprocessing that the options ask for."""
    return Postprocessing(
        source,
        target,
        with_alignments,
        search.replace_unknown,
        utility=_utility(search.mbr),
        is_sampled=search.strategy is Strategy.sample,
    )


def _utility(kind: ExpectedUtility) -> "Utility | None":
    if kind is ExpectedUtility.none:
        return None
    from s2s.decoding.minimum_bayes_risk import bleu_utility, chrf_utility  # with sacrebleu: a first word waits for it

    return {ExpectedUtility.chrf: chrf_utility, ExpectedUtility.bleu: bleu_utility}[kind]


def copy_unknown(
    target_pieces: Sequence[str],
    is_unknown_T: Sequence[bool],
    weights_TS: NDArray[np.floating[Any]],
    source_pieces: Sequence[str],
    is_unknown_S: Sequence[bool],
) -> list[str]:
    """The target pieces with each unknown one replaced by the source word that it attends to most.

    Of a word that holds unknown pieces (a number in brackets, whose digits no subword has), it is the most attended of
    these: the pieces around them are translated as usual.

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


def _alignment(hypothesis: Hypothesis, pieces: Sequence[str], source_sizes: Sequence[int]) -> tuple[Link, ...]:
    """Links between the words of the source, given by their numbers of pieces, and those of a translation."""
    target_sizes = np.bincount(words_of_pieces(pieces)).tolist()
    weights_TS = _piece_weights(hypothesis, sum(source_sizes))
    return tuple(links_from_weights(word_weights(weights_TS, source_sizes, target_sizes)))


def _piece_weights(hypothesis: Hypothesis, num_source: int) -> NDArray[np.float32]:
    """Attention between pieces (T, S), without the `</s>` of either side."""
    assert hypothesis.attention_TS is not None
    weights_TS: NDArray[np.float32] = hypothesis.attention_TS[: len(hypothesis.ids), :num_source].numpy()
    return weights_TS
