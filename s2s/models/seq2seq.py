"""Encoder, attention and decoder together: the probability of a target sentence given a source sentence.

B sentences, S source positions, T target positions, K beams, H units of a state, O units of an attentional state,
V tokens of the target vocabulary, N real target positions of a batch.
"""

import torch
from torch import Tensor, nn

from s2s.config.model import ModelConfig, Tie
from s2s.data.batching import Batch
from s2s.data.vocabulary.subwords import BOS, EOS
from s2s.models.attention import ATTENTIONS, Memory, NoAttention
from s2s.models.decoder import Decoder, DecoderState
from s2s.models.dropout import drop_tokens
from s2s.models.embedding import build_embedding
from s2s.models.encoder import Encoder, build_encoder
from s2s.models.model import Loss, Model
from s2s.models.output_loss import output_loss


class Seq2Seq(Model):
    """An attention sequence-to-sequence model.

    In training it may read a share of the tokens on either side as unknown; those that it has to predict stay.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        output: nn.Linear,
        *,
        source_word_dropout: float = 0.0,
        target_word_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.source_word_dropout = source_word_dropout
        self.target_word_dropout = target_word_dropout
        self.encoder = encoder
        self.decoder = decoder
        self.output = output

    @property
    def has_attention(self) -> bool:
        """Whether the decoder looks at encoder states; without (`AttentionScore.none`) all weights are 0."""
        return not isinstance(self.decoder.attention, NoAttention)

    def encode(self, source_BS: Tensor, lengths_B: Tensor) -> tuple[Memory, DecoderState]:
        """Read the source sentences: what the decoder attends to, and the state that it starts from."""
        states_BSH, last = self.encoder(source_BS, lengths_B)
        return self.start_decoding(states_BSH, last, lengths_B)

    def start_decoding(self, states_BSH: Tensor, last: list[Tensor], lengths_B: Tensor) -> tuple[Memory, DecoderState]:
        """The same from what the encoder returns."""
        is_token_BS = torch.arange(states_BSH.shape[1], device=states_BSH.device) < lengths_B[:, None]
        return self.decoder.attention.build_memory(states_BSH, is_token_BS), self.decoder.start(last)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The attentional states (B, T, O) and attention weights (B, T, S) of known target sentences."""
        source_BS, target_in_BT = batch.source_BS, batch.target_in_BT
        if self.training:
            source_BS = drop_tokens(source_BS, self.source_word_dropout, spared=EOS)
            target_in_BT = drop_tokens(target_in_BT, self.target_word_dropout, spared=BOS)
        memory, state = self.encode(source_BS, batch.source_lengths_B)
        attentional_BTO, weights_BTS = self.decoder(target_in_BT, state, memory)
        return attentional_BTO, weights_BTS

    def loss(self, batch: Batch, label_smoothing: float = 0.0) -> Loss:
        """The loss of a batch; the output layer is computed at real positions only."""
        attentional_BTO, _ = self(batch)
        states_NO = attentional_BTO.flatten(0, 1).index_select(0, batch.real_N)
        target_N = batch.target_out_BT.flatten().index_select(0, batch.real_N)
        return Loss(*output_loss(states_NO, self.output.weight, self.output.bias, target_N, label_smoothing))

    def step(self, token_BK: Tensor, state: DecoderState, memory: Memory) -> tuple[Tensor, Tensor, DecoderState]:
        """One token further in each of K beams.

        Returns:
            Logits of the next token (B, K, V), the attention weights (B, K, S), and the state after this token.
        """
        attentional_BKO, weights_BKS, state = self.decoder.step(token_BK, state, memory)
        return self.output(attentional_BKO), weights_BKS, state


def build_seq2seq(config: ModelConfig, source_vocabulary: int, target_vocabulary: int) -> Seq2Seq:
    """A model with new random weights, drawn from torch's global generator."""
    is_tied = config.tie is not Tie.none
    target_embedding = build_embedding(target_vocabulary, config.embedding_size, is_output=is_tied)
    source_embedding = (
        target_embedding if config.tie is Tie.all else build_embedding(source_vocabulary, config.embedding_size)
    )
    attentional_size = config.hidden_size if config.tie is Tie.none else config.embedding_size
    embedding_dropout, layer_dropout, output_dropout = config.dropout_rates
    encoder = build_encoder(config, source_embedding)
    decoder = Decoder(
        target_embedding,
        config.cell,
        config.hidden_size,
        ATTENTIONS[config.attention](config.hidden_size, attentional_size, is_scaled=config.scale_attention),
        layers=config.layers,
        is_residual=config.residual,
        is_input_feeding=config.input_feeding,
        embedding_dropout=embedding_dropout,
        layer_dropout=layer_dropout,
        output_dropout=output_dropout,
        is_locked=config.locked_dropout,
    )
    output = nn.Linear(attentional_size, target_vocabulary)
    nn.init.zeros_(output.bias)
    if is_tied:
        output.weight = target_embedding.weight
    return Seq2Seq(
        encoder,
        decoder,
        output,
        source_word_dropout=config.source_word_dropout,
        target_word_dropout=config.target_word_dropout,
    )
