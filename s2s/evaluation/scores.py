"""How good translations are: BLEU, chrF and TER by sacrebleu, and the model's own loss."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import torch
from sacrebleu.metrics.base import Metric, Signature
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from s2s.data.batching import Batch
from s2s.errors import DataError, MissingExtraError
from s2s.models.model import Model

Scores = dict[str, float | str]


def bleu(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Corpus BLEU on detokenised, cased text, 0 to 100."""
    return float(BLEU(force=True).corpus_score(list(hypotheses), [list(references)]).score)


def comparable_metrics(target_language: str = "") -> dict[str, Metric]:
    """The metrics of detokenised, cased text, by the names of their scores.

    Args:
        target_language: sacrebleu has BLEU tokenizers of its own for zh, ja and ko; all others have 13a.

    Raises:
        MissingExtraError: what cuts Japanese or Korean into words is not installed.
    """
    return {"bleu": _bleu(target_language), "chrf": CHRF(), "ter": TER()}


def lowercased_metric(target_language: str = "") -> dict[str, Metric]:
    """BLEU as papers report it that score tokenised, lower-cased text; never to be compared with `bleu`.

    It is sacrebleu's `-lc`: both sides are lower-cased and tokenised (see `comparable_metrics`) before words are
    compared. What belongs to tokenised text but differs from paper to paper, such as split hyphens, is left out.
    """
    return {"lowercased_bleu": _bleu(target_language, lowercase=True)}


def _bleu(target_language: str, *, lowercase: bool = False) -> Metric:
    try:
        # Forced: sacrebleu's notice on text that looks tokenised is not for the people who use s2s.
        return BLEU(trg_lang=target_language, lowercase=lowercase, force=True)
    except RuntimeError as error:
        raise MissingExtraError(
            f"BLEU for {target_language} needs a tokenizer that is not installed: "
            f"python -m pip install 'sacrebleu[{target_language}]'"
        ) from error


def corpus_scores(
    hypotheses: Sequence[str],
    *references: Sequence[str],
    metrics: Mapping[str, Metric] | None = None,
    labels: Mapping[str, str] = MappingProxyType({}),
) -> Scores:
    """Scores of a whole test set, each with the signature that makes it comparable.

    Args:
        hypotheses: one translation a line.
        references: one or more references of all lines.
        metrics: by the names of their scores; left out: `comparable_metrics()`.
        labels: what else the signatures are to say, such as test=wmt17.

    Returns:
        For each metric its score (0 to 100; TER may be above), and the same name with `_signature`.

    Raises:
        DataError: there is nothing to score, or the numbers of lines differ.
    """
    counts = [len(reference) for reference in references]
    if not hypotheses or counts != [len(hypotheses)] * len(counts):
        raise DataError(
            f"expected as many translations as references, got {len(hypotheses)} and {', '.join(map(str, counts))}"
        )
    scores: Scores = {}
    for name, metric in (comparable_metrics() if metrics is None else metrics).items():
        scores[name] = round(float(metric.corpus_score(list(hypotheses), references).score), 2)
        scores[f"{name}_signature"] = labelled(metric.get_signature(), labels)
    return scores


def labelled(signature: Signature, labels: Mapping[str, str]) -> str:
    """A signature that says what was scored as well."""
    for name, value in labels.items():
        signature.update(name, value)
    return str(signature)


@torch.inference_mode()
def mean_loss_nats(model: Model, batches: Iterable[Batch], device: torch.device) -> float:
    """Cross-entropy a target token (`</s>` counted), or a label, over all batches."""
    model.eval()
    total_nats, num_tokens = 0.0, 0
    for batch in batches:
        total_nats += float(model.loss(batch.to(device)).loss_nats)
        num_tokens += batch.num_tokens
    return total_nats / num_tokens
