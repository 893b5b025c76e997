"""The text classifier: the encoder states of a text become one vector, and the vector a class.

B texts, S positions, H units of an encoder state, C classes.
"""

import math
from typing import assert_never

import torch
from torch import Tensor, nn

from s2s.config.model import AttentionScore, ModelConfig, Pooling
from s2s.data.batching import Batch
from s2s.data.vocabulary.subwords import EOS
from s2s.models.attention import ATTENTIONS
from s2s.models.dropout import Dropout, drop_tokens
from s2s.models.embedding import build_embedding
from s2s.models.encoder import Encoder, build_encoder, last_states
from s2s.models.model import Loss, Model


class Pool(nn.Module):
    """Makes one vector of the states of each text.

    Padding has no part in it: the longer it is, the less the states there have to do with the text.
    """

    def __init__(self, pooling: Pooling, hidden_size: int, score: AttentionScore, *, is_scaled: bool = False) -> None:
        super().__init__()
        self.pooling = pooling
        if pooling is Pooling.attention:
            self.attention = ATTENTIONS[score](hidden_size, hidden_size, is_scaled=is_scaled)

    def forward(self, states_BSH: Tensor, last_BH: Tensor, is_token_BS: Tensor) -> Tensor:
        """Pool the states.

        Args:
            states_BSH: of the encoder's last layer, meaningless at padding.
            last_BH: those of them at the last real token; read in both directions, the backward half at the first.
            is_token_BS: True at real tokens, False at padding; every row holds at least one True.

        Returns:
            A vector a text (B, H).
        """
        is_token_BS1 = is_token_BS[:, :, None]
        match self.pooling:
            case Pooling.last:
                return last_BH
            case Pooling.mean:
                return states_BSH.masked_fill(~is_token_BS1, 0).sum(1) / is_token_BS1.sum(1)
            case Pooling.max:
                return states_BSH.masked_fill(~is_token_BS1, -math.inf).amax(1)
            case Pooling.attention:
                # The six steps, with the last state in place of a decoder's.
                memory = self.attention.build_memory(states_BSH, is_token_BS)
                pooled_B1H: Tensor = self.attention(last_BH[:, None, :], memory)[0]
                return pooled_B1H.squeeze(1)
            case _:
                assert_never(self.pooling)


class Classifier(Model):
    """The probabilities of a text's classes.

    Two classes share one sigmoid unit. With z its input, sigmoid(z) = exp(z) / (exp(0) + exp(z)) is the softmax over
    the scores 0 and z, and binary cross-entropy the cross-entropy of that: from the scores on all are treated alike.
    """

    def __init__(
        self, encoder: Encoder, pool: Pool, to_scores: nn.Linear, *, output_dropout: float, word_dropout: float
    ) -> None:
        """A classifier.

        Args:
            encoder, pool: they read the text.
            to_scores: from the pooled vector to a score a class, or to the score of the second of two.
            output_dropout: share of the pooled vector's units dropped.
            word_dropout: share of tokens read as unknown in training.
        """
        super().__init__()
        self.word_dropout = word_dropout
        self.encoder = encoder
        self.pool = pool
        self.output_dropout = Dropout(output_dropout)
        self.to_scores = to_scores

    def forward(self, source_BS: Tensor, lengths_B: Tensor) -> Tensor:
        """Scores of the classes (B, C) in fp32, whose softmax is their probabilities; arguments as for the encoder."""
        if self.training:
            source_BS = drop_tokens(source_BS, self.word_dropout, spared=EOS)
        states_BSH, _ = self.encoder(source_BS, lengths_B)
        last_BH = last_states(states_BSH, lengths_B, is_bidirectional=self.encoder.is_bidirectional)
        is_token_BS = torch.arange(states_BSH.shape[1], device=states_BSH.device) < lengths_B[:, None]
        pooled_BH = self.pool(states_BSH, last_BH, is_token_BS)
        scores_BC = self.to_scores(self.output_dropout(pooled_BH[:, None, :]).squeeze(1)).float()
        if self.to_scores.out_features > 1:
            return scores_BC  # type: ignore[no-any-return]
        return torch.cat([torch.zeros_like(scores_BC), scores_BC], dim=1)

    def loss(self, batch: Batch, label_smoothing: float = 0.0) -> Loss:
        """The loss of texts and their classes, of which every text has one."""
        scores_BC, class_B = self(batch.source_BS, batch.source_lengths_B), batch.target_out_BT.squeeze(1)
        smoothed_nats = nn.functional.cross_entropy(
            scores_BC, class_B, reduction="sum", label_smoothing=label_smoothing
        )
        return Loss(smoothed_nats, nn.functional.cross_entropy(scores_BC.detach(), class_B, reduction="sum"))


def build_classifier(config: ModelConfig, vocabulary: int, num_classes: int) -> Classifier:
    """A classifier with new random weights, drawn from torch's global generator."""
    encoder = build_encoder(config, build_embedding(vocabulary, config.embedding_size))
    pool = Pool(config.pooling, config.hidden_size, config.attention, is_scaled=config.scale_attention)
    to_scores = nn.Linear(config.hidden_size, 1 if num_classes == 2 else num_classes)
    nn.init.zeros_(to_scores.bias)
    _, _, output_dropout = config.dropout_rates
    return Classifier(encoder, pool, to_scores, output_dropout=output_dropout, word_dropout=config.source_word_dropout)
