"""Training a translator: what it is validated on, and how a run is summarized."""

import dataclasses
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from s2s.analysis.attention import attention_of_pairs, medium_sentence, piece_pairs
from s2s.analysis.plots.attention_heat_map import plot_attention
from s2s.config.search import SearchConfig, Strategy
from s2s.data.batching import all_batches, pair_batch
from s2s.data.encode import encode_pairs
from s2s.data.text.parallel_text import Pair
from s2s.data.vocabulary.learn import Vocabularies
from s2s.data.vocabulary.subwords import Subwords
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.familiarity import CONFIDENCE, Confidence
from s2s.errors import MissingExtraError
from s2s.evaluation.scores import bleu, corpus_scores, mean_loss_nats
from s2s.evaluation.systems import translate_shown, translations_shown
from s2s.models.model import Model
from s2s.models.network_size import build_in_memory, training_copies
from s2s.models.seq2seq import build_seq2seq
from s2s.runs.folder import RunFolder
from s2s.tasks.task import TrainingTask
from s2s.training.progress import Validation

_logger = logging.getLogger(__name__)
_NUM_SAMPLES = 5


class TranslationTask(TrainingTask):
    """From source to target sentences; validated with the loss, and with BLEU of greedy search."""

    unit = "pair"
    target_vocabulary = Subwords
    target_pieces = "target pieces"
    has_fixed_targets = False
    to_batch = staticmethod(pair_batch)
    using_command = "translate"
    scoring_command = "evaluate"

    def vocabulary_files(self) -> tuple[Path, Path]:
        return self.run.subwords(self.config.subwords.shared)

    def build_model(
        self, vocabularies: Vocabularies, dev: list[Pair], device: torch.device, precision: torch.dtype
    ) -> tuple[Model, Callable[[], Validation]]:
        source, target = vocabularies
        assert isinstance(target, Subwords)
        build = partial(build_seq2seq, self.config.model, len(source), len(target))
        model = build_in_memory(build, device, copies=training_copies(self.config.optim)).to(device)
        batches = all_batches(*encode_pairs(dev, source, target), self.config.training.batch_tokens)
        search = SearchConfig(strategy=Strategy.greedy)
        sources, references = [pair.source for pair in dev], [pair.target for pair in dev]

        def validate() -> Validation:
            translator = BatchTranslator([model], source, target, search, device, precision)
            found = translations_shown(translator, sources, "validating")
            hypotheses = [translation.texts[0] for translation in found]
            return Validation(
                mean_loss_nats(model, batches, device),
                {"bleu": bleu(hypotheses, references)},
                {CONFIDENCE: dataclasses.asdict(Confidence.of(found))},
            )

        return model, validate

    def summarize(self, test: list[Pair]) -> None:
        run, config = self.run, self.config
        translator = BatchTranslator.load(run.path, search=config.search, device=config.device)
        sources, references = [pair.source for pair in test], [pair.target for pair in test]
        hypotheses = translate_shown(translator, sources, "scoring the test set")
        scores = corpus_scores(hypotheses, references)
        samples = [
            {"source": source, "reference": reference, "translation": hypothesis}
            for source, reference, hypothesis in list(zip(sources, references, hypotheses, strict=True))[:_NUM_SAMPLES]
        ]
        for sample in samples:
            _logger.info(
                "\n  source       %(source)s\n  reference    %(reference)s\n  translation  %(translation)s", sample
            )
        search = config.search.strategy.name
        _logger.info("\ntest set of %d lines, search=%s", len(sources), search)
        _logger.info("  BLEU %.2f  (%s)", scores["bleu"], scores["bleu_signature"])
        _logger.info("  chrF %.2f  (%s)", scores["chrf"], scores["chrf_signature"])
        self.write_summary({"lines": len(sources), "search": search, **scores}, samples)
        _draw_attention(run, translator, sources)  # last, so that an error in it loses nothing


def _draw_attention(run: RunFolder, translator: BatchTranslator, sources: list[str]) -> None:
    """Draw the attention of one translated test sentence of medium length, if the model has attention."""
    if not translator.model.has_attention:
        return
    source = medium_sentence(sources)
    [sentence] = attention_of_pairs(translator, piece_pairs(translator, [source], [None]), has_ends=False)
    if sentence is None:
        _logger.info("no attention picture: the translation of “%s” is empty", source)
        return
    path = run.path / "attention.png"
    try:
        plot_attention(sentence.weights_JI, sentence.source, sentence.target, path)
    except MissingExtraError as error:
        _logger.info("no attention picture: %s", error)
        return
    _logger.info("\nattention of “%s” is drawn in %s", source, path)
