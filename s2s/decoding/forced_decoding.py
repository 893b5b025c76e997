"""Forced decoding: a model reads a translation that is given, all of its positions at once.

B sentence pairs, S source positions, T target positions, O units of an attentional state, V pieces, N real target
positions of a batch, R of them at a time. Positions count the `</s>` at the end of both sides.
"""

import dataclasses
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from s2s.data.batching import Batch, batch_indices, pair_batch
from s2s.data.text.parallel_text import Pair
from s2s.data.vocabulary.subwords import NO_TEXT, UNK
from s2s.decoding.search.search import check_numbers
from s2s.decoding.translator import Translator

_logger = logging.getLogger(__name__)
_SLICE_POSITIONS = 256
"""Target positions whose scores over the vocabulary are held at a time: enough for a fast matrix product."""
Ids = Sequence[int]


@dataclass(frozen=True)
class ForcedScore:
    """How likely a model finds a given translation.

    Attributes:
        ids: its pieces, without `</s>`.
        token_log_probabilities: of each piece, then of `</s>` unless the translation was cut, in nats.
    """

    ids: tuple[int, ...]
    token_log_probabilities: tuple[float, ...]

    @property
    def log_probability(self) -> float:
        """The sum over all positions, in nats."""
        return math.fsum(self.token_log_probabilities)

    @property
    def mean(self) -> float:
        """The mean over all positions, in nats; 0 where there are none."""
        return self.log_probability / max(1, len(self.token_log_probabilities))


class ForcedDecoder:
    """Reads given translations with a translator's model.

    It asks what search asks: probabilities are over the pieces that a translation can hold, so `<pad>`, `<unk>` and
    `<s>` have none (the training loss counts them in), and a source without pieces has the empty translation. So the
    log probability of what search found is the one that search reports, within rounding.

    No result depends on what else is read with it, nor on the size of batches.
    """

    def __init__(
        self,
        translator: Translator,
        *,
        batch_tokens: int = 2000,
        max_pieces: int = 512,
    ) -> None:
        """Take over a translator's model, subwords and device; all is computed in fp32.

        Args:
            batch_tokens: budget of a batch: pairs times longest side, in pieces.
            max_pieces: longer sides are cut, with a warning.
        """
        self.source, self.target = translator.source, translator.target
        self.model = translator.model.eval()
        self._device = translator.device
        self._batch_tokens, self._max_pieces = batch_tokens, max_pieces

    def scores(self, pairs: Sequence[Pair], *, first_line: int = 1) -> list[ForcedScore]:
        """Score the target of each pair, in order, in the pieces that `Subwords.encode` cuts it into.

        A blank source gives an empty target log probability 0 and any other -inf. A target with a character that the
        subwords do not know has -inf, with a warning. Of a target that is too long the beginning is scored, without
        `</s>`.

        Args:
            pairs: any text.
            first_line: number of the first pair, for warnings.

        Raises:
            CheckpointError: the model gives no probabilities.
        """
        sources = self.cut(self.source.encode([pair.source for pair in pairs]), "source", first_line)
        whole = self.target.encode([pair.target for pair in pairs])
        targets = self.cut(whole, "target", first_line)
        for line, ids in enumerate(targets, first_line):
            if UNK in ids:
                _logger.warning("line %d: -inf, as the target holds a character that the subwords do not know", line)
        return [
            score if len(score.ids) == len(ids) else _without_end(score)
            for score, ids in zip(self.score_ids(sources, targets), whole, strict=True)
        ]

    def score_ids(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[ForcedScore]:
        """Score targets given as pieces, in order; `scores` says how.

        Pieces may be others than `Subwords.encode` cuts the same text into: search does not keep to those.
        """
        scores = [_of_blank_source(target) for target in targets]
        with_pieces = [index for index, source in enumerate(sources) if len(source)]
        for rows, batch in self._batches(sources, targets, with_pieces):
            lengths = [len(targets[row]) + 1 for row in rows]
            for row, values in zip(rows, self._log_probabilities(batch).split(lengths), strict=True):
                scores[row] = ForcedScore(tuple(targets[row]), tuple(values.tolist()))
        return scores

    def attention(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Where each position of a target looks in the step that says it; a batch at a time is held.

        Yields:
            The row of each pair, in no order, and its weights (T, S): rows of the target's pieces and `</s>`, columns
            of the source's. Rows sum to 1; without attention they are 0.
        """
        for rows, batch in self._batches(sources, targets, range(len(targets))):
            for row, weights_TS in zip(rows, self._read(batch)[1].float().cpu().numpy(), strict=True):
                yield row, weights_TS[: len(targets[row]) + 1, : len(sources[row]) + 1]

    def cut(self, rows: Sequence[list[int]], side: str, first_line: int) -> list[list[int]]:
        """Rows of at most `max_pieces`; a warning names the side and the line of each that was longer."""
        most = self._max_pieces
        for line, ids in enumerate(rows, first_line):
            if len(ids) > most:
                _logger.warning("line %d: %d pieces of %s are more than max_pieces=%d; cut", line, len(ids), side, most)
        return [ids[:most] for ids in rows]

    def _batches(
        self, sources: Sequence[Ids], targets: Sequence[Ids], rows: Sequence[int]
    ) -> Iterator[tuple[list[int], Batch]]:
        """Some of the pairs in batches of about equal length, each with the rows that it holds."""
        lengths = (np.array([len(side[row]) for row in rows], dtype=np.int64) for side in (sources, targets))
        for indices in batch_indices(*lengths, batch_tokens=self._batch_tokens, seed=0, epoch=0):
            chosen = [rows[index] for index in indices]
            batch = pair_batch([sources[row] for row in chosen], [targets[row] for row in chosen])
            yield chosen, batch.to(self._device)

    @torch.inference_mode()
    def _read(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Attentional states (B, T, O) and attention weights (B, T, S)."""
        attentional_BTO, weights_BTS = self.model(batch)
        return attentional_BTO, weights_BTS

    @torch.inference_mode()
    def _log_probabilities(self, batch: Batch) -> Tensor:
        """Of the pieces (N) at the real positions of a batch."""
        states_NO = self._read(batch)[0].flatten(0, 1).index_select(0, batch.real_N)
        target_N = batch.target_out_BT.flatten().index_select(0, batch.real_N)
        slices = zip(states_NO.split(_SLICE_POSITIONS), target_N.split(_SLICE_POSITIONS), strict=True)
        values_N = torch.cat([self._chosen(states_RO, target_R) for states_RO, target_R in slices])
        check_numbers(bool(values_N.isnan().any()))
        return values_N.cpu()

    def _chosen(self, states_RO: Tensor, target_R: Tensor) -> Tensor:
        """Log probabilities (R) of given pieces: their scores less the log-sum-exp of all, and no log-softmax."""
        scores_RV = self.model.output(states_RO)
        scores_RV[:, NO_TEXT] = -torch.inf
        chosen_R: Tensor = scores_RV.gather(1, target_R[:, None]).squeeze(1)
        return chosen_R - torch.logsumexp(scores_RV, dim=1)


def _of_blank_source(target: Ids) -> ForcedScore:
    """Such a source has the empty translation, and the model is not asked."""
    return ForcedScore(tuple(target), (-math.inf,) * (len(target) + 1) if len(target) else ())


def _without_end(score: ForcedScore) -> ForcedScore:
    """Of a target that was cut, which ends elsewhere."""
    return dataclasses.replace(score, token_log_probabilities=score.token_log_probabilities[:-1])
