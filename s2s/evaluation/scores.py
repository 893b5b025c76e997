"""How good translations are: BLEU, chrF and TER by sacrebleu, and the model's own loss."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from s2s.data.batching import Batch
from s2s.errors import DataError
from s2s.models.seq2seq import Seq2Seq

Scores = dict[str, float | str]


def bleu(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Corpus BLEU on detokenised, cased text, 0 to 100."""
    return float(BLEU().corpus_score(list(hypotheses), [list(references)]).score)


def corpus_scores(hypotheses: Sequence[str], references: Sequence[str]) -> Scores:
    """BLEU, chrF and TER on detokenised, cased text, each with the signature that makes it comparable.

    Returns:
        `bleu`, `chrf` and `ter` (0 to 100; TER may be above), and the same names with `_signature`.

    Raises:
        DataError: there is nothing to score, or the numbers of lines differ.
    """
    if not hypotheses or len(hypotheses) != len(references):
        raise DataError(f"expected as many translations as references, got {len(hypotheses)} and {len(references)}")
    scores: Scores = {}
    metrics: dict[str, Any] = {"bleu": BLEU(), "chrf": CHRF(), "ter": TER()}
    for name, metric in metrics.items():
        scores[name] = round(float(metric.corpus_score(list(hypotheses), [list(references)]).score), 2)
        scores[f"{name}_signature"] = str(metric.get_signature())
    return scores


@torch.inference_mode()
def mean_loss_nats(model: Seq2Seq, batches: Iterable[Batch], device: torch.device) -> float:
    """Cross-entropy a target token (`</s>` counted), over all batches."""
    model.eval()
    total_nats, num_tokens = 0.0, 0
    for batch in batches:
        total_nats += float(model.loss(batch.to(device)).loss_nats)
        num_tokens += batch.num_tokens
    return total_nats / num_tokens
