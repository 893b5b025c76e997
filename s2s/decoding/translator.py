"""Text in, text out: a trained run as a translator.

B sentences, K beams, V pieces.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from s2s.config import Config, Device, Precision, Score, SearchConfig, Strategy, check, load_config
from s2s.data.batching import pair_batch, source_batch
from s2s.data.subwords import BOS, PAD, UNK, Subwords
from s2s.decoding.search import Hypothesis, beam_search, greedy_search
from s2s.decoding.wording import Translation, build_wording
from s2s.device import autocast, choose_device, choose_precision
from s2s.errors import CheckpointError, ConfigError
from s2s.models.attention import Memory
from s2s.models.decoder import DecoderState
from s2s.models.seq2seq import Seq2Seq, build_seq2seq
from s2s.runs import RunFolder
from s2s.training.checkpoint import load_best, load_weights

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelState:
    """What a step of the model needs: the decoder's state, a row a beam, and the memory, a row a sentence.

    Attributes:
        decoder: a row a beam.
        memory: a row a sentence.
        attention_BKS: where each beam looked in the step that made this state; None before the first step, after
            `select`, and for a model without attention.
    """

    decoder: DecoderState
    memory: Memory
    attention_BKS: Tensor | None = None

    def select(self, rows_M: Tensor, sentences_B: Tensor | None) -> "ModelState":
        """See `SearchState`; the memory is only ever thinned out, never copied per beam."""
        memory = self.memory if sentences_B is None else self.memory.select(sentences_B)
        return ModelState(self.decoder.select(rows_M), memory)


class Translator:
    """Translates lines with a trained model.

    A translation does not depend on what else is translated with it, nor on the batch size.
    """

    def __init__(
        self,
        model: Seq2Seq,
        source: Subwords,
        target: Subwords,
        search: SearchConfig,
        device: torch.device,
        precision: torch.dtype = torch.float32,
    ) -> None:
        self.model, self.source, self.target, self.search = model, source, target, search
        self.device, self.precision = device, precision

    @classmethod
    def load(
        cls,
        run: str | Path,
        *,
        search: SearchConfig | None = None,
        device: Device | str = Device.auto,
        precision: Precision | str = Precision.fp32,
    ) -> "Translator":
        """A translator from a run folder; nothing in the folder is executed.

        Raises:
            RunError: the folder is missing, foreign, or holds no readable weights.
            ConfigError: the options make no sense, or the device is not there.
        """
        search = search or SearchConfig()
        check(search, "search.")
        folder = RunFolder.existing(run)
        config = load_config(folder.config)
        _check_attention(search, config.model.attention, run)
        source, target = (Subwords.load(path) for path in folder.subwords(config.subwords.shared))
        chosen = choose_device(Device(device))
        # bf16 rounds to 3 digits, so its scores would depend on the batch: it is taken only where it is asked for.
        kind = choose_precision(
            Precision.fp32 if Precision(precision) is Precision.auto else Precision(precision), chosen
        )
        return cls(_load_model(folder, config, source, target).to(chosen), source, target, search, chosen, kind)

    def translate(self, lines: Sequence[str]) -> list[str]:
        """The best translation of each line, in order; a blank line gives an empty one."""
        return [translation.texts[0] for translation in self.translations(lines)]

    def translations(self, lines: Sequence[str], *, numbers: Sequence[int] | None = None) -> list[Translation]:
        """All that was asked for of each line, in order.

        Args:
            lines: any text; line ends count as white space.
            numbers: of the lines, for warnings; left out: 1, 2, 3 ...
        """
        numbers = range(1, len(lines) + 1) if numbers is None else numbers
        ids = [self._cut(row, number) for row, number in zip(self.source.encode(lines), numbers, strict=True)]
        order = sorted((index for index in range(len(ids)) if ids[index]), key=lambda index: len(ids[index]))
        wording = build_wording(self.source, self.target, self.search)
        results = [wording.nothing()] * len(ids)
        for batch in _chunks(order, self.search.batch_size):
            for index, found in zip(batch, self._search([ids[index] for index in batch]), strict=True):
                if not found or math.isnan(found[0].score):
                    raise CheckpointError(
                        "the model gives no probabilities (NaN): its weights are damaged; train it anew"
                    )
                results[index] = wording.translation(lines[index], ids[index], found)
        return results

    def attention(self, source: str, target: str) -> tuple[np.ndarray, list[str], list[str]]:
        """How much each target piece looks at each source piece while the model reads a given translation.

        Returns:
            Weights (target pieces, source pieces), and the pieces of both sides, `</s>` left out. Rows sum to at most
            1: what looks at the source's `</s>` is missing.
        """
        source_ids, target_ids = self.source.encode([source])[0], self.target.encode([target])[0]
        batch = pair_batch([source_ids], [target_ids]).to(self.device)
        with torch.inference_mode():
            _, weights_BTS = self.model.eval()(batch)
        weights_TS = weights_BTS[0, : len(target_ids), : len(source_ids)].float().cpu().numpy()
        return weights_TS, self.source.pieces(source_ids), self.target.pieces(target_ids)

    def _cut(self, ids: list[int], line: int) -> list[int]:
        most = self.search.max_source_pieces
        if len(ids) > most:
            _logger.warning("line %d: %d pieces are more than search.max_source_pieces=%d; cut", line, len(ids), most)
        return ids[:most]

    @torch.inference_mode()
    def _search(self, sources: list[list[int]]) -> list[list[Hypothesis]]:
        """The best hypotheses of each of a batch of sentences."""
        self.model.eval()
        search = self.search
        source_BS, lengths_B = (tensor.to(self.device) for tensor in source_batch(sources))
        max_lengths_B = (lengths_B * search.max_length_factor).long() + search.max_length_offset
        keep_attention = search.alignments or search.replace_unknown
        with autocast(self.device, self.precision):
            memory, decoder = self.model.encode(source_BS, lengths_B)
            state = ModelState(decoder, memory)
            if search.strategy is Strategy.greedy:
                found = greedy_search(
                    self._step,
                    state,
                    max_lengths_B,
                    length_penalty=search.length_penalty,
                    keep_attention=keep_attention,
                )
                return [[hypothesis] for hypothesis in found]
            assert search.strategy is Strategy.beam, search.strategy
            return beam_search(
                self._step,
                state,
                max_lengths_B,
                beam_size=search.beam_size,
                length_penalty=search.length_penalty,
                num_best=search.num_best,
                keep_attention=keep_attention,
            )

    def _step(self, token_BK: Tensor, state: ModelState) -> tuple[Tensor, ModelState]:
        """The model's scores of the next piece; those that are no text are out of the question."""
        scores_BKV, weights_BKS, decoder = self.model.step(token_BK, state.decoder, state.memory)
        scores_BKV[:, :, [PAD, BOS] if self.search.replace_unknown else [PAD, UNK, BOS]] = -torch.inf
        has_attention = self.model.decoder.attention.score is not Score.none
        return scores_BKV, ModelState(decoder, state.memory, weights_BKS if has_attention else None)


def _check_attention(search: SearchConfig, score: Score, run: str | Path) -> None:
    """See that what attention has to tell can be told.

    Raises:
        ConfigError: the model has none.
    """
    for name in ("alignments", "replace_unknown"):
        if getattr(search, name) and score is Score.none:
            raise ConfigError(
                f"search.{name}=true asks where the model looks, but run={run} was trained with model.attention=none"
            )


def _load_model(folder: RunFolder, config: Config, source: Subwords, target: Subwords) -> Seq2Seq:
    weights, _, origin = load_best(folder)
    if origin.parent == folder.last:
        _logger.warning("%s has no best weights yet; these are the newest", folder.path)
    model = build_seq2seq(config.model, len(source), len(target))
    load_weights(model, weights, origin)
    return model.eval()


def _chunks(order: list[int], size: int) -> Iterator[list[int]]:
    rest = iter(order)
    while chunk := list(islice(rest, size)):
        yield chunk
