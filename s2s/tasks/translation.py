"""TODO: say what s2s.tasks.translation is."""

import logging
import shlex
import sys
from collections.abc import Callable

import torch

from s2s.analysis.attention import attention_of_pairs, middling, piece_pairs
from s2s.analysis.plots.attention_heat_map import plot_attention
from s2s.config.model import AttentionScore
from s2s.config.search import SearchConfig, Strategy
from s2s.config.training import Config
from s2s.data.batching import all_batches
from s2s.data.encode import encode_pairs
from s2s.data.text.parallel_text import Pair
from s2s.data.vocabulary.subwords import Subwords
from s2s.decoding.translator import Translator
from s2s.errors import MissingExtraError
from s2s.evaluation.scores import bleu, corpus_scores, mean_loss_nats
from s2s.files import write_json, write_lines
from s2s.models.seq2seq import Seq2Seq
from s2s.runs.folder import RunFolder
from s2s.training.progress import Validation

_logger = logging.getLogger(__name__)
_NUM_SAMPLES = 5


def _validation(
    model: Seq2Seq,
    sides: tuple[Subwords, Subwords],
    pairs: list[Pair],
    config: Config,
    device: torch.device,
    precision: torch.dtype,
) -> Callable[[], Validation]:
    """A function that scores the dev set with the model's present weights: loss, and BLEU of greedy search."""
    batches = all_batches(*encode_pairs(pairs, *sides), config.training.batch_tokens)
    search = SearchConfig(strategy=Strategy.greedy)
    sources, references = [pair.source for pair in pairs], [pair.target for pair in pairs]

    def validate() -> Validation:
        hypotheses = Translator([model], *sides, search, device, precision).translate(sources)
        result = Validation(mean_loss_nats(model, batches, device), {"bleu": bleu(hypotheses, references)})
        if not sys.stderr.isatty():
            _logger.info("validated: loss %.3f nats, BLEU %.2f", result.loss_nats, result.scores["bleu"])
        return result

    return validate


def _sum_up(run: RunFolder, pairs: list[Pair], config: Config) -> None:
    """Score the test set with the best weights, show some translations and the way to get more."""
    translator = Translator.load(run.path, search=config.search, device=config.device)
    sources, references = [pair.source for pair in pairs], [pair.target for pair in pairs]
    hypotheses = translator.translate(sources)
    scores = corpus_scores(hypotheses, references)
    samples = [
        {"source": source, "reference": reference, "translation": hypothesis}
        for source, reference, hypothesis in list(zip(sources, references, hypotheses, strict=True))[:_NUM_SAMPLES]
    ]
    write_lines(run.path / "samples.txt", [f"{name}: {text}" for sample in samples for name, text in sample.items()])
    for sample in samples:
        _logger.info(
            "\n  source       %(source)s\n  reference    %(reference)s\n  translation  %(translation)s", sample
        )
    _logger.info("\ntest set of %d lines, search=%s", len(sources), config.search.strategy.name)
    _logger.info("  BLEU %.2f  (%s)", scores["bleu"], scores["bleu_signature"])
    _logger.info("  chrF %.2f  (%s)", scores["chrf"], scores["chrf_signature"])
    _draw_attention(run, translator, pairs)
    write_json(
        run.summary,
        {"test": {"lines": len(sources), "search": config.search.strategy.name, **scores}, "samples": samples},
    )
    _logger.info("\ntranslate with\n  s2s translate run=%s < IN > OUT", shlex.quote(str(run.path)))


def _draw_attention(run: RunFolder, translator: Translator, pairs: list[Pair]) -> None:
    """Draw where the model looks while it translates one test sentence of middling length."""
    if translator.model.decoder.attention.score is AttentionScore.none:
        return
    source = middling([pair.source for pair in pairs])
    [sentence] = attention_of_pairs(translator, piece_pairs(translator, [source], [None]), has_ends=False)
    if sentence is None:
        _logger.info("no attention picture: the model has nothing to say about “%s”", source)
        return
    path = run.path / "attention.png"
    try:
        plot_attention(sentence.weights_JI, sentence.source, sentence.target, path)
    except MissingExtraError as error:
        _logger.info("no attention picture: %s", error)
        return
    _logger.info("\nattention of “%s” is drawn in %s", source, path)
