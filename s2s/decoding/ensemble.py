"""TODO: say what s2s.decoding.ensemble is."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from s2s.config.decoding import EnsembleMean
from s2s.config.model import AttentionScore
from s2s.decoding.packed_model import DecoderStep, EncoderPass
from s2s.models.attention import Memory
from s2s.models.decoder import DecoderState
from s2s.models.seq2seq import Seq2Seq


@dataclass(frozen=True)
class EnsembleState:
    """What a step needs, of each model: the decoder's state, a row a beam, and the memory, a row a sentence.

    Attributes:
        decoders: of the models.
        memories: of the models.
        attention_BKS: where each beam looked in the step that made this state, averaged over models; None before the
            first step, after `select`, and for models without attention.
    """

    decoders: tuple[DecoderState, ...]
    memories: tuple[Memory, ...]
    attention_BKS: Tensor | None = None

    def select(self, rows_M: Tensor, sentences_B: Tensor | None) -> "EnsembleState":
        """See `SearchState`; the memory is only ever thinned out, never copied per beam."""
        memories = self.memories
        if sentences_B is not None:
            memories = tuple(memory.select(sentences_B) for memory in memories)
        return EnsembleState(tuple(decoder.select(rows_M) for decoder in self.decoders), memories)


class Ensemble:
    """One model, or several that vote, as search wants them: a state to start from, and a step.

    The weights are taken as they are when the engine is made.
    """

    def __init__(
        self,
        models: Sequence[Seq2Seq],
        kind: torch.dtype = torch.float32,
        *,
        banned: Sequence[int] = (),
        mean: EnsembleMean = EnsembleMean.log_probability,
    ) -> None:
        """Prepare the models.

        Args:
            models: on one device, with the same vocabularies.
            kind: of the products: float32, bfloat16, or int8 (on a CPU).
            banned: words that are never said: their score is -inf.
            mean: which mean of several models.
        """
        self._models, self._mean = models, mean
        self._encoders = [EncoderPass(model.encoder, model.decoder.cell, kind) for model in models]
        self._steps = [DecoderStep(model, kind, banned) for model in models]
        self._attending = [index for index, model in enumerate(models) if _has_attention(model)]

    def start(self, source_BS: Tensor, lengths_B: Tensor) -> EnsembleState:
        """Read the source sentences, each padded to S ids, of which `lengths_B` are real."""
        encoded = [
            model.remember(*encoder(source_BS, lengths_B), lengths_B)
            for model, encoder in zip(self._models, self._encoders, strict=True)
        ]
        memories, decoders = zip(*encoded, strict=True)
        return EnsembleState(decoders, memories)

    def step(self, word_BK: Tensor, state: EnsembleState) -> tuple[Tensor, EnsembleState]:
        """Scores of the next word (B, K, V), to be normalised over V, and the state after it."""
        each = [
            step.step(word_BK, decoder, memory)
            for step, decoder, memory in zip(self._steps, state.decoders, state.memories, strict=True)
        ]
        scores, weights, decoders = zip(*each, strict=True)
        attention = [weights[index] for index in self._attending]
        attention_BKS = sum(attention[1:], attention[0]) / len(attention) if attention else None
        return self._combined(scores), EnsembleState(decoders, state.memories, attention_BKS)

    def _combined(self, scores: tuple[Tensor, ...]) -> Tensor:
        if len(scores) == 1:
            return scores[0]
        log_probabilities = torch.stack([torch.log_softmax(each_BKV, dim=-1) for each_BKV in scores])
        match self._mean:
            case EnsembleMean.log_probability:
                return log_probabilities.mean(dim=0)
            case EnsembleMean.probability:
                return torch.logsumexp(log_probabilities, dim=0)


def _has_attention(model: Seq2Seq) -> bool:
    return model.decoder.attention.score is not AttentionScore.none
