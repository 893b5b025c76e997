"""A training run, from options to summary."""

import json
import logging
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch

from s2s.config.training import Config, InitSubwords, Task
from s2s.data.prepare import Prepared, prepare
from s2s.data.vocabulary.learn import Vocabularies
from s2s.decoding.familiarity import load_unseen, save_unseen, unseen_pieces
from s2s.device import autocast, choose_device, choose_precision
from s2s.distributed import Ranks, connected
from s2s.errors import RunError
from s2s.files import write_bytes, write_json, write_lines
from s2s.models.model import Model
from s2s.runs.checkpoint import checkpoints, load_best
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import load_config
from s2s.tasks.classification import ClassificationTask
from s2s.tasks.open_run import open_run
from s2s.tasks.task import TrainingTask
from s2s.tasks.translation import TranslationTask
from s2s.training.fine_tuning import initialize_from
from s2s.training.loop import Trainer
from s2s.training.updates import Sentences

_logger = logging.getLogger(__name__)
TASKS: dict[Task, type[TrainingTask]] = {Task.translate: TranslationTask, Task.classify: ClassificationTask}


def train(config: Config) -> None:
    """Train the run in `config.run`, or resume its training; then summarize it."""
    device = choose_device(config.device)
    with connected(device) as ranks, ExitStack() as stack:
        if device.type == "cuda":  # by its number, since the prefetching thread begins with the first one
            device = torch.device("cuda", torch.cuda.current_device())
        if not ranks.is_first:
            logging.getLogger("s2s").setLevel(logging.ERROR)  # the messages are the first rank's
        run = RunFolder(Path(config.run))
        config = ranks.from_first(partial(open_run, run, config, device, stack))
        _train(TASKS[config.task](run, config), device, ranks)


def _train(task: TrainingTask, device: torch.device, ranks: Ranks) -> None:
    run, config = task.run, task.config
    prepared = _prepare_on_all_ranks(task, ranks)
    vocabularies = prepared.source, prepared.target
    precision = choose_precision(config.precision, device)
    torch.manual_seed(config.seed)
    model, validate = task.build_model(vocabularies, prepared.dev, device, precision)
    starts_from_other = config.init_from is not None and not checkpoints(run)
    if starts_from_other:
        _initialize(model, task, vocabularies)
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
        to_batch=task.to_batch,
        resample=partial(_resample, vocabularies, config.subwords.sampling_alpha) if config.subwords.sampling else None,
    )
    is_resumed = trainer.resume()
    if starts_from_other:
        trainer.save()  # from now on the other run is not needed any more
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
        task.summarize(prepared.test)


def _initialize(model: Model, task: TrainingTask, vocabularies: Vocabularies) -> None:
    """Copy the best weights of the run in `init_from`, and the vectors of those pieces that both runs know."""
    origin = _origin(task)
    old = origin.load_vocabularies()
    weights, _, path = load_best(origin.run)
    labels = old[1].all_pieces()
    if task.has_fixed_targets and labels != vocabularies[1].all_pieces():
        raise RunError(
            f"init_from={task.config.init_from} has the labels {', '.join(labels[:10])}, and this text has others: "
            "expected the same ones; leave init_from out to start from random weights"
        )
    pieces = ([each.all_pieces() for each in pair] for pair in (old, vocabularies))
    num_known = initialize_from(model, weights, path, *pieces)
    message = "starting from the weights of %s, which knows %d of %d %s"
    _logger.info(message, path, num_known, len(vocabularies[1]), task.target_pieces)


def _resample(
    vocabularies: Vocabularies, alpha: float, sources: Sentences, targets: Sentences, seed: int
) -> tuple[Sentences, Sentences]:
    source, target = vocabularies
    return source.resample(sources, alpha=alpha, seed=seed), target.resample(targets, alpha=alpha, seed=seed + 1)


def _origin(task: TrainingTask) -> TrainingTask:
    """The task of the run in `init_from`, which is the same one.

    Raises:
        RunError: there is no such run.
    """
    run = RunFolder.existing(str(task.config.init_from), "init_from")
    return type(task)(run, load_config(run.config))


def _prepare_on_all_ranks(task: TrainingTask, ranks: Ranks) -> Prepared:
    """The encoded text, and the vocabularies of the run, which are learnt if it has none.

    The first rank prepares everything and fills the run folder; the others find it in the cache.

    Raises:
        RunError: a rank has other text than the first.
    """
    made: list[Prepared] = []

    def first() -> str:
        made.append(_prepare_run_folder(task))
        return made[0].sha256

    sha256 = ranks.from_first(first)
    prepared = made[0] if ranks.is_first else _prepare_text(task.config, task.load_vocabularies())
    if prepared.sha256 != sha256:
        raise RunError("this machine reads other text than the first rank: give all of them the same files")
    return prepared


def _prepare_run_folder(task: TrainingTask) -> Prepared:
    """Prepare the text, and save in a new run folder what `evaluate` and `translate` will need of it.

    Raises:
        RunError: the text is not the one that the run began with.
    """
    run, config, given = task.run, task.config, None
    if run.corpus.is_file():
        given = task.load_vocabularies()
    elif config.init_from is not None and config.init_subwords is InitSubwords.old:
        given = _origin(task).load_vocabularies()
    prepared = _prepare_text(config, given)
    for note in prepared.notes:
        _logger.info(note)
    facts: dict[str, str | int] = {"sha256": prepared.sha256, "num_train": prepared.num_train}
    if run.corpus.is_file():
        before = json.loads(run.corpus.read_text(encoding="utf-8"))
        if before != facts:
            raise RunError(
                f"run={run.path} was begun with other text ({before['num_train']:,} training pairs then, "
                f"{facts['num_train']:,} now): give it the same files to go on, or choose another run=DIR"
            )
        return prepared
    for path, side in zip(task.vocabulary_files(), (prepared.source, prepared.target), strict=True):
        write_bytes(path, side.model)
    for split, pairs in (("dev", prepared.dev), ("test", prepared.test)):
        for path, lines in zip(run.text(split), zip(*pairs, strict=True), strict=True):
            write_lines(path, lines)
    _save_unseen_pieces(task, prepared)
    write_json(run.corpus, facts)  # last: if it is there, so are all the others
    return prepared


def _save_unseen_pieces(task: TrainingTask, prepared: Prepared) -> None:
    """Save which source pieces the training text lacks, and that of the run to start from, if it has the same pieces.

    Where that is not known, since that run is of an earlier version, nothing is saved.
    """
    is_unseen_V = unseen_pieces(prepared.train_source, len(prepared.source))
    if task.config.init_from is not None and task.config.init_subwords is InitSubwords.old:
        before_V = load_unseen(_origin(task).run.unseen_pieces, len(prepared.source))
        if before_V is None:
            return
        is_unseen_V &= before_V
    save_unseen(task.run.unseen_pieces, is_unseen_V)


def _prepare_text(config: Config, given: Vocabularies | None) -> Prepared:
    return prepare(config.data, config.subwords, seed=config.seed, max_pieces=config.training.max_pieces, given=given)
