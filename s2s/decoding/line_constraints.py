"""Constraints on the translation of a line, compiled from words into the tokens of a vocabulary."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from s2s.config.search import SearchConfig, Strategy
from s2s.data.vocabulary.subwords import Subwords
from s2s.decoding.line_warnings import warn_of_line
from s2s.decoding.search.backpointers import Hypothesis
from s2s.decoding.search.lexical_constraints import LexicalConstraints
from s2s.decoding.search.phrases import Phrases
from s2s.decoding.segmentation import Segmentation, Segmenter
from s2s.errors import ConfigError


@dataclass(frozen=True)
class LineConstraints:
    """Constraints on the translation of one line, beside those that `SearchConfig` sets for all.

    Attributes:
        prefix: text that it begins with; its last word may continue.
        must: words that must occur; only with search=beam.
        avoid: words that must not occur, except in the prefix.
    """

    prefix: str = ""
    must: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()


@dataclass(frozen=True)
class RequiredPhrase:
    """A word that must occur (or several), and the segmentations in which it counts."""

    text: str
    segmentations: list[Segmentation]


@dataclass(frozen=True)
class TokenConstraints:
    """The constraints on the translation of a line, in tokens.

    Attributes:
        line: number of the line, for warnings.
        prefix: tokens that it begins with.
        must: phrases that must occur, those of all lines included.
        avoid: phrases that must not occur, those of all lines not included.
    """

    line: int
    prefix: list[int]
    must: list[RequiredPhrase]
    avoid: list[Segmentation]


class ConstraintCompiler:
    """Compiles the constraints of lines into what search takes."""

    def __init__(self, target: Subwords, search: SearchConfig, device: torch.device) -> None:
        """Compile the constraints that the options set for all lines.

        Raises:
            ConfigError: a word that must occur cannot.
        """
        self._segmenter = Segmenter(target)
        self._boundaries = self._segmenter.boundaries(device)
        self._search, self._device = search, device
        self._avoid = self._segmentations(search.avoid)
        self._must = []
        for word in search.must:
            if not self._segmenter.is_known(word):
                raise ConfigError(
                    f"search.must={word} must occur, but is blank or has a character that the model has no piece for"
                )
            phrase = RequiredPhrase(word, self._segmenter.usual_segmentations(word))
            if self._is_impossible(phrase, self._avoid):
                raise ConfigError(f"{word} must occur (search.must), but search.avoid forbids it; leave one out")
            self._must.append(phrase)

    def compile(self, constraints: LineConstraints, line: int) -> TokenConstraints:
        """The constraints of a line and those of all lines; a word that cannot occur is left out, with a warning.

        Raises:
            ConfigError: words must occur, but search is not a plain beam search.
        """
        search = self._search
        if constraints.must and (search.strategy is not Strategy.beam or search.diverse_groups > 1):
            raise ConfigError("words that must occur need search=beam without search.diverse_groups")
        must = list(self._must)
        for word in constraints.must:
            if self._segmenter.is_known(word):
                must.append(RequiredPhrase(word, self._segmenter.usual_segmentations(word)))
            else:
                warn_of_line(line, "%s cannot occur, since the model has no piece for a character", word)
        avoid = self._segmentations(constraints.avoid)
        if constraints.must or avoid:
            for phrase in [phrase for phrase in must if self._is_impossible(phrase, self._avoid + avoid)]:
                warn_of_line(line, "%s cannot occur, since what must not occur forbids it", phrase.text)
                must.remove(phrase)
        prefix = self._segmenter.known_prefix(constraints.prefix)
        if search.max_length is not None and len(prefix) > search.max_length:
            warn_of_line(
                line, "the prefix has %d pieces, more than search.max_length=%d; cut", len(prefix), search.max_length
            )
        if constraints.prefix.strip() and not self._segmenter.is_known(constraints.prefix):
            warn_of_line(line, "the prefix is used up to its first character that has no piece")
        return TokenConstraints(line, prefix, must, avoid)

    def avoided_phrases(self, batch: Sequence[TokenConstraints]) -> list[Phrases]:
        """The phrases that must not occur in any sentence of a batch, and those of each sentence."""
        rows_of_all, rows = [self._avoid], [each.avoid for each in batch]
        return [Phrases.of(each, self._device, self._boundaries) for each in (rows_of_all, rows) if any(each)]

    def required_phrases(self, batch: Sequence[TokenConstraints]) -> LexicalConstraints | None:
        """The phrases that must occur in each sentence of a batch; None where there are none."""
        if not any(each.must for each in batch):
            return None
        rows = [[phrase.segmentations for phrase in each.must] for each in batch]
        return LexicalConstraints.of(rows, self._device, self._boundaries)

    def warn_of_missing(
        self, found: list[list[Hypothesis]], required: LexicalConstraints, batch: Sequence[TokenConstraints]
    ) -> None:
        """Warn of each sentence of a batch in whose best hypothesis a required phrase is missing."""
        search = self._search
        limit = "search.max_length_offset" if search.max_length is None else "search.max_length"
        for index, (hypotheses, constraints) in enumerate(zip(found, batch, strict=True)):
            if not hypotheses or required.are_met(hypotheses[0].ids, index):
                continue
            missing = []
            for phrase in constraints.must:
                alone = LexicalConstraints.of([[phrase.segmentations]], self._device, self._boundaries)
                if not alone.are_met(hypotheses[0].ids, 0):
                    missing.append(phrase.text)
            warn_of_line(
                constraints.line,
                "there is no room for all the words that must occur (missing: %s); raise %s%s",
                ", ".join(missing),
                limit,
                ", or search.no_repeat_ngram" if search.no_repeat_ngram else "",
            )

    def _segmentations(self, words: Sequence[str]) -> list[Segmentation]:
        return [each for word in words for each in self._segmenter.all_segmentations(word)]

    def _is_impossible(self, phrase: RequiredPhrase, avoided: list[Segmentation]) -> bool:
        """Whether each segmentation of a phrase holds something that must not occur."""
        avoid = Phrases.of([avoided], self._device, self._boundaries)

        def is_forbidden(tokens: Segmentation) -> bool:
            """Like `Avoid`, as soon as something occurs, whether or not its last word continues."""
            prefixes = (torch.tensor([[tokens[:end]]], device=self._device) for end in range(1, len(tokens) + 1))
            return any(bool(avoid.occur(prefix_11T).any()) for prefix_11T in prefixes)

        return all(map(is_forbidden, phrase.segmentations))
