"""Gradients through time of new small language models, and of the encoders of trained runs.

V pieces of a text, one after the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import torch
from tqdm import tqdm

from s2s.analysis.gradients import Curves, LanguageModel, WeightInit, joined, measure, measure_layer, scaled, windows
from s2s.analysis.learning import learn
from s2s.analysis.picture_words import localized
from s2s.analysis.run_comparison import short_names
from s2s.config.data import Split, SubwordKind
from s2s.config.model import Cell
from s2s.config.pictures import Language
from s2s.data.phrasebook.generate import distinct_pairs
from s2s.data.text.parallel_text import read_pairs
from s2s.data.vocabulary.subwords import EOS, train_subwords
from s2s.decoding.batch_translator import BatchTranslator
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import load_config

_NUM_SENTENCES = {Split.train: 5000, Split.dev: 2000}
_VOCABULARY_SIZE = 500
_TRAINING_LENGTH = 100
_LEARNING_RATE = 3e-3


@dataclass(frozen=True)
class Measurement:
    """One cell or run in one situation.

    Attributes:
        pattern: at which point it was measured, with the names of numbers in braces; a panel of the picture.
        name: of the cell or the run.
        by_length: its curves for each length of the sequences.
        numbers: those that the pattern names.
    """

    pattern: str
    name: str
    by_length: dict[int, Curves]
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def situation(self) -> str:
        """At which point it was measured."""
        return self.told(Language.en)

    def told(self, language: Language) -> str:
        """At which point it was measured, in a language."""
        return localized(self.pattern, language).format(**self.numbers)


def measure_new_models(
    lengths: Sequence[int],
    *,
    num_batches: int,
    batch_size: int,
    hidden_size: int,
    num_steps: int,
    scale: float,
    max_grad_norm: float,
    seed: int,
) -> list[Measurement]:
    """Measure cells of equal size that learn to predict the next piece of the phrasebook's English.

    Args:
        lengths: of the sequences, in pieces.
        num_batches: measured at each length.
        num_steps: of training.
        scale: factor of the recurrent weights in the third situation.
    """
    lines = {split: [pair.target for pair in distinct_pairs(split, n, seed)] for split, n in _NUM_SENTENCES.items()}
    subwords, _ = train_subwords(
        lines[Split.train], vocabulary_size=_VOCABULARY_SIZE, kind=SubwordKind.unigram, character_coverage=1.0
    )
    text = {split: joined(subwords.encode(sentences), EOS) for split, sentences in lines.items()}

    def measured(pattern: str, model: LanguageModel, **numbers: float) -> Measurement:
        curves = {}
        for length in lengths:
            batches = islice(windows(text[Split.dev], length + 1, batch_size, seed), num_batches)
            curves[length] = measure(model, batches, max_grad_norm)
        return Measurement(pattern, model.kind.name, curves, numbers)

    found = []
    for cell in tqdm(Cell, desc="measuring", unit="cell", disable=None):
        torch.manual_seed(seed)
        model = LanguageModel(cell, len(subwords), hidden_size, WeightInit.uniform)
        found.append(measured("at first: torch's own weights", model))
        model = LanguageModel(cell, len(subwords), hidden_size, WeightInit.orthogonal)
        found.append(measured("at first: orthogonal recurrent weights", model))
        found.append(measured("at first: orthogonal weights times {scale:g}", scaled(model, scale), scale=scale))
        batches = islice(windows(text[Split.train], _TRAINING_LENGTH + 1, batch_size, seed), num_steps)
        learn(model, map(model.loss_nats, batches), learning_rate=_LEARNING_RATE, max_grad_norm=max_grad_norm)
        found.append(measured("after {steps} steps of training from orthogonal weights", model, steps=num_steps))
    return found


def measure_runs(
    runs: Sequence[RunFolder], lengths: Sequence[int], *, num_batches: int, batch_size: int, seed: int
) -> list[Measurement]:
    """Measure the first encoder layer of each run, reading forwards through the sentences of its own test set.

    Args:
        runs: trained translators.
        lengths: of the sequences, in pieces.
        num_batches: measured at each length.
    """
    found = []
    for run, name in zip(runs, short_names(runs), strict=True):
        translator = BatchTranslator.load(run.path, device="cpu")
        encoder, cell = translator.model.encoder, load_config(run.config).model.cell
        pairs = read_pairs(*run.kept_text("test", advice="measure the run that it was exported from"))
        text_V = joined(translator.source.encode([pair.source for pair in pairs]), EOS)
        curves = {}
        for length in lengths:
            batches = islice(windows(text_V, length, batch_size, seed), num_batches)
            inputs = (encoder.embedding(window_BS).detach() for window_BS in batches)
            curves[length] = measure_layer(encoder.layers[0].forwards, cell, inputs, seed)  # type: ignore[arg-type]
        found.append(Measurement("trained encoders, reading forwards", name, curves))
    return found
