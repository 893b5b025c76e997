"""`s2s-train`: from a choice of data and model to a run folder that translates."""

import json
import logging
import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from s2s.analysis.plots import plot_attention
from s2s.cli.app import run_app
from s2s.config import Config, Score, SearchConfig, Strategy, differences, load_config, save_config
from s2s.data.batching import all_batches
from s2s.data.corpora import Pair
from s2s.data.prepare import Prepared, encode_pairs, prepare
from s2s.data.subwords import Subwords
from s2s.decoding.translator import Translator
from s2s.device import autocast, choose_device, choose_precision
from s2s.errors import MissingExtraError, RunError
from s2s.evaluation.alignment import merge_pieces, merge_weights
from s2s.evaluation.scores import bleu, corpus_scores, mean_loss_nats
from s2s.files import write_bytes, write_json, write_lines
from s2s.models.seq2seq import Seq2Seq, build_seq2seq
from s2s.runs import RunFolder
from s2s.training.loop import Trainer, Validation

_logger = logging.getLogger(__name__)
_NUM_SAMPLES = 5


def main() -> None:
    """The command."""
    run_app("train", Config, train)


def train(config: Config) -> None:
    """Train, or go on training, the run in `config.run`; then sum it up."""
    run = RunFolder(Path(config.run))
    device = choose_device(config.device)
    precision = choose_precision(config.precision, device)
    with run.locked():
        _open_run(run, config)
        _train(run, config, device, precision)


def _train(run: RunFolder, config: Config, device: torch.device, precision: torch.dtype) -> None:
    """From text to the summary, in the run's own folder."""
    corpus = _prepare(run, config)
    source, target = corpus.source, corpus.target
    torch.manual_seed(config.seed)
    model = build_seq2seq(config.model, len(source), len(target)).to(device)
    in_precision = partial(autocast, device, precision)
    sides = source, target
    validate = _validation(model, sides, corpus.dev, config, device, precision)
    train_source, train_target = corpus.train_source, corpus.train_target
    trainer = Trainer(model, train_source, train_target, validate, run, config, device, in_precision)
    is_resumed = trainer.resume()
    reason = trainer.reason_to_end()
    if reason and run.summary.exists():
        _logger.info("%s has ended already: %s", run.path, reason)
        _logger.info("to go on, raise that option; to start afresh, choose another run=DIR or remove %s", run.path)
        return
    num_weights = sum(parameter.numel() for parameter in model.parameters())
    start = f"going on at step {trainer.progress.step}" if is_resumed else f"training on {len(train_source):,} pairs"
    _logger.info(
        "%s: %s, %.1f million weights, %s, %s",
        run.path,
        start,
        num_weights / 1e6,
        device,
        str(precision).removeprefix("torch."),
    )
    run.summary.unlink(missing_ok=True)  # of an earlier end: it must not make an unfinished run look finished
    reason = reason or trainer.run()
    progress = trainer.progress
    minutes = progress.elapsed_s / 60
    _logger.info("ended after %d steps and %.1f minutes: %s", progress.step, minutes, reason)
    _sum_up(run, corpus, config)


def _open_run(run: RunFolder, config: Config) -> None:
    """Make the run folder, or see that it was made with the same options.

    Raises:
        RunError: it holds something else, or a run with other options; each difference is named.
    """
    if run.config.is_file():
        changed = differences(load_config(run.config), config)
        if changed:
            raise RunError(
                f"run={run.path} was made with other options ({'; '.join(changed)}): give the same ones to go on with "
                "it, or choose another run=DIR"
            )
    elif any(run.path.iterdir()):
        raise RunError(
            f"run={run.path} exists and is not a run: expected a new or empty folder; choose another run=DIR"
        )
    try:
        save_config(config, run.config)
    except OSError as error:
        raise RunError(
            f"run={run.path} cannot be written: {error.strerror or error}; choose another run=DIR"
        ) from error


def _prepare(run: RunFolder, config: Config) -> Prepared:
    """The corpus, encoded with the subwords of the run, which are learnt now if it has none.

    Raises:
        RunError: the text is not the one that the run began with.
    """
    paths = run.subwords(config.subwords.shared)
    given = (Subwords.load(paths[0]), Subwords.load(paths[1])) if run.corpus.is_file() else None
    max_pieces = config.training.max_pieces
    corpus = prepare(config.data, config.subwords, seed=config.seed, max_pieces=max_pieces, given=given)
    for note in corpus.notes:
        _logger.info(note)
    facts: dict[str, str | int] = {"sha256": corpus.sha256, "num_train": corpus.num_train}
    if given is not None:
        _check_corpus(run, facts)
        return corpus
    for path, subwords in zip(paths, (corpus.source, corpus.target), strict=True):
        write_bytes(path, subwords.model)
    for split, pairs in (("dev", corpus.dev), ("test", corpus.test)):
        for path, lines in zip(run.text(split), zip(*pairs, strict=True), strict=True):
            write_lines(path, lines)
    write_json(run.corpus, facts)  # the last one: its presence says that all the others are there
    return corpus


def _check_corpus(run: RunFolder, facts: dict[str, str | int]) -> None:
    """See that the text is still the one that the run began with.

    Raises:
        RunError: it is another.
    """
    before = json.loads(run.corpus.read_text(encoding="utf-8"))
    if before != facts:
        raise RunError(
            f"run={run.path} was begun with other text ({before['num_train']:,} training pairs then, "
            f"{facts['num_train']:,} now): give it the same files to go on, or choose another run=DIR"
        )


def _validation(
    model: Seq2Seq,
    sides: tuple[Subwords, Subwords],
    pairs: list[Pair],
    config: Config,
    device: torch.device,
    precision: torch.dtype,
) -> Callable[[], Validation]:
    """A function that scores the dev set with the model's present weights: loss, and BLEU of greedy search."""
    batches = all_batches(*encode_pairs(pairs, *sides)[:2], config.training.batch_tokens)
    translator = Translator(model, *sides, SearchConfig(strategy=Strategy.greedy), device, precision)
    sources, references = [pair.source for pair in pairs], [pair.target for pair in pairs]

    def validate() -> Validation:
        hypotheses = translator.translate(sources)
        result = Validation(mean_loss_nats(model, batches, device), bleu(hypotheses, references))
        if not sys.stderr.isatty():
            _logger.info("validated: loss %.3f nats, BLEU %.2f", result.loss_nats, result.bleu)
        return result

    return validate


def _sum_up(run: RunFolder, corpus: Prepared, config: Config) -> None:
    """Score the test set with the best weights, show some translations and the way to get more."""
    translator = Translator.load(run.path, search=config.search, device=config.device)
    sources, references = [pair.source for pair in corpus.test], [pair.target for pair in corpus.test]
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
    _draw_attention(run, translator, corpus.test)
    write_json(
        run.summary,
        {"test": {"lines": len(sources), "search": config.search.strategy.name, **scores}, "samples": samples},
    )
    _logger.info("\ntranslate with\n  s2s-translate run=%s < IN > OUT", shlex.quote(str(run.path)))


def _draw_attention(run: RunFolder, translator: Translator, pairs: list[Pair]) -> None:
    """Draw where the model looks while it translates one test sentence of middling length."""
    if translator.model.decoder.attention.score is Score.none:
        return
    source = _middling(pairs)
    target = translator.translate([source])[0]
    path = run.path / "attention.png"
    weights, source_pieces, target_pieces = translator.attention(source, target)
    if not source_pieces or not target_pieces:
        _logger.info("no attention picture: the model has nothing to say about “%s”", source)
        return
    merged = merge_weights(weights, source_pieces, target_pieces)
    try:
        plot_attention(merged, merge_pieces(source_pieces), merge_pieces(target_pieces), path)
    except MissingExtraError as error:
        _logger.info("no attention picture: %s", error)
        return
    _logger.info("\nattention of “%s” is drawn in %s", source, path)


def _middling(pairs: list[Pair]) -> str:
    """The first source of 6 to 9 words, which is long enough to show word order and short enough to read."""
    sources = [pair.source for pair in pairs]
    return next((source for source in sources if 6 <= len(source.split()) <= 9), sources[0])
