"""What forgetting costs: copying a word across fillers that say nothing.

B sentences, K letters of a word, N fillers.

The encoder reads the K random letters of a word, then N random fillers; the decoder is to spell the word. Without
attention, all it knows of the letters is what the encoder's last state has kept through N steps.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from s2s.analysis.learning import learn
from s2s.config.model import AttentionScore, Cell, ModelConfig
from s2s.data.batching import Batch, pair_batch
from s2s.data.vocabulary.subwords import EOS
from s2s.models.seq2seq import Seq2Seq, build_seq2seq

NUM_LETTERS = NUM_FILLERS = 10
"""Of the alphabet, and of the fillers, which are other pieces."""
_FIRST_LETTER = EOS + 1
_FIRST_FILLER = _FIRST_LETTER + NUM_LETTERS


def copy_batch(num_words: int, word_length: int, distance: int, generator: torch.Generator) -> Batch:
    """Random words to be copied across `distance` random fillers."""
    word_BK = torch.randint(_FIRST_LETTER, _FIRST_FILLER, (num_words, word_length), generator=generator)
    filler_BN = torch.randint(_FIRST_FILLER, _FIRST_FILLER + NUM_FILLERS, (num_words, distance), generator=generator)
    return pair_batch(torch.cat([word_BK, filler_BN], dim=1).tolist(), word_BK.tolist())


def build_copy_model(cell: Cell, score: AttentionScore, hidden_size: int) -> Seq2Seq:
    """The translation model, small, reading forwards only: what comes late is nearer to the end."""
    config = ModelConfig(
        cell=cell,
        embedding_size=hidden_size // 2,
        hidden_size=hidden_size,
        bidirectional=False,
        dropout=0.0,
        attention=score,
    )
    return build_seq2seq(config, _FIRST_FILLER + NUM_FILLERS, _FIRST_FILLER)


def train_to_copy(model: Seq2Seq, distance: int, *, word_length: int, steps: int, batch_size: int, seed: int) -> None:
    """Train a model to copy words across so many fillers."""
    generator = torch.Generator().manual_seed(seed)

    def losses() -> Iterator[Tensor]:
        for _ in range(steps):
            batch = copy_batch(batch_size, word_length, distance, generator)
            yield model.loss(batch).smoothed_nats / batch.num_tokens

    learn(model.train(), losses(), learning_rate=5e-3, max_grad_norm=1.0)


@torch.inference_mode()
def accuracy(model: Seq2Seq, batch: Batch) -> float:
    """Share of the words whose every letter is the one that the model finds likeliest, given those before it.

    Letters are drawn independently, so that to know those before is no help with the next.
    """
    attentional_BTO, _ = model.eval()(batch)
    is_right_BT = model.output(attentional_BTO).argmax(dim=-1) == batch.target_out_BT
    return float(is_right_BT.all(dim=1).float().mean())
