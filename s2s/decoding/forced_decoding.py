"""Forced decoding: a model reads a given translation, all of its positions at once.

B sentence pairs, S source positions, T target positions, O units of an attentional state, V pieces, N real target
positions of a batch, R of them at a time. The `</s>` at the end of both sides counts as a position.
"""

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
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.line_warnings import warn_of_line
from s2s.decoding.search.search import refuse_nan

_SLICE_POSITIONS = 256
"""Target positions whose scores over the vocabulary are held at a time: enough for a fast matrix product."""
Ids = Sequence[int]


@dataclass(frozen=True)
class ForcedScore:
    """The probability that a model gives to a translation.

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

    Probabilities are over the pieces that a translation can hold, as in search: `<pad>`, `<unk>` and `<s>` have none
    (in the training loss they have), and a source without pieces has the empty translation. So a hypothesis has the log
    probability that search reports, within rounding.

    No result depends on what else is read with it, nor on the batch size.
    """

    def __init__(self, translator: BatchTranslator, *, batch_tokens: int = 2000, max_pieces: int = 512) -> None:
        """Decode with a translator's model, subwords and device, in fp32.

        Args:
            batch_tokens: budget of a batch: pairs times longest side, in pieces.
            max_pieces: longer sides are cut, with a warning.
        """
        self.source, self.target = translator.source, translator.target
        self.model = translator.model.eval()
        self._device = translator.device
        self._batch_tokens, self._max_pieces = batch_tokens, max_pieces

    def scores(self, pairs: Sequence[Pair], *, first_line: int = 1) -> list[ForcedScore]:
        """Score the target of each pair, in order, in the pieces into which `Subwords.encode` segments it.

        With a blank source, an empty target has log probability 0 and any other -inf. A target with a character that
        the subwords do not know has -inf, with a warning. Of a target that is too long the beginning is scored, without
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
                warn_of_line(line, "-inf, as the target holds a character that the subwords do not know")
        scores = self.score_ids(sources, targets)
        for row, (score, ids) in enumerate(zip(scores, whole, strict=True)):
            if len(score.ids) < len(ids):  # a target that was cut ends elsewhere
                scores[row] = ForcedScore(score.ids, score.token_log_probabilities[:-1])
        return scores

    def score_ids(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[ForcedScore]:
        """Score targets given as pieces, in order, as `scores` does.

        Pieces may be others than those of `Subwords.encode`, to which search does not keep either.
        """
        # A blank source has the empty translation, and the model is not asked.
        scores = [ForcedScore(tuple(ids), (-math.inf,) * (len(ids) + 1) if len(ids) else ()) for ids in targets]
        rows_with_pieces = [row for row, source in enumerate(sources) if len(source)]
        for rows, batch in self._batches(sources, targets, rows_with_pieces):
            lengths = [len(targets[row]) + 1 for row in rows]
            for row, values in zip(rows, self._log_probabilities(batch).split(lengths), strict=True):
                scores[row] = ForcedScore(tuple(targets[row]), tuple(values.tolist()))
        return scores

    def attention(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Attention weights in the step that predicts each position of a target; a batch at a time is held.

        Yields:
            The row of each pair, in no particular order, and its weights (T, S): rows of the target's pieces and
            `</s>`, columns of the source's. Rows sum to 1; without attention they are 0.
        """
        for rows, batch in self._batches(sources, targets, range(len(targets))):
            with torch.inference_mode():
                _, weights_BTS = self.model(batch)
            for row, weights_TS in zip(rows, weights_BTS.float().cpu().numpy(), strict=True):
                yield row, weights_TS[: len(targets[row]) + 1, : len(sources[row]) + 1]

    def cut(self, rows: Sequence[list[int]], side: str, first_line: int) -> list[list[int]]:
        """Cut rows to `max_pieces`; a warning names the side and the line of each that was longer."""
        most = self._max_pieces
        for line, ids in enumerate(rows, first_line):
            if len(ids) > most:
                warn_of_line(line, "%d pieces of %s are more than max_pieces=%d; cut", len(ids), side, most)
        return [ids[:most] for ids in rows]

    def _batches(
        self, sources: Sequence[Ids], targets: Sequence[Ids], rows: Sequence[int]
    ) -> Iterator[tuple[list[int], Batch]]:
        """Batches of the pairs of some rows, of about equal length, each with its rows."""
        lengths = (np.array([len(side[row]) for row in rows], dtype=np.int64) for side in (sources, targets))
        for indices in batch_indices(*lengths, batch_tokens=self._batch_tokens, seed=0, epoch=0):
            chosen = [rows[index] for index in indices]
            batch = pair_batch([sources[row] for row in chosen], [targets[row] for row in chosen])
            yield chosen, batch.to(self._device)

    @torch.inference_mode()
    def _log_probabilities(self, batch: Batch) -> Tensor:
        """Log probabilities of the pieces at the real positions (N) of a batch."""
        attentional_BTO, _ = self.model(batch)
        states_NO = attentional_BTO.flatten(0, 1).index_select(0, batch.real_N)
        target_N = batch.target_out_BT.flatten().index_select(0, batch.real_N)
        slices = zip(states_NO.split(_SLICE_POSITIONS), target_N.split(_SLICE_POSITIONS), strict=True)
        values_N = torch.cat([self._of_targets(states_RO, target_R) for states_RO, target_R in slices])
        refuse_nan(bool(values_N.isnan().any()))
        return values_N.cpu()

    def _of_targets(self, states_RO: Tensor, target_R: Tensor) -> Tensor:
        """Log probabilities (R) of given pieces: their scores less the log-sum-exp of all, without a log-softmax."""
        scores_RV = self.model.output(states_RO)
        scores_RV[:, NO_TEXT] = -torch.inf
        score_R: Tensor = scores_RV.gather(1, target_R[:, None]).squeeze(1)
        return score_R - torch.logsumexp(scores_RV, dim=1)
