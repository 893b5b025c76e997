"""TODO: say what s2s.analysis.gradient_study is."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from tqdm import tqdm

from s2s.analysis.gradients import Curves, LanguageModel, Start, joined, measure, measure_layer, scaled, windows
from s2s.analysis.learning import learn
from s2s.analysis.run_comparison import find_translators, short_names
from s2s.config.commands import GradientsConfig
from s2s.config.data import Split, SubwordKind
from s2s.config.model import Cell
from s2s.data.phrasebook.generate import distinct_pairs
from s2s.data.text.parallel_text import read_pairs
from s2s.data.vocabulary.subwords import EOS, Subwords, train_subwords
from s2s.decoding.translator import Translator
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import load_config

_NUM_SENTENCES = {Split.train: 5000, Split.dev: 2000}
_VOCABULARY_SIZE = 500
_TRAINING_LENGTH = 100
_LEARNING_RATE = 3e-3


@dataclass(frozen=True)
class Measured:
    """One system in one situation.

    Attributes:
        situation: at which point it was measured; a panel of the picture.
        name: of the cell or the run.
        by_length: its curves for each length of the sequences.
    """

    situation: str
    name: str
    by_length: dict[int, Curves]


# ----------------------------------------------------------------------------------------------------------------------
# New models


def _measure_new_models(config: GradientsConfig) -> list[Measured]:
    """Cells of equal size, that learn to say the next piece of the phrasebook's English."""
    text, num_pieces = _phrasebook_pieces(config.seed)
    found = []
    for cell in tqdm(Cell, desc="measuring", unit="cell", disable=None):
        for situation, model in _situations(cell, num_pieces, text[Split.train], config):
            curves = {
                length: measure(model, _batches(text[Split.dev], length + 1, config), config.max_grad_norm)
                for length in config.lengths
            }
            found.append(Measured(situation, cell.name, curves))
    return found


def _situations(
    cell: Cell, num_pieces: int, text_V: Tensor, config: GradientsConfig
) -> Iterator[tuple[str, LanguageModel]]:
    """A model in each of the situations in which it is looked at."""
    torch.manual_seed(config.seed)
    yield "at first: torch's own weights", LanguageModel(cell, num_pieces, config.hidden_size, Start.uniform)
    model = LanguageModel(cell, num_pieces, config.hidden_size, Start.orthogonal)
    yield "at first: orthogonal recurrent weights", model
    yield f"at first: orthogonal weights times {config.scale:g}", scaled(model, config.scale)
    batches = islice(windows(text_V, _TRAINING_LENGTH + 1, config.batch_size, config.seed), config.steps)
    losses = (model.loss_nats(window_BS) for window_BS in batches)
    learn(model, losses, learning_rate=_LEARNING_RATE, max_grad_norm=config.max_grad_norm)
    yield f"after {config.steps} steps of training from orthogonal weights", model


def _phrasebook_pieces(seed: int) -> tuple[dict[Split, Tensor], int]:
    """English sentences one after the other, for training and for measuring, and the number of different pieces."""
    lines = {split: [pair.target for pair in distinct_pairs(split, n, seed)] for split, n in _NUM_SENTENCES.items()}
    subwords, _ = train_subwords(
        lines[Split.train], vocabulary_size=_VOCABULARY_SIZE, kind=SubwordKind.unigram, character_coverage=1.0
    )
    return {split: joined(subwords.encode(text), EOS) for split, text in lines.items()}, len(subwords)


def _batches(pieces_V: Tensor, length: int, config: GradientsConfig) -> Iterator[Tensor]:
    return islice(windows(pieces_V, length, config.batch_size, config.seed), config.batches)


# ----------------------------------------------------------------------------------------------------------------------
# Trained runs


def _measure_runs(config: GradientsConfig) -> list[Measured]:
    """The first encoder layer of each run, as it reads forwards through the sentences of its own test set."""
    runs = find_translators(config.runs)
    return [_measure_run(run, name, config) for run, name in zip(runs, short_names(runs), strict=True)]


def _measure_run(run: RunFolder, name: str, config: GradientsConfig) -> Measured:
    translator = Translator.load(run.path, device="cpu")
    encoder = translator.model.encoder
    text_V = _source_pieces(run, translator.source)
    curves = {
        length: measure_layer(
            encoder.layers[0].forwards,  # type: ignore[arg-type]
            load_config(run.config).model.cell,
            (encoder.embedding(window_BS).detach() for window_BS in _batches(text_V, length, config)),
            config.seed,
        )
        for length in config.lengths
    }
    return Measured("trained encoders, reading forwards", name, curves)


def _source_pieces(run: RunFolder, subwords: Subwords) -> Tensor:
    pairs = read_pairs(*run.kept_text("test", advice="measure the run that it was exported from"))
    return joined(subwords.encode([pair.source for pair in pairs]), EOS)
