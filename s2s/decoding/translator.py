"""Text in, text out: a trained run as a translator.

B sentences, K beams, V pieces.
"""

import logging
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from s2s.config.decoding import DecodingPrecision, EnsembleMean
from s2s.config.model import AttentionScore
from s2s.config.options import check_options
from s2s.config.search import SearchConfig, Strategy
from s2s.config.training import Device, Task
from s2s.data.batching import source_batch
from s2s.data.vocabulary.subwords import NO_TEXT, UNK, Subwords
from s2s.decoding.ensemble import Ensemble
from s2s.decoding.line_constraints import LineConstraints, _Sentence, _Word
from s2s.decoding.postprocessing import Translation, build_wording
from s2s.decoding.search.hypothesis_score import HypothesisScore
from s2s.decoding.search.lexical_constraints import LexicalConstraints
from s2s.decoding.search.phrases import Phrases, WordEdges
from s2s.decoding.search.rules import Avoid, MinimumLength, NoRepeat, Rule, Rules, prefixes
from s2s.decoding.search.sampling import Sampling
from s2s.decoding.search.search import Hypothesis, beam_search, sample_search
from s2s.decoding.segmentation import Speller
from s2s.device import choose_decoding_precision, choose_device
from s2s.errors import ConfigError, RunError
from s2s.models.seq2seq import Seq2Seq, build_seq2seq
from s2s.runs.checkpoint import load_best, load_weights
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import load_config

_logger = logging.getLogger(__name__)
_NOTHING_TO_SAY = (
    "the translation is empty, since the rules forbid every word before it can end: loosen search.no_repeat_ngram, "
    "search.min_length or what is to be avoided"
)


class Translator:
    """Translates lines with a trained model.

    A translation does not depend on what else is translated with it, nor on the batch size.
    """

    def __init__(
        self,
        models: Sequence[Seq2Seq],
        source: Subwords,
        target: Subwords,
        search: SearchConfig,
        device: torch.device,
        precision: torch.dtype = torch.float32,
        ensemble: EnsembleMean = EnsembleMean.log_probability,
        *,
        batch_size: int = 64,
        with_alignments: bool = False,
    ) -> None:
        """A translator with the weights that the models have when it is first used.

        Args:
            models: one, or several that form an ensemble.
            source, target: their subwords.
            search: how to search.
            device: where the models are.
            precision: of products in a step of the decoder: float32, bfloat16 or int8.
            ensemble: which mean of several models.
            batch_size: sentences translated at once.
            with_alignments: whether words of a translation are aligned with those of its source, by attention.

        Raises:
            ConfigError: the options need attention, which no model has.
        """
        self.model, self.source, self.target, self.search = models[0], source, target, search
        self.device = device
        self.batch_size, self.with_alignments = batch_size, with_alignments
        self._models, self.precision, self._ensemble = models, precision, ensemble
        _check_attention(search, with_alignments, any(model.has_attention for model in models))

    @cached_property
    def engine(self) -> Ensemble:
        """The models made ready for search, which commands that only read given text have no need of."""
        banned = [piece for piece in NO_TEXT if piece != UNK or not self.search.replace_unknown]
        return Ensemble(self._models, self.precision, banned=banned, mean=self._ensemble)

    @classmethod
    def load(
        cls,
        runs: str | Path | Sequence[str | Path],
        *,
        search: SearchConfig | None = None,
        device: Device | str = Device.auto,
        precision: DecodingPrecision | str = DecodingPrecision.auto,
        ensemble: EnsembleMean | str = EnsembleMean.log_probability,
        batch_size: int = 64,
        with_alignments: bool = False,
    ) -> Self:
        """A translator from a run folder, or from several with the same subwords; nothing in a folder is executed.

        Args:
            runs: a folder, or several whose models form an ensemble.
            search: how to search; left out: as `SearchConfig` does by default.
            device: where the models are.
            precision: of products in a step of the decoder.
            ensemble: which mean of several models.
            batch_size: sentences translated at once.
            with_alignments: whether words of a translation are aligned with those of its source, by attention.

        Raises:
            RunError: a folder is missing, foreign, or holds no readable weights; or the subwords differ.
            ConfigError: the options make no sense, or the device is not there.
        """
        search = search or SearchConfig()
        check_options(search, "search.")
        chosen = choose_device(Device(device))
        kind = choose_decoding_precision(DecodingPrecision(precision), chosen)
        folders = [RunFolder.existing(run) for run in ([runs] if isinstance(runs, str | Path) else runs)]
        scores = [load_config(folder.config).model.attention for folder in folders]
        _check_attention(search, with_alignments, any(score is not AttentionScore.none for score in scores))
        source, target = _common_subwords(folders)
        models = [_load_model(folder, source, target).to(chosen) for folder in folders]
        return cls(
            models,
            source,
            target,
            search,
            chosen,
            kind,
            EnsembleMean(ensemble),
            batch_size=batch_size,
            with_alignments=with_alignments,
        )

    def with_search(self, search: SearchConfig) -> Self:
        """A translator of the same models that searches in another way.

        Raises:
            ConfigError: the search needs attention, which no model has.
        """
        return type(self)(
            self._models,
            self.source,
            self.target,
            search,
            self.device,
            self.precision,
            self._ensemble,
            batch_size=self.batch_size,
            with_alignments=self.with_alignments,
        )

    def translate(self, lines: Sequence[str]) -> list[str]:
        """The best translation of each line, in order; a blank line gives an empty one."""
        return [translation.texts[0] for translation in self.translations(lines)]

    def translations(
        self,
        lines: Sequence[str],
        *,
        numbers: Sequence[int] | None = None,
        demands: Sequence[LineConstraints] | None = None,
        keep_attention: bool = False,
    ) -> list[Translation]:
        """All that was asked for of each line, in order.

        A line for which the rules of search leave nothing to say gives an empty translation, with a warning.

        Args:
            lines: any text; line ends count as white space.
            numbers: of the lines, for warnings, and for samples, which depend on them; left out: 1, 2, 3 ...
            demands: what is asked of the translation of each line; left out: nothing.
            keep_attention: give each hypothesis its attention, where the model has any.

        Raises:
            ConfigError: the options of search do not go with this model, or with the demands.
            CheckpointError: the weights are damaged.
        """
        numbers = range(1, len(lines) + 1) if numbers is None else numbers
        keep_attention = keep_attention or self.with_alignments or self.search.replace_unknown
        sentences = self._sentences(lines, numbers, demands or [LineConstraints()] * len(lines))
        order = sorted((i for i in range(len(lines)) if sentences[i].source), key=lambda i: len(sentences[i].source))
        wording = build_wording(self.source, self.target, self.search, with_alignments=self.with_alignments)
        results = [wording.nothing()] * len(lines)
        for batch in _chunks(order, self.batch_size):
            found = self._search([sentences[index] for index in batch], keep_attention)
            for index, hypotheses in zip(batch, found, strict=True):
                if hypotheses:
                    results[index] = wording.translation(lines[index], sentences[index].source, hypotheses)
                else:
                    _logger.warning("line %d: %s", numbers[index], _NOTHING_TO_SAY)
        return results

    def _cut(self, ids: list[int], line: int) -> list[int]:
        most = self.search.max_source_pieces
        if len(ids) > most:
            _logger.warning("line %d: %d pieces are more than search.max_source_pieces=%d; cut", line, len(ids), most)
        return ids[:most]

    def _sentences(
        self, lines: Sequence[str], numbers: Sequence[int], demands: Sequence[LineConstraints]
    ) -> list[_Sentence]:
        """The lines in pieces, and what is asked of their translations in pieces."""
        search, speller = self.search, self._speller
        always = [_Word(word, self._usual(word, f"search.must=[{word}]")) for word in search.must]
        never = self._avoided(search.avoid)
        for word in always:
            if self._is_forbidden(word, never):
                raise ConfigError(f"{word.text} must occur (search.must), but search.avoid forbids it; leave one out")
        sentences = []
        for line, source, demand in zip(numbers, self.source.encode(lines), demands, strict=True):
            if demand.must and (search.strategy is not Strategy.beam or search.diverse_groups > 1):
                raise ConfigError("words that must occur need search=beam without search.diverse_groups")
            prefix, avoid = speller.prefix(demand.prefix), self._avoided(demand.avoid)
            must = [*always, *self._demanded(demand.must, line)]
            if demand.must or avoid:
                must = self._possible(must, never + avoid, line)
            if search.max_length is not None and len(prefix) > search.max_length:
                _logger.warning(
                    "line %d: the prefix has %d pieces, more than search.max_length=%d; cut",
                    line,
                    len(prefix),
                    search.max_length,
                )
            if demand.prefix.strip() and not speller.is_writable(demand.prefix):
                _logger.warning("line %d: the prefix is used up to its first character that has no piece", line)
            sentences.append(
                _Sentence(
                    line,
                    self._cut(source, line),
                    prefix,
                    must,
                    avoid,
                )
            )
        return sentences

    def _demanded(self, words: Sequence[str], line: int) -> list[_Word]:
        """The words that must occur in a line; one that cannot be written is left out, with a warning."""
        demanded = []
        for word in words:
            if self._speller.is_writable(word):
                demanded.append(_Word(word, self._speller.usual(word)))
            else:
                _logger.warning("line %d: %s cannot occur, since the model has no piece for a character", line, word)
        return demanded

    def _possible(self, words: list[_Word], avoided: list[tuple[int, ...]], line: int) -> list[_Word]:
        """The words that must occur in a line; one that must not occur either is left out, with a warning."""
        possible = []
        for word in words:
            if self._is_forbidden(word, avoided):
                _logger.warning("line %d: %s cannot occur, since what must not occur forbids it", line, word.text)
            else:
                possible.append(word)
        return possible

    def _is_forbidden(self, word: _Word, avoided: list[tuple[int, ...]]) -> bool:
        """Whether a word cannot be said in any way without what must not be said."""
        if not avoided:
            return False
        avoid = Avoid(Phrases.of([avoided], self.device, self._edges))
        return all(avoid.forbids(way, len(self.target)) for way in word.ways)

    def _avoided(self, words: Sequence[str]) -> list[tuple[int, ...]]:
        """All ways to write words that must not occur."""
        return [spelling for word in words for spelling in self._speller.all_spellings(word)]

    @cached_property
    def _speller(self) -> Speller:
        return Speller(self.target)

    @cached_property
    def _edges(self) -> WordEdges:
        return self._speller.edges(self.device)

    def _usual(self, word: str, name: str) -> list[tuple[int, ...]]:
        if not self._speller.is_writable(word):
            raise ConfigError(f"{name} must occur, but is blank or has a character that the model has no piece for")
        return self._speller.usual(word)

    @torch.inference_mode()
    def _search(self, sentences: list[_Sentence], keep_attention: bool) -> list[list[Hypothesis]]:
        """The best hypotheses of each of a batch of sentences."""
        search = self.search
        source_BS, lengths_B = (tensor.to(self.device) for tensor in source_batch([item.source for item in sentences]))
        max_lengths_B = self._max_lengths(lengths_B, sentences)
        ranking = HypothesisScore(
            search.length_normalization, search.length_penalty, search.word_reward, search.coverage_penalty
        )
        rules = self._rules(sentences, lengths_B, max_lengths_B)
        start = self.engine.step, self.engine.start(source_BS, lengths_B), max_lengths_B
        if search.strategy is Strategy.sample:
            return sample_search(
                *start,
                sampling=Sampling(search.temperature, search.top_k, search.top_p),
                seed=search.seed,
                lines=[item.line for item in sentences],
                num_samples=search.num_best,
                ranking=ranking,
                rules=rules,
                source_lengths_B=lengths_B,
                keep_attention=keep_attention,
            )
        is_greedy = search.strategy is Strategy.greedy
        must = self._must(sentences)
        found = beam_search(
            *start,
            beam_size=1 if is_greedy else search.beam_size,
            num_best=search.num_best,
            ranking=ranking,
            rules=rules,
            must=must,
            groups=1 if is_greedy else search.diverse_groups,
            diversity_strength=search.diversity_strength,
            source_lengths_B=lengths_B,
            keep_attention=keep_attention,
        )
        if must is not None:
            self._warn_of_missing(found, must, sentences)
        return found

    def _max_lengths(self, lengths_B: Tensor, sentences: list[_Sentence]) -> Tensor:
        """Longest translations (B): relative to the source, or after the prefix; never more than `max_length`."""
        search = self.search
        most_B = (lengths_B * search.max_length_factor).long()
        most_B = most_B.maximum(most_B.new_tensor([len(item.prefix) for item in sentences])) + search.max_length_offset
        return most_B if search.max_length is None else most_B.clamp(max=search.max_length)

    def _rules(self, sentences: list[_Sentence], lengths_B: Tensor, max_lengths_B: Tensor) -> Rules | None:
        """What may be said; None: everything."""
        search = self.search
        rules: list[Rule] = []
        if search.min_length or search.min_length_factor:
            relative_B = ((lengths_B - 1) * search.min_length_factor).long()  # `</s>` is no piece of the source's text
            rules.append(MinimumLength(relative_B.clamp(min=search.min_length).minimum(max_lengths_B)))
        if search.no_repeat_ngram:
            rules.append(NoRepeat(search.no_repeat_ngram))
        for rows in ([self._avoided(search.avoid)], [item.avoid for item in sentences]):
            if any(rows):
                rules.append(Avoid(Phrases.of(rows, self.device, self._edges)))
        has_prefix = any(item.prefix for item in sentences)
        prefix_BP = prefixes([item.prefix for item in sentences], self.device) if has_prefix else None
        return Rules(rules, prefix_BP) if rules or has_prefix else None

    def _must(self, sentences: list[_Sentence]) -> LexicalConstraints | None:
        """What must be said; None: nothing."""
        if not any(item.must for item in sentences):
            return None
        return LexicalConstraints.of(
            [[word.ways for word in item.must] for item in sentences], self.device, self._edges
        )

    def _warn_of_missing(
        self, found: list[list[Hypothesis]], must: LexicalConstraints, sentences: list[_Sentence]
    ) -> None:
        longest = "search.max_length_offset" if self.search.max_length is None else "search.max_length"
        for index, (hypotheses, sentence) in enumerate(zip(found, sentences, strict=True)):
            if not hypotheses or must.is_met(hypotheses[0].ids, index):
                continue
            demands = [
                (word.text, LexicalConstraints.of([[word.ways]], self.device, self._edges)) for word in sentence.must
            ]
            missing = ", ".join(text for text, demand in demands if not demand.is_met(hypotheses[0].ids, 0))
            _logger.warning(
                "line %d: there is no room for all the words that must occur (%s is missing); raise %s%s",
                sentence.line,
                missing,
                longest,
                ", or search.no_repeat_ngram" if self.search.no_repeat_ngram else "",
            )


def _common_subwords(folders: Sequence[RunFolder]) -> tuple[Subwords, Subwords]:
    """The source and target subwords of runs that vote: of the first, and no other's may differ."""
    paths = [folder.subwords(load_config(folder.config, Task.translate).subwords.shared) for folder in folders]
    sides = [(Subwords.load(source), Subwords.load(target)) for source, target in paths]
    for folder, (source, target) in zip(folders, sides, strict=True):
        if (source.model, target.model) != (sides[0][0].model, sides[0][1].model):
            raise RunError(
                f"{folder.path} has other subwords than {folders[0].path}; models that vote need the same pieces: "
                "train them on one corpus with the same subwords options, with different seeds"
            )
    return sides[0]


def _check_attention(search: SearchConfig, with_alignments: bool, has_attention: bool) -> None:
    """See that what attention has to tell can be told.

    Raises:
        ConfigError: no model has any.
    """
    if has_attention:
        return
    for name, value in {
        "alignments": with_alignments,
        "search.replace_unknown": search.replace_unknown,
        "search.coverage_penalty": search.coverage_penalty,
    }.items():
        if value:
            raise ConfigError(
                f"{name} asks where the model looks, which a run with model.attention=none does not do: leave it out"
            )


def _load_model(folder: RunFolder, source: Subwords, target: Subwords) -> Seq2Seq:
    weights, _, origin = load_best(folder)
    if origin.parent == folder.last:
        _logger.warning("%s has no best weights yet; these are the newest", folder.path)
    model = build_seq2seq(load_config(folder.config).model, len(source), len(target))
    load_weights(model, weights, origin)
    return model.eval()


def _chunks(order: list[int], size: int) -> Iterator[list[int]]:
    rest = iter(order)
    while chunk := list(islice(rest, size)):
        yield chunk
