"""TODO: say what s2s.tasks.train_run is."""

import dataclasses
import json
import logging
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch

from s2s.config.model import same_network
from s2s.config.optim import Schedule
from s2s.config.options import check_options
from s2s.config.training import Config, InitSubwords, Precision, Task
from s2s.data.prepare import Prepared, prepare
from s2s.data.text.parallel_text import Pair
from s2s.data.vocabulary.labels import Labels
from s2s.data.vocabulary.learn import Vocabularies
from s2s.device import autocast, choose_device, choose_precision
from s2s.distributed import Ranks, connected
from s2s.errors import ConfigError, RunError
from s2s.files import write_bytes, write_json, write_lines
from s2s.models.classifier import build_classifier
from s2s.models.model import Model
from s2s.models.seq2seq import build_seq2seq
from s2s.runs.checkpoint import checkpoints, load_best
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import Differences, differences, load_config, save_config
from s2s.runs.vocabularies import load_vocabularies, vocabulary_files
from s2s.tasks.classification import classifier_validation, sum_up_classifier
from s2s.tasks.translation import _sum_up, _validation
from s2s.training.fine_tuning import start_from
from s2s.training.loop import Trainer
from s2s.training.progress import Validation
from s2s.training.updates import Recut, Rows

_logger = logging.getLogger(__name__)


def train(config: Config) -> None:
    """Train, or go on training, the run in `config.run`; then sum it up."""
    device = choose_device(config.device)
    with connected(device) as ranks, ExitStack() as held:
        if device.type == "cuda":  # by its number, since a thread that reads ahead begins with the first one
            device = torch.device("cuda", torch.cuda.current_device())
        if not ranks.is_first:
            logging.getLogger("s2s").setLevel(logging.ERROR)  # the first rank tells it all
        run = RunFolder(Path(config.run))
        config = ranks.from_first(partial(_open_run, run, config, device, held))
        _train(run, config, device, ranks)


def _open_run(run: RunFolder, config: Config, device: torch.device, held: ExitStack) -> Config:
    """Lock the run folder and write the options into it; or see that it was made with the same.

    Returns:
        The options with all that is left open settled: the precision, and what comes from another run.

    Raises:
        RunError: it holds something else, or a run with other options; each difference is named.
    """
    held.enter_context(run.locked())
    if not run.config.is_file() and any(run.path.iterdir()):
        raise RunError(
            f"run={run.path} exists and is not a run: expected a new or empty folder; choose another run=DIR"
        )
    if run.is_model_only:
        raise RunError(
            f"run={run.path} holds an exported model, without the state of its training: start a new run from it with "
            f"init_from={run.path} run=DIR"
        )
    before = load_config(run.config) if run.has_begun else None
    config = _settled(config, before, device)
    if before is not None:
        _check_differences(run, differences(before, config))
    try:
        if before is None:
            run.corpus.unlink(missing_ok=True)  # of a start that trained nothing, perhaps with other options
        # Where the run came from stays what it was, however that folder is called by now.
        save_config(config if before is None else dataclasses.replace(config, init_from=before.init_from), run.config)
    except OSError as error:
        raise RunError(
            f"run={run.path} cannot be written: {error.strerror or error}; choose another run=DIR"
        ) from error
    return config


def _check_differences(run: RunFolder, changed: Differences) -> None:
    if changed.refused:
        hint = "; resume.reset_optimizer=true allows other options under optim" * any(
            name.startswith("optim.") for name in changed.refused
        )
        raise RunError(
            f"run={run.path} was made with other options ({'; '.join(changed.refused)}): give the same ones to go on "
            f"with it, or choose another run=DIR{hint}"
        )
    if changed.allowed:
        _logger.info("%s goes on with other options: %s", run.path, "; ".join(changed.allowed))


def _settled(config: Config, before: Config | None, device: torch.device) -> Config:
    """The options of a run, settled when it begins and kept when it goes on.

    Raises:
        RunError: the run to start from is missing, or has no weights.
        ConfigError: what is taken over from it does not go with the other options.
    """
    optim = config.optim
    if optim.schedule is Schedule.cosine and optim.decay_steps is None:
        # The fall comes after the warm-up, even where the run ends before either does.
        end = max(config.training.max_steps, optim.warmup_steps + 1)
        if before is not None and before.optim.schedule is Schedule.cosine and not config.resume.reset_optimizer:
            end = before.optim.decay_steps or end
            if end < config.training.max_steps:
                _logger.warning("warning: the learning rate is 0 from step %d on, where the run's cosine ends", end)
        optim = dataclasses.replace(optim, decay_steps=end)
    precision = _settled_precision(config.precision, before, device)
    config = dataclasses.replace(config, optim=optim, precision=precision)
    return config if config.init_from is None else _taken_over(config, before, config.init_from)


def _settled_precision(wanted: Precision, before: Config | None, device: torch.device) -> Precision:
    """The precision to compute in; `auto` stays what it came to when the run began.

    A second measurement may come out otherwise, and the losses with it.

    Raises:
        RunError: the run began in a precision that this machine lacks.
    """
    if wanted is Precision.auto and before is not None:
        try:
            choose_precision(before.precision, device)
        except ConfigError as error:
            raise RunError(
                "the run began in bf16, which this machine lacks: give precision=fp32 to go on here; the losses will "
                "differ a little"
            ) from error
        return before.precision
    return Precision.bf16 if choose_precision(wanted, device) is torch.bfloat16 else Precision.fp32


def _taken_over(config: Config, before: Config | None, init_from: str) -> Config:
    """The options with the network of the run to start from, or, once this run has begun, with its own."""
    origin = before
    if origin is None:
        run = RunFolder.existing(init_from, "init_from")
        origin = load_config(run.config)
        if origin.task is not config.task:
            raise RunError(
                f"init_from={init_from} was trained with task={origin.task.name}, which is not task={config.task.name}"
            )
        load_best(run)  # now, before this run is begun: see that there are weights, and whole ones
    subwords = origin.subwords if config.init_subwords is InitSubwords.old else config.subwords
    settled = dataclasses.replace(config, model=same_network(origin.model, config.model), subwords=subwords)
    changed = differences(config, settled).refused
    if changed and before is None:
        _logger.info("taken over from init_from=%s: %s", init_from, "; ".join(changed))
    check_options(settled)
    return settled


def _train(run: RunFolder, config: Config, device: torch.device, ranks: Ranks) -> None:
    """From text to the summary, in the run's own folder."""
    prepared = _prepare(run, config, ranks)
    sides = prepared.source, prepared.target
    precision = choose_precision(config.precision, device)
    torch.manual_seed(config.seed)
    model, validate = _learner(sides, prepared.dev, config, device, precision)
    is_started_from = config.init_from is not None and not checkpoints(run)
    if is_started_from:
        _init_weights(model, RunFolder.existing(str(config.init_from), "init_from"), sides)
    trainer = Trainer(
        model,
        prepared.train_source,
        prepared.train_target,
        validate,
        run,
        config,
        device,
        partial(autocast, device, precision),
        ranks=ranks,
        recut=_recut(sides, config.subwords.sampling_alpha) if config.subwords.sampling else None,
    )
    is_resumed = trainer.resume()
    if is_started_from:
        trainer.save()  # from here on, the other run is needed no more
    reason = trainer.reason_to_end()
    if reason and run.summary.exists():
        _logger.info("%s has ended already: %s", run.path, reason)
        _logger.info("to go on, raise that option; to start afresh, choose another run=DIR or remove %s", run.path)
        return
    start = f"going on at step {trainer.progress.step}" if is_resumed else f"training on {prepared.num_train:,} pairs"
    num_weights = sum(parameter.numel() for parameter in model.parameters())
    where = f"{ranks.size} ranks on {device.type}" if ranks.size > 1 else device
    _logger.info(
        "%s: %s, %.1f million weights, %s, %s", run.path, start, num_weights / 1e6, where, config.precision.name
    )
    if ranks.is_first:
        run.summary.unlink(missing_ok=True)  # of an earlier end: it must not make an unfinished run look finished
    reason = reason or trainer.run()
    progress = trainer.progress
    _logger.info("ended after %d steps and %.1f minutes: %s", progress.step, progress.elapsed_s / 60, reason)
    if ranks.is_first:
        match config.task:
            case Task.translate:
                _sum_up(run, prepared.test, config)
            case Task.classify:
                sum_up_classifier(run, prepared.test, config)


def _learner(
    sides: Vocabularies, pairs: list[Pair], config: Config, device: torch.device, precision: torch.dtype
) -> tuple[Model, Callable[[], Validation]]:
    """A new model for the task of the run, and what scores the dev set with its present weights."""
    source, target = sides
    if isinstance(target, Labels):
        classifier = build_classifier(config.model, len(source), len(target)).to(device)
        return classifier, classifier_validation(classifier, source, target, pairs, config, device)
    model = build_seq2seq(config.model, len(source), len(target)).to(device)
    return model, _validation(model, (source, target), pairs, config, device, precision)


def _init_weights(model: Model, origin: RunFolder, sides: Vocabularies) -> None:
    """Start from another run's best weights; the vectors of pieces that both runs know go along."""
    weights, _, path = load_best(origin)
    before = load_vocabularies(origin, load_config(origin.config))
    if isinstance(sides[1], Labels) and before[1].all_pieces() != sides[1].all_pieces():
        raise RunError(
            f"{origin.path} tells apart {', '.join(before[1].all_pieces()[:10])}, and this text has other labels: "
            "expected the same ones; leave init_from out, to begin with random weights"
        )
    known = start_from(model, weights, path, *([each.all_pieces() for each in pair] for pair in (before, sides)))
    what = "labels" if isinstance(sides[1], Labels) else "target pieces"
    _logger.info("starting from the weights of %s, which knows %d of %d %s", path, known, len(sides[1]), what)


def _recut(sides: Vocabularies, alpha: float) -> Recut:
    """Subword regularisation: the text of a batch cut anew, as a function of the seed; a label is no text."""

    def recut(sources: Rows, targets: Rows, seed: int) -> tuple[Rows, Rows]:
        source, target = sides
        recut_sources = source.resample(sources, alpha=alpha, seed=seed)
        if isinstance(target, Labels):
            return recut_sources, targets
        return recut_sources, target.resample(targets, alpha=alpha, seed=seed + 1)

    return recut


def _prepare(run: RunFolder, config: Config, ranks: Ranks) -> Prepared:
    """The text as ids, and the subwords of the run, learnt now if it has none.

    The first rank prepares all and fills the run folder; the others then find it done.

    Raises:
        RunError: a rank has other text than the first.
    """
    made: list[Prepared] = []

    def first() -> str:
        made.append(_prepare_first(run, config))
        return made[0].sha256

    sha256 = ranks.from_first(first)
    prepared = made[0] if ranks.is_first else _prepared(config, load_vocabularies(run, config))
    if prepared.sha256 != sha256:
        raise RunError("this machine reads other text than the first rank: give all of them the same files")
    return prepared


def _prepare_first(run: RunFolder, config: Config) -> Prepared:
    """Prepare the text, and keep in a new run folder what `evaluate` and `translate` will need of it.

    Raises:
        RunError: the text is not the one that the run began with.
    """
    given = None
    if run.corpus.is_file():
        given = load_vocabularies(run, config)
    elif config.init_from is not None and config.init_subwords is InitSubwords.old:
        given = load_vocabularies(RunFolder.existing(config.init_from, "init_from"), config)
    prepared = _prepared(config, given)
    for note in prepared.notes:
        _logger.info(note)
    facts: dict[str, str | int] = {"sha256": prepared.sha256, "num_train": prepared.num_train}
    if run.corpus.is_file():
        _check_corpus(run, facts)
        return prepared
    for path, side in zip(vocabulary_files(run, config), (prepared.source, prepared.target), strict=True):
        write_bytes(path, side.model)
    for split, pairs in (("dev", prepared.dev), ("test", prepared.test)):
        for path, lines in zip(run.text(split), zip(*pairs, strict=True), strict=True):
            write_lines(path, lines)
    write_json(run.corpus, facts)  # the last one: its presence says that all the others are there
    return prepared


def _prepared(config: Config, given: Vocabularies | None) -> Prepared:
    return prepare(config.data, config.subwords, seed=config.seed, max_pieces=config.training.max_pieces, given=given)


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
