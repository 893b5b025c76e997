"""One model or an ensemble of several, as search needs them: a state to start from, and a step.

B sentences, S source positions, K beams, M rows (a row is a beam of a sentence), V tokens of the target vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from s2s.config.decoding import EnsembleMean
from s2s.decoding.packed_model import PackedDecoder, PackedEncoder
from s2s.models.attention import Memory
from s2s.models.decoder import DecoderState
from s2s.models.seq2seq import Seq2Seq


@dataclass(frozen=True)
class EnsembleState:
    """What a step needs of each model: the decoder's state, a row a beam, and the memory, a row a sentence.

    Attributes:
        decoders: of the models.
        memories: of the models.
        attention_BKS: attention weights of the step that led to this state, averaged over models; None before the first
            step, after `select`, and for models without attention.
    """

    decoders: tuple[DecoderState, ...]
    memories: tuple[Memory, ...]
    attention_BKS: Tensor | None = None

    def select(self, rows_M: Tensor, sentences_B: Tensor | None) -> "EnsembleState":
        """See `SearchState`; sentences may be dropped from the memory, which is never copied per beam."""
        memories = self.memories
        if sentences_B is not None:
            memories = tuple(memory.select(sentences_B) for memory in memories)
        return EnsembleState(tuple(decoder.select(rows_M) for decoder in self.decoders), memories)


class Ensemble:
    """One model, or the mean of several; the weights are those at the time of construction."""

    def __init__(
        self,
        models: Sequence[Seq2Seq],
        dtype: torch.dtype = torch.float32,
        *,
        banned: Sequence[int] = (),
        mean: EnsembleMean = EnsembleMean.log_probability,
    ) -> None:
        """Pack the models.

        Args:
            models: on one device, with the same vocabularies.
            dtype: of the products: float32, bfloat16, or int8 (on a CPU).
            banned: tokens that are never output: their score is -inf.
            mean: how the distributions of several models are averaged.
        """
        self._models, self._mean = models, mean
        self._encoders = [PackedEncoder(model.encoder, model.decoder.cell, dtype) for model in models]
        self._decoders = [PackedDecoder(model, dtype, banned) for model in models]

    def start(self, source_BS: Tensor, lengths_B: Tensor) -> EnsembleState:
        """Read the source sentences, each padded to S ids, of which `lengths_B` are real."""
        encoded = [
            model.start_decoding(*encoder(source_BS, lengths_B), lengths_B)
            for model, encoder in zip(self._models, self._encoders, strict=True)
        ]
        memories, decoders = zip(*encoded, strict=True)
        return EnsembleState(decoders, memories)

    def step(self, token_BK: Tensor, state: EnsembleState) -> tuple[Tensor, EnsembleState]:
        """Scores of the next token (B, K, V), to be normalised over V, and the state after `token_BK`."""
        each = [
            decoder.step(token_BK, decoder_state, memory)
            for decoder, decoder_state, memory in zip(self._decoders, state.decoders, state.memories, strict=True)
        ]
        scores, weights, decoders = zip(*each, strict=True)
        attention = [each_BKS for model, each_BKS in zip(self._models, weights, strict=True) if model.has_attention]
        attention_BKS = sum(attention[1:], attention[0]) / len(attention) if attention else None
        return self._averaged(scores), EnsembleState(decoders, state.memories, attention_BKS)

    def _averaged(self, scores: tuple[Tensor, ...]) -> Tensor:
        if len(scores) == 1:
            return scores[0]
        log_probabilities = torch.stack([torch.log_softmax(each_BKV, dim=-1) for each_BKV in scores])
        match self._mean:
            case EnsembleMean.log_probability:
                return log_probabilities.mean(dim=0)
            case EnsembleMean.probability:
                return torch.logsumexp(log_probabilities, dim=0)
