"""The translator of the Python API: text in, text out, and a look inside."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from os import PathLike
from typing import Any, Literal, Unpack, overload

import numpy as np

from s2s.analysis.attention import attention_of_pairs, check_has_attention, piece_pairs
from s2s.analysis.gate_reading import read_gates
from s2s.analysis.run_comparison import model_name, read_result
from s2s.analysis.six_steps import six_steps
from s2s.api.alignment import Alignment
from s2s.api.attention import AttentionMap
from s2s.api.beam import Beam, grown_beam
from s2s.api.gates import Gates
from s2s.api.inputs import lines_of, one_or_all, one_or_all_pairs, pairs_of, sentence_of, with_targets
from s2s.api.keywords import (
    NBestOptions,
    Search,
    SearchOptions,
    keyword_errors,
    search_config,
    takes_search_options,
)
from s2s.api.results import Results
from s2s.api.score import Score
from s2s.api.six_steps import SixSteps
from s2s.api.translation import Translation, translations_of
from s2s.config.decoding import DecodingPrecision, EnsembleMean
from s2s.config.pictures import Direction
from s2s.config.search import SearchConfig
from s2s.config.training import Config, Device
from s2s.config.typed_values import typed_value
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.forced_decoding import ForcedDecoder
from s2s.decoding.line_constraints import LineConstraints
from s2s.errors import DataError, RunError
from s2s.evaluation.attention_aligner import AttentionAligner
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import load_config

RunPath = str | PathLike[str]


class Translator:
    """Translates with a trained run, or with several that form an ensemble, and shows how it does it.

    Keywords of all methods that translate are the options of search by their names (`beam_size=`, `num_best=`,
    `max_length=` ...): docs/search.md describes them, `help(s2s.Translator.translate)` lists them. `search=` takes
    "greedy", "beam" or "sample". A translation depends on nothing else that is translated with it.

    >>> import s2s
    >>> translator = s2s.Translator.load("runs/demo")
    >>> translator.translate("하나 둘 셋")
    '...'
    """

    def __init__(self, core: BatchTranslator, folders: Sequence[RunFolder]) -> None:
        """A translator of loaded models; `Translator.load` makes one from run folders."""
        self._core, self._folders = core, tuple(folders)

    @classmethod
    @takes_search_options
    def load(
        cls,
        runs: RunPath | Sequence[RunPath],
        *,
        device: Device | str = Device.auto,
        precision: DecodingPrecision | str = DecodingPrecision.auto,
        ensemble: EnsembleMean | str = EnsembleMean.log_probability,
        batch_size: int = 64,
        search: Search = None,
        **options: Unpack[NBestOptions],
    ) -> "Translator":
        """A translator from a run folder, or from several with the same subwords; nothing in a folder is executed.

        >>> import s2s
        >>> s2s.Translator.load("runs/demo", device="cpu", beam_size=3)
        Translator of runs/demo: ... LSTM with dot attention, 1 layer of 24 units, ... weights, ...

        Args:
            runs: a folder, or several whose models form an ensemble.
            device: "auto" (CUDA where there is one), "cpu" or "cuda".
            precision: "auto", "fp32", "bf16" or "int8".
            ensemble: which mean of several models, "log_probability" or "probability".
            batch_size: sentences translated at once.
            search, options: how to search where a method is not told otherwise.

        Raises:
            RunError: a folder is missing, foreign, or holds no readable weights; or the subwords differ.
            ConfigError: an option is unknown or out of range, or does not go with the model or with another one.
        """
        paths = [str(run) for run in ([runs] if isinstance(runs, str | PathLike) else runs)]
        with keyword_errors():
            core = BatchTranslator.load(
                paths,
                search=search_config(SearchConfig(), search, options),
                device=typed_value("device", Device, device),
                precision=typed_value("precision", DecodingPrecision, precision),
                ensemble=typed_value("ensemble", EnsembleMean, ensemble),
                batch_size=batch_size,
            )
        return cls(core, [RunFolder.existing(path) for path in paths])

    @property
    def search(self) -> SearchConfig:
        """How it searches where a method is not told otherwise."""
        return self._core.search

    @overload
    def translate(  # type: ignore[overload-overlap]  # a text is a sequence of texts too, of its letters
        self,
        text: str,
        *,
        num_best: Literal[1] | None = None,
        constraints: LineConstraints | None = None,
        search: Search = None,
        **options: Unpack[SearchOptions],
    ) -> str: ...

    @overload
    def translate(  # type: ignore[overload-overlap]
        self,
        text: Iterable[str],
        *,
        num_best: Literal[1] | None = None,
        constraints: Sequence[LineConstraints] | None = None,
        search: Search = None,
        **options: Unpack[SearchOptions],
    ) -> list[str]: ...

    @overload
    def translate(  # type: ignore[overload-overlap]
        self,
        text: str,
        *,
        num_best: int,
        constraints: LineConstraints | None = None,
        search: Search = None,
        **options: Unpack[SearchOptions],
    ) -> Results[Translation]: ...

    @overload
    def translate(
        self,
        text: Iterable[str],
        *,
        num_best: int,
        constraints: Sequence[LineConstraints] | None = None,
        search: Search = None,
        **options: Unpack[SearchOptions],
    ) -> list[Results[Translation]]: ...

    @takes_search_options
    def translate(
        self,
        text: str | Iterable[str],
        *,
        num_best: int | None = None,
        constraints: LineConstraints | Sequence[LineConstraints] | None = None,
        search: Search = None,
        **options: Any,
    ) -> Any:
        """Translate a sentence, or a list of them.

        >>> import s2s
        >>> translator = s2s.Translator.load("runs/demo")
        >>> len(translator.translate(["하나 둘", "셋", ""]))
        3
        >>> [type(each).__name__ for each in translator.translate("하나 둘", num_best=2, beam_size=4)]
        ['Translation', 'Translation']

        Args:
            text: a sentence, or several; line ends in one count as white space.
            num_best: translations of each sentence; with mbr, among which it chooses.
            constraints: words that must or must not occur, or a beginning; one for each sentence.
            search, options: how to search.

        Returns:
            For a sentence its translation, for a list a list of as many, in order; a blank one has an empty
            translation. With num_best above 1, and without mbr, each of them is a list of `Translation`, best first.

        Raises:
            ConfigError: an option is unknown or out of range, or does not go with the model or with another one.
            DataError: something else than text was given.
        """
        given = options if num_best is None else {**options, "num_best": num_best}
        found = self._translations(text, constraints, search, given)
        gives_one = search_config(self.search, search, given).gives_one
        shown = [each[0].text for each in found] if gives_one else found
        return shown[0] if isinstance(text, str) else shown

    @overload
    def translations(  # type: ignore[overload-overlap]
        self,
        text: str,
        *,
        alignments: bool = False,
        constraints: LineConstraints | None = None,
        search: Search = None,
        **options: Unpack[NBestOptions],
    ) -> Results[Translation]: ...

    @overload
    def translations(
        self,
        text: Iterable[str],
        *,
        alignments: bool = False,
        constraints: Sequence[LineConstraints] | None = None,
        search: Search = None,
        **options: Unpack[NBestOptions],
    ) -> list[Results[Translation]]: ...

    @takes_search_options
    def translations(
        self,
        text: str | Iterable[str],
        *,
        alignments: bool = False,
        constraints: LineConstraints | Sequence[LineConstraints] | None = None,
        search: Search = None,
        **options: Any,
    ) -> Any:
        """Translate, with the score and the pieces of every translation.

        >>> import s2s
        >>> [best] = s2s.Translator.load("runs/demo").translations("하나 둘", alignments=True)
        >>> best.score <= 0, type(best.alignment)
        (True, <class 'tuple'>)

        Args:
            text: a sentence, or several.
            alignments: link the words of each translation with those of its source, by attention.
            constraints, search, options: as `translate` has them.

        Returns:
            For a sentence a list of `Translation`, as many as num_best says, best first; for a list one such list for
            each sentence.

        Raises:
            ConfigError, DataError: as `translate`.
        """
        found = self._translations(text, constraints, search, dict(options), with_alignments=alignments)
        return found[0] if isinstance(text, str) else found

    @overload
    def attention(  # type: ignore[overload-overlap]
        self,
        text: str,
        target: str | None = None,
        *,
        ends: bool = True,
        pieces: bool = False,
        search: Search = None,
        **options: Unpack[SearchOptions],
    ) -> AttentionMap: ...

    @overload
    def attention(
        self,
        text: Iterable[str],
        target: Sequence[str | None] | None = None,
        *,
        ends: bool = True,
        pieces: bool = False,
        search: Search = None,
        **options: Unpack[SearchOptions],
    ) -> Results[AttentionMap]: ...

    @takes_search_options
    def attention(
        self,
        text: str | Iterable[str],
        target: str | Sequence[str | None] | None = None,
        *,
        ends: bool = True,
        pieces: bool = False,
        search: Search = None,
        **options: Unpack[SearchOptions],
    ) -> Any:
        """Where the model looks while it says each word of a translation.

        >>> import s2s
        >>> s2s.Translator.load("runs/demo").attention("하나 둘", "two one")
        Attention in percent, source words across:
        ...

        Args:
            text: a sentence, or several.
            target: its translation, for several one each; left out (None): the model's own.
            ends: show `</s>`, the end of a sentence; without it, attention to it is missing.
            pieces: show subword pieces, not words.
            search, options: how to search for the model's own translation.

        Returns:
            An `AttentionMap`, or for several sentences a list of them.

        Raises:
            RunError: the model has no attention.
            DataError: a sentence or its translation is blank.
        """
        core = self._with_attention(search, options)
        lines, targets = with_targets(text, target)
        found = attention_of_pairs(core, piece_pairs(core, lines, targets), has_ends=ends, is_merged=not pieces)
        results = []
        for line, each in zip(lines, found, strict=True):
            if each is None:
                raise DataError(f"there is no attention to show: {line!r} or its translation is blank")
            results.append(AttentionMap(tuple(each.source), tuple(each.target), each.weights_JI))
        return one_or_all(text, results)

    @takes_search_options
    def explain(
        self,
        text: str,
        target: str | None = None,
        *,
        step: int = 1,
        search: Search = None,
        **options: Unpack[SearchOptions],
    ) -> SixSteps:
        """The six steps of attention, with their numbers, when the model says one piece of a translation.

        >>> import s2s
        >>> s2s.Translator.load("runs/demo").explain("하나 둘", "two one", step=2).step
        2

        Args:
            text: a sentence.
            target: its translation; left out: the model's own.
            step: which piece of the translation, from 1; the last one is `</s>`.
            search, options: how to search for the model's own translation.

        Raises:
            RunError: the model has no attention.
            ConfigError: there is no such step.
            DataError: the sentence is blank.
        """
        core = self._with_attention(search, options)
        [pair] = piece_pairs(core, [sentence_of(text)], [target])
        return SixSteps.of(six_steps(core, pair, step))

    @takes_search_options
    def beam(self, text: str, *, search: Search = None, **options: Unpack[SearchOptions]) -> Beam:
        """How the beam grew while a sentence was translated.

        >>> import s2s
        >>> s2s.Translator.load("runs/demo").beam("하나 둘", beam_size=2)
        Beam of '하나 둘'; * leads to the translation:
        ...

        Args:
            text: a sentence.
            search, options: how to search; beam search only.

        Raises:
            ConfigError: another kind of search was asked for.
            DataError: the sentence is blank, or the rules leave no translation.
        """
        config = replace(search_config(self.search, search, options), num_best=1)
        core = self._core.with_search(config)
        with keyword_errors():
            steps, found = core.beam_steps(sentence_of(text))
        beam = grown_beam(text, steps, core.target, translations_of(found)[0])
        if not beam.best:
            raise DataError(f"no translation of {text!r} was finished: loosen the rules of the search")
        return beam

    def gates(
        self,
        text: str,
        *,
        layer: int = 1,
        direction: Direction | str = Direction.forwards,
        units: Sequence[int] = (),
        num_units: int = 8,
        lines: int = 200,
    ) -> Gates:
        """What the gates of the encoder do at each piece of a sentence.

        >>> import s2s
        >>> s2s.Translator.load("runs/demo").gates("하나 둘", units=[3, 5], lines=0)
        Gates of LSTM, encoder layer 1 reading forwards, ... pieces; 2 units:
        ...

        Args:
            text: a sentence.
            layer: of the encoder, from 1.
            direction: "forwards" or "backwards", in which the layer reads.
            units: those to show, from 0; left out: those that remember longest, and those that forget first.
            num_units: how many of each of these.
            lines: of the run's test set, over which the gates are averaged; 0: over this sentence alone.

        Raises:
            RunError: the cells have no gates, or there is no test set.
            ConfigError: there is no such layer, direction or unit.
            DataError: the sentence is blank.
        """
        chosen = typed_value("direction", Direction, direction)
        with keyword_errors():
            reading = read_gates(
                self._core, self._folders[0], sentence_of(text), layer=layer, direction=chosen, num_lines=lines
            )
        return Gates.of(reading, reading.chosen(list(units), num_units))

    @overload
    def score(self, pairs: tuple[str, str]) -> Score: ...

    @overload
    def score(self, pairs: Iterable[tuple[str, str]]) -> Results[Score]: ...

    def score(self, pairs: tuple[str, str] | Iterable[tuple[str, str]]) -> Any:
        """How likely the model finds given translations.

        >>> import s2s
        >>> for score in s2s.Translator.load("runs/demo").score([("하나 둘", "two one"), ("하나 둘", "three")]):
        ...     print(score.target, score.mean < 0)
        two one True
        three True

        Args:
            pairs: (source, target), or several such pairs.

        Returns:
            A `Score`, or for several pairs a list of them.

        Raises:
            DataError: something else than pairs of texts was given.
        """
        given = pairs_of(pairs)
        decoder = ForcedDecoder(self._core)
        results = []
        for pair, found in zip(given, decoder.scores(given), strict=True):
            values = np.array(found.token_log_probabilities)
            pieces = (*decoder.target.pieces(found.ids), "</s>")[: len(values)]
            results.append(Score(pair.source, pair.target, pieces, values))
        return one_or_all_pairs(pairs, results)

    @overload
    def align(self, pairs: tuple[str, str], *, threshold: float | None = None) -> Alignment: ...

    @overload
    def align(self, pairs: Iterable[tuple[str, str]], *, threshold: float | None = None) -> Results[Alignment]: ...

    def align(self, pairs: tuple[str, str] | Iterable[tuple[str, str]], *, threshold: float | None = None) -> Any:
        """Which words of given translations belong to which words of their sources, by attention.

        >>> import s2s
        >>> alignments = s2s.Translator.load("runs/demo").align([("하나 둘", "two one"), ("셋", "three")])
        >>> alignments[1].links
        ((0, 0),)

        Args:
            pairs: (source, target), or several such pairs.
            threshold: link all source words with at least this weight, 0 to 1; left out: the one with the most.

        Returns:
            An `Alignment`, or for several pairs a list of them.

        Raises:
            RunError: the model has no attention.
            DataError: something else than pairs of texts was given.
        """
        given = pairs_of(pairs)
        links = AttentionAligner(ForcedDecoder(self._core), threshold).links(given)
        results = [
            Alignment(tuple(pair.source.split()), tuple(pair.target.split()), tuple(each))
            for pair, each in zip(given, links, strict=True)
        ]
        return one_or_all_pairs(pairs, results)

    @cached_property
    def _config(self) -> Config:
        return load_config(self._folders[0].config)

    def __repr__(self) -> str:
        core, config = self._core, self._config
        names = ", ".join(str(folder.path) for folder in self._folders)
        if len(self._folders) > 1:
            names = f"an ensemble of {names}"
        num_weights = sum(weights.numel() for weights in core.model.parameters())
        facts = [
            f"{config.data.source_language} → {config.data.target_language}",
            model_name(config),
            f"{num_weights / 1e6:.1f} million weights" if num_weights >= 1e5 else f"{num_weights:,} weights",
            f"{len(core.source):,} and {len(core.target):,} pieces",
            *_test_score(self._folders[0]),
            str(core.device),
        ]
        return f"Translator of {names}: {', '.join(facts)}"

    def _translations(
        self,
        text: str | Iterable[str],
        constraints: LineConstraints | Sequence[LineConstraints] | None,
        search: Search,
        options: dict[str, Any],
        *,
        with_alignments: bool = False,
    ) -> list[Results[Translation]]:
        lines = lines_of(text)
        each_line = [constraints] if isinstance(constraints, LineConstraints) else constraints
        if each_line is not None and len(each_line) != len(lines):
            raise DataError(f"expected constraints for each of {len(lines)} sentences, got {len(each_line)}")
        with keyword_errors():
            core = self._core.with_search(search_config(self.search, search, options))
            core = replace(core, with_alignments=with_alignments)
            return [Results(translations_of(each)) for each in core.translations(lines, constraints=each_line)]

    def _with_attention(self, search: Search, options: SearchOptions) -> BatchTranslator:
        """The core, which has attention and finds one translation.

        Raises:
            RunError: it has none.
        """
        with keyword_errors():
            check_has_attention(self._core, self._folders[0].path)
        return self._core.with_search(search_config(self.search, search, options))


def _test_score(folder: RunFolder) -> list[str]:
    """The BLEU of a run on its test set, if it is known."""
    try:
        known = read_result(folder).measures
    except RunError:
        return []
    return [f"test BLEU {known['bleu']:.2f}"] if "bleu" in known else []
