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

from s2s.config import (
    DecodingPrecision,
    Device,
    EnsembleMean,
    SearchConfig,
    Strategy,
    check,
    load_config,
)
from s2s.data.batching import pair_batch, source_batch
from s2s.data.subwords import NO_TEXT, Subwords
from s2s.decoding.engine import Engine
from s2s.decoding.search import Hypothesis, beam_search, greedy_search
from s2s.device import choose_decoding_precision, choose_device
from s2s.errors import CheckpointError, RunError
from s2s.models.seq2seq import Seq2Seq, build_seq2seq
from s2s.runs import RunFolder
from s2s.training.checkpoint import load_best, load_weights

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Translation:
    """What became of a line: its hypotheses as text, the best first.

    Attributes:
        texts: a line each; one empty text for a line without words.
        hypotheses: the pieces and scores of each text.
    """

    texts: tuple[str, ...]
    hypotheses: tuple[Hypothesis, ...]


_NOTHING = Translation(("",), (Hypothesis((), 0.0, 0.0, ()),))


class Translator:
    """Translates lines with a trained model.

    A translation does not depend on what else is translated with it, nor on the batch size.
    """

    def __init__(
        self,
        models: Sequence[Seq2Seq],
        source: Subwords,
        target: Subwords,
        search: SearchConfig,
        device: torch.device,
        precision: torch.dtype = torch.float32,
        ensemble: EnsembleMean = EnsembleMean.log_probability,
    ) -> None:
        """A translator with the weights that the models have now.

        Args:
            models: one, or several that vote.
            source, target: their subwords.
            search: how to search.
            device: where the models are.
            precision: of products in a step of the decoder: float32, bfloat16 or int8.
            ensemble: which mean of several models.
        """
        self.model, self.source, self.target, self.search = models[0], source, target, search
        self.device = device
        self.engine = Engine(models, precision, banned=NO_TEXT, mean=ensemble)

    @classmethod
    def load(
        cls,
        runs: str | Path | Sequence[str | Path],
        *,
        search: SearchConfig | None = None,
        device: Device | str = Device.auto,
        precision: DecodingPrecision | str = DecodingPrecision.auto,
        ensemble: EnsembleMean | str = EnsembleMean.log_probability,
    ) -> "Translator":
        """A translator from a run folder, or from several with the same subwords; nothing in a folder is executed.

        Raises:
            RunError: a folder is missing, foreign, or holds no readable weights; or the subwords differ.
            ConfigError: the options make no sense, or the device is not there.
        """
        search = search or SearchConfig()
        check(search, "search.")
        chosen = choose_device(Device(device))
        kind = choose_decoding_precision(DecodingPrecision(precision), chosen)
        folders = [RunFolder.existing(run) for run in ([runs] if isinstance(runs, str | Path) else runs)]
        source, target = _common_subwords(folders)
        models = [_load_model(folder, source, target).to(chosen) for folder in folders]
        return cls(models, source, target, search, chosen, kind, EnsembleMean(ensemble))

    def translate(self, lines: Sequence[str]) -> list[str]:
        """The best translation of each line, in order; a blank line gives an empty one."""
        return [translation.texts[0] for translation in self.translations(lines)]

    def translations(self, lines: Sequence[str], *, first_line: int = 1) -> list[Translation]:
        """All that was asked for of each line, in order.

        Args:
            lines: any text; line ends count as white space.
            first_line: number of the first line, for warnings.
        """
        ids = [self._cut(row, first_line + index) for index, row in enumerate(self.source.encode(lines))]
        order = sorted((index for index in range(len(ids)) if ids[index]), key=lambda index: len(ids[index]))
        results = [_NOTHING] * len(ids)
        for batch in _chunks(order, self.search.batch_size):
            for index, found in zip(batch, self._search([ids[index] for index in batch]), strict=True):
                if not found or math.isnan(found[0].score):
                    raise CheckpointError(
                        "the model gives no probabilities (NaN): its weights are damaged; train it anew"
                    )
                results[index] = Translation(tuple(self.target.decode(item.ids) for item in found), tuple(found))
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
        search = self.search
        source_BS, lengths_B = (tensor.to(self.device) for tensor in source_batch(sources))
        max_lengths_B = (lengths_B * search.max_length_factor).long() + search.max_length_offset
        state = self.engine.start(source_BS, lengths_B)
        if search.strategy is Strategy.greedy:
            found = greedy_search(self.engine.step, state, max_lengths_B, length_penalty=search.length_penalty)
            return [[hypothesis] for hypothesis in found]
        assert search.strategy is Strategy.beam, search.strategy
        return beam_search(
            self.engine.step,
            state,
            max_lengths_B,
            beam_size=search.beam_size,
            length_penalty=search.length_penalty,
            num_best=search.num_best,
        )


def _common_subwords(folders: Sequence[RunFolder]) -> tuple[Subwords, Subwords]:
    """The source and target subwords of runs that vote: of the first, and no other's may differ."""
    paths = [folder.subwords(load_config(folder.config).subwords.shared) for folder in folders]
    contents = [tuple(path.read_bytes() for path in pair) for pair in paths]
    for folder, content in zip(folders, contents, strict=True):
        if content != contents[0]:
            raise RunError(
                f"{folder.path} has other subwords than {folders[0].path}; models that vote need the same pieces: "
                "train them on one corpus with the same subwords options, with different seeds"
            )
    source, target = (Subwords.load(path) for path in paths[0])
    return source, target


def _load_model(folder: RunFolder, source: Subwords, target: Subwords) -> Seq2Seq:
    weights, _, origin = load_best(folder)
    if origin.parent == folder.last:
        _logger.warning("%s has no best weights yet; these are the newest", folder.path)
    model = build_seq2seq(load_config(folder.config).model, len(source), len(target))
    load_weights(model, weights, origin)
    return model.eval()


def _chunks(order: list[int], size: int) -> Iterator[list[int]]:
    rest = iter(order)
    while chunk := list(islice(rest, size)):
        yield chunk
