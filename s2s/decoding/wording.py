"""From hypotheses to text: unknown pieces filled in, words linked, candidates ranked by what they have in common.

S source pieces, T target positions.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from s2s.config import ExpectedUtility, SearchConfig, Strategy
from s2s.data.links import Link, links_from_weights
from s2s.data.subwords import UNK, Subwords
from s2s.data.words import merge_weights
from s2s.decoding.copying import copy_unknown
from s2s.decoding.minimum_bayes_risk import Utility, bleu_utility, chrf_utility, expected_utilities
from s2s.decoding.search import Hypothesis

_UTILITIES = {ExpectedUtility.chrf: chrf_utility, ExpectedUtility.bleu: bleu_utility}


@dataclass(frozen=True)
class Translation:
    """What became of a line: its hypotheses as text, the best first.

    Attributes:
        texts: a line each; one empty text for a line without words.
        hypotheses: the ids and scores of each text.
        pieces: of each text, `<unk>` where one was filled in; "▁" (U+2581) stands for the space before a word.
        links: of each text, between words of the source and of the translation; None unless they were asked for.
    """

    texts: tuple[str, ...]
    hypotheses: tuple[Hypothesis, ...]
    pieces: tuple[tuple[str, ...], ...]
    links: tuple[tuple[Link, ...], ...] | None = None


@dataclass(frozen=True)
class Wording:
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
        source = self.source.surfaces(line)[: len(source_ids)] if self.has_links or self.fills_unknown else []
        pieces = [self.target.pieces(item.ids) for item in found]
        worded = Translation(
            tuple(self._text(item, target, source, source_ids) for item, target in zip(found, pieces, strict=True)),
            tuple(found),
            tuple(map(tuple, pieces)),
            tuple(_links(item, target, source) for item, target in zip(found, pieces, strict=True))
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


def build_wording(source: Subwords, target: Subwords, search: SearchConfig) -> Wording:
    """How the options say that hypotheses become text."""
    return Wording(
        source,
        target,
        has_links=search.alignments,
        fills_unknown=search.replace_unknown,
        utility=_UTILITIES.get(search.mbr),
        is_sampled=search.strategy is Strategy.sample,
    )


def _links(hypothesis: Hypothesis, pieces: Sequence[str], source: Sequence[str]) -> tuple[Link, ...]:
    return tuple(links_from_weights(merge_weights(_weights(hypothesis, len(source)), source, pieces)))


def _weights(hypothesis: Hypothesis, num_source: int) -> NDArray[np.float32]:
    """Attention between pieces alone (T, S), without the `</s>` of either side."""
    assert hypothesis.attention_TS is not None
    weights_TS: NDArray[np.float32] = hypothesis.attention_TS[: len(hypothesis.ids), :num_source].numpy()
    return weights_TS
