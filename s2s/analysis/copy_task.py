"""What forgetting costs: copying a word across fillers that carry no information.

B sentences, K letters of a word, N fillers.

The encoder reads the K random letters of a word, then N random fillers; the decoder has to spell the word. Without
attention, all it has of the letters is what the encoder's last state has kept through N steps.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from s2s.analysis.learning import learn
from s2s.config.model import AttentionScore, Cell, ModelConfig
from s2s.data.batching import Batch, pair_batch
from s2s.data.vocabulary.subwords import EOS
from s2s.models.network_size import build_in_memory
from s2s.models.seq2seq import Seq2Seq, build_seq2seq

NUM_LETTERS = NUM_FILLERS = 10
"""Sizes of the alphabet and of the set of fillers, which share no piece."""
_FIRST_LETTER = EOS + 1
_FIRST_FILLER = _FIRST_LETTER + NUM_LETTERS
_NUM_TEST_WORDS = 1000
_TEST_SEED = 0  # training has seeds from 1 on


class ModelKind(NamedTuple):
    """A kind of model."""

    cell: Cell
    score: AttentionScore

    @property
    def name(self) -> str:
        """For tables and legends."""
        return self.cell.name if self.score is AttentionScore.none else f"{self.cell.name} with attention"


def measure_copying(
    kinds: Sequence[ModelKind],
    distances: Sequence[int],
    *,
    word_length: int,
    hidden_size: int,
    num_steps: int,
    batch_size: int,
    num_seeds: int,
) -> dict[ModelKind, list[list[float]]]:
    """Train and test models of each kind for each number of fillers.

    Returns:
        Of each kind the accuracies on unseen words: for each distance one a seed.
    """
    found: dict[ModelKind, list[list[float]]] = {kind: [[] for _ in distances] for kind in kinds}
    choices = list(product(kinds, enumerate(distances), range(1, num_seeds + 1)))
    for kind, (index, distance), seed in tqdm(choices, desc="training", unit="model", disable=None):
        torch.manual_seed(seed)
        model = build_copy_model(kind.cell, kind.score, hidden_size)
        train_to_copy(model, distance, word_length=word_length, num_steps=num_steps, batch_size=batch_size, seed=seed)
        unseen = copy_batch(_NUM_TEST_WORDS, word_length, distance, torch.Generator().manual_seed(_TEST_SEED))
        found[kind][index].append(round(accuracy(model, unseen), 3))
    return found


def copy_batch(num_words: int, word_length: int, distance: int, generator: torch.Generator) -> Batch:
    """Random words to be copied across `distance` random fillers."""
    word_BK = torch.randint(_FIRST_LETTER, _FIRST_FILLER, (num_words, word_length), generator=generator)
    filler_BN = torch.randint(_FIRST_FILLER, _FIRST_FILLER + NUM_FILLERS, (num_words, distance), generator=generator)
    return pair_batch(torch.cat([word_BK, filler_BN], dim=1).tolist(), word_BK.tolist())


def build_copy_model(cell: Cell, score: AttentionScore, hidden_size: int) -> Seq2Seq:
    """A small translation model whose encoder reads forwards only, so that the letters are farthest from its end."""
    config = ModelConfig(
        cell=cell,
        embedding_size=hidden_size // 2,
        hidden_size=hidden_size,
        bidirectional=False,
        dropout=0.0,
        attention=score,
    )
    build = partial(build_seq2seq, config, _FIRST_FILLER + NUM_FILLERS, _FIRST_FILLER)
    return build_in_memory(build, torch.device("cpu"))


def train_to_copy(
    model: Seq2Seq, distance: int, *, word_length: int, num_steps: int, batch_size: int, seed: int
) -> None:
    """Train a model to copy words across `distance` fillers."""
    generator = torch.Generator().manual_seed(seed)

    def losses() -> Iterator[Tensor]:
        for _ in range(num_steps):
            batch = copy_batch(batch_size, word_length, distance, generator)
            yield model.loss(batch).smoothed_nats / batch.num_tokens

    learn(model.train(), losses(), learning_rate=5e-3, max_grad_norm=1.0)


@torch.inference_mode()
def accuracy(model: Seq2Seq, batch: Batch) -> float:
    """Share of the words all of whose letters are the model's most probable ones, given the letters before.

    Letters are drawn independently, so those before are no help with the next.
    """
    attentional_BTO, _ = model.eval()(batch)
    is_right_BT = model.output(attentional_BTO).argmax(dim=-1) == batch.target_out_BT
    return float(is_right_BT.all(dim=1).float().mean())
