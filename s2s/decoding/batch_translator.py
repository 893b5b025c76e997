"""Text in, text out: a trained run as a translator. B sentences."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from s2s.config.decoding import DecodingPrecision, EnsembleMean
from s2s.config.model import AttentionScore, ModelConfig
from s2s.config.options import check_options
from s2s.config.search import SearchConfig, Strategy
from s2s.config.training import Config, Device, Task
from s2s.data.batching import source_batch
from s2s.data.vocabulary.subwords import NO_TEXT, UNK, Subwords
from s2s.decoding.ensemble import Ensemble
from s2s.decoding.line_constraints import ConstraintCompiler, LineConstraints, TokenConstraints
from s2s.decoding.line_warnings import warn_of_line
from s2s.decoding.postprocessing import NBestList, Postprocessing, build_postprocessing
from s2s.decoding.search.backpointers import Backpointers, Hypothesis
from s2s.decoding.search.hypothesis_score import HypothesisScore
from s2s.decoding.search.rules import build_rules
from s2s.decoding.search.sampling import Sampling
from s2s.decoding.search.search import beam_search, sample_search
from s2s.device import choose_decoding_precision, choose_device
from s2s.errors import ConfigError, RunError
from s2s.models.seq2seq import Seq2Seq, build_seq2seq
from s2s.runs.checkpoint import load_model
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import load_config

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class BatchTranslator:
    """Translates lines with a trained model, or with several that form an ensemble.

    A translation does not depend on what else is translated with it, nor on the batch size. The models have the weights
    of the moment when the first line is translated.

    Attributes:
        models: on the device.
        source, target: their subwords.
        search: how to search.
        device: where to compute.
        precision: of matrix products in a step of the decoder: float32, bfloat16 or int8.
        ensemble_mean: which mean of several models.
        batch_size: sentences translated at once.
        with_alignments: align the words of each translation with those of its source, by attention.
    """

    models: Sequence[Seq2Seq]
    source: Subwords
    target: Subwords
    search: SearchConfig
    device: torch.device
    precision: torch.dtype = torch.float32
    ensemble_mean: EnsembleMean = EnsembleMean.log_probability
    batch_size: int = 64
    with_alignments: bool = False

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ConfigError: they need attention, which no model has.
        """
        _check_attention(self.search, self.with_alignments, any(model.has_attention for model in self.models))

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
            search: how to search; left out: by the defaults of `SearchConfig`.
            device, precision: where to compute, and in which type.
            ensemble: which mean of several models.
            batch_size, with_alignments: as in the class.

        Raises:
            RunError: a folder is missing, foreign, or holds no readable weights; or the subwords differ.
            ConfigError: the options contradict each other or the model, or the device is not there.
        """
        search = search or SearchConfig()
        check_options(search, "search.")
        torch_device = choose_device(Device(device))
        dtype = choose_decoding_precision(DecodingPrecision(precision), torch_device)
        folders = [RunFolder.existing(run) for run in ([runs] if isinstance(runs, str | Path) else runs)]
        configs = [load_config(folder.config, Task.translate) for folder in folders]
        has_attention = any(config.model.attention is not AttentionScore.none for config in configs)
        _check_attention(search, with_alignments, has_attention)
        source, target = _common_subwords(folders, configs)
        models = [
            _load_model(folder, config.model, source, target).to(torch_device)
            for folder, config in zip(folders, configs, strict=True)
        ]
        mean = EnsembleMean(ensemble)
        return cls(models, source, target, search, torch_device, dtype, mean, batch_size, with_alignments)

    def with_search(self, search: SearchConfig) -> Self:
        """A translator of the same models that searches in another way.

        Raises:
            ConfigError: the search needs attention, which no model has.
        """
        return replace(self, search=search)

    @property
    def model(self) -> Seq2Seq:
        """The first model, which is the only one but in an ensemble."""
        return self.models[0]

    def translate(self, lines: Sequence[str]) -> list[str]:
        """The best translation of each line, in order; a blank line gives an empty one."""
        return [translation.texts[0] for translation in self.translations(lines)]

    def translations(
        self,
        lines: Sequence[str],
        *,
        numbers: Sequence[int] | None = None,
        constraints: Sequence[LineConstraints] | None = None,
        keep_attention: bool = False,
        progress: Callable[[int], object] | None = None,
    ) -> list[NBestList]:
        """All translations of each line that the search asks for, in order.

        A line for which the rules of the search leave no translation gets an empty one, with a warning.

        Args:
            lines: any text; line ends count as white space.
            numbers: of the lines, for warnings, and for samples, which depend on them; left out: 1, 2, 3 ...
            constraints: of the translation of each line; left out: none.
            keep_attention: give each hypothesis its attention, where the model has any.
            progress: is called with the number of lines of each batch once they are translated.

        Raises:
            ConfigError: the options of the search do not go with this model, or with the constraints.
            CheckpointError: the weights are damaged.
        """
        numbers = range(1, len(lines) + 1) if numbers is None else numbers
        constraints = [LineConstraints()] * len(lines) if constraints is None else constraints
        sources, compiled = [], []
        for number, ids, each in zip(numbers, self.source.encode(lines), constraints, strict=True):
            compiled.append(self._compiler.compile(each, number))
            sources.append(self._cut(ids, number))
        order = sorted((row for row, ids in enumerate(sources) if ids), key=lambda row: len(sources[row]))
        results = [self._postprocessing.empty_translation()] * len(lines)
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            found = self._search([sources[row] for row in batch], [compiled[row] for row in batch], keep_attention)
            if progress is not None:
                progress(len(batch))
            for row, hypotheses in zip(batch, found, strict=True):
                if hypotheses:
                    results[row] = self._postprocessing(lines[row], sources[row], hypotheses)
                else:
                    warn_of_line(
                        numbers[row],
                        "the translation is empty, since the rules forbid every piece before it can end: "
                        "loosen search.no_repeat_ngram, search.min_length or what is to be avoided",
                    )
        return results

    def beam_steps(self, line: str) -> tuple[list[Backpointers], NBestList]:
        """What beam search chose for one line at each of its steps, and what it found.

        No steps for a blank line; where the rules of the search leave no translation, an empty one.

        Raises:
            ConfigError: the search is not a beam search, or does not go with this model.
        """
        if self.search.strategy is not Strategy.beam:
            raise ConfigError(f"search={self.search.strategy.name} has no beam to show: expected search=beam")
        steps: list[Backpointers] = []
        source = self._cut(self.source.encode([line])[0], 1)
        hypotheses: list[Hypothesis] = []
        if source:
            [hypotheses] = self._search([source], [self._compiler.compile(LineConstraints(), 1)], False, steps)
        if not hypotheses:
            return steps, self._postprocessing.empty_translation()
        return steps, self._postprocessing(line, source, hypotheses)

    @cached_property
    def packed(self) -> Ensemble:
        """The models, packed for search; commands that only read given text have no need of it."""
        banned = [piece for piece in NO_TEXT if piece != UNK or not self.search.replace_unknown]
        return Ensemble(self.models, self.precision, banned=banned, mean=self.ensemble_mean)

    @cached_property
    def _compiler(self) -> ConstraintCompiler:
        return ConstraintCompiler(self.target, self.search, self.device)

    @cached_property
    def _postprocessing(self) -> Postprocessing:
        return build_postprocessing(self.source, self.target, self.search, with_alignments=self.with_alignments)

    def _cut(self, ids: list[int], line: int) -> list[int]:
        most = self.search.max_source_pieces
        if len(ids) > most:
            warn_of_line(line, "%d pieces are more than search.max_source_pieces=%d; cut", len(ids), most)
        return ids[:most]

    @torch.inference_mode()
    def _search(
        self,
        sources: Sequence[list[int]],
        constraints: Sequence[TokenConstraints],
        keep_attention: bool,
        record: list[Backpointers] | None = None,
    ) -> list[list[Hypothesis]]:
        search = self.search
        source_BS, lengths_B = (tensor.to(self.device) for tensor in source_batch(sources))
        prefixes = [each.prefix for each in constraints]
        max_lengths_B = self._max_lengths(lengths_B, prefixes)
        scorer = HypothesisScore(
            search.length_normalization, search.length_penalty, search.word_reward, search.coverage_penalty
        )
        avoided = self._compiler.avoided_phrases(constraints)
        rules = build_rules(search, lengths_B, max_lengths_B, avoided, prefixes)
        keep_attention = keep_attention or self.with_alignments or search.replace_unknown
        start = self.packed.step, self.packed.start(source_BS, lengths_B), max_lengths_B
        if search.strategy is Strategy.sample:
            return sample_search(
                *start,
                sampling=Sampling(search.temperature, search.top_k, search.top_p),
                seed=search.seed,
                lines=[each.line for each in constraints],
                num_samples=search.num_best,
                scorer=scorer,
                rules=rules,
                source_lengths_B=lengths_B,
                keep_attention=keep_attention,
            )
        is_greedy = search.strategy is Strategy.greedy
        required = self._compiler.required_phrases(constraints)
        found = beam_search(
            *start,
            beam_size=1 if is_greedy else search.beam_size,
            num_best=search.num_best,
            scorer=scorer,
            rules=rules,
            constraints=required,
            num_groups=1 if is_greedy else search.diverse_groups,
            diversity_strength=search.diversity_strength,
            source_lengths_B=lengths_B,
            keep_attention=keep_attention,
            record=record,
        )
        if required is not None:
            self._compiler.warn_of_missing(found, required, constraints)
        return found

    def _max_lengths(self, lengths_B: Tensor, prefixes: Sequence[list[int]]) -> Tensor:
        """Longest translations (B): relative to the source or the prefix; never more than `max_length`."""
        search = self.search
        most_B = (lengths_B * search.max_length_factor).long()
        most_B = most_B.maximum(most_B.new_tensor([len(prefix) for prefix in prefixes])) + search.max_length_offset
        return most_B if search.max_length is None else most_B.clamp(max=search.max_length)


def _common_subwords(folders: Sequence[RunFolder], configs: Sequence[Config]) -> tuple[Subwords, Subwords]:
    """The source and target subwords of the runs of an ensemble, which must be the same."""
    sides = []
    for folder, config in zip(folders, configs, strict=True):
        paths = folder.checked(*folder.subwords(config.subwords.shared))
        sides.append((Subwords.load(paths[0]), Subwords.load(paths[1])))
    for folder, (source, target) in zip(folders, sides, strict=True):
        if (source.model, target.model) != (sides[0][0].model, sides[0][1].model):
            raise RunError(
                f"{folder.path} has other subwords than {folders[0].path}; the runs of an ensemble need the same "
                "pieces: train them on one corpus with the same subwords options, with different seeds"
            )
    return sides[0]


def _check_attention(search: SearchConfig, with_alignments: bool, has_attention: bool) -> None:
    """Refuse options that need attention where no model has any."""
    if has_attention:
        return
    for name, value in {
        "alignments": with_alignments,
        "search.replace_unknown": search.replace_unknown,
        "search.coverage_penalty": search.coverage_penalty,
    }.items():
        if value:
            raise ConfigError(
                f"{name} needs attention, which a run with model.attention=none does not have: leave it out"
            )


def _load_model(folder: RunFolder, config: ModelConfig, source: Subwords, target: Subwords) -> Seq2Seq:
    model, origin = load_model(folder, partial(build_seq2seq, config, len(source), len(target)))
    if origin.parent == folder.last:
        _logger.warning("%s has no best weights yet; these are the newest", folder.path)
    return model.eval()
