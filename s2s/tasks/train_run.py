"""A training run, from options to summary."""

import dataclasses
import logging
import shlex
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch

from s2s.config.fitting import fitted
from s2s.config.options import as_argument, check_options
from s2s.config.training import Config, InitSubwords, Task
from s2s.data.prepare import Prepared, prepare, read_text
from s2s.data.text.clean_text import CleanText
from s2s.data.vocabulary.learn import Vocabularies
from s2s.decoding.familiarity import load_unseen, save_unseen, unseen_pieces
from s2s.device import autocast, choose_device, choose_precision
from s2s.distributed import Ranks, connected
from s2s.errors import RunError
from s2s.files import write_bytes, write_lines
from s2s.models.model import Model
from s2s.runs.checkpoint import checkpoints, load_best
from s2s.runs.checksums import write_checksums
from s2s.runs.corpus_facts import CorpusFacts, read_corpus_facts, write_corpus_facts
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import load_config, save_config
from s2s.tasks.classification import ClassificationTask
from s2s.tasks.open_run import open_run
from s2s.tasks.repeating import log_how_to_repeat
from s2s.tasks.task import TrainingTask
from s2s.tasks.translation import TranslationTask
from s2s.training.fine_tuning import initialize_from
from s2s.training.loop import Trainer
from s2s.training.signals import interruptible
from s2s.training.updates import Sentences

_logger = logging.getLogger(__name__)
TASKS: dict[Task, type[TrainingTask]] = {Task.translate: TranslationTask, Task.classify: ClassificationTask}


def train(config: Config) -> None:
    """Train the run in `config.run`, or resume its training; then summarize it.

    A start that fails, or is interrupted, before there is anything to keep leaves no new run folder.

    Raises:
        S2SError: what a user can do something about, as the class of each error says.
    """
    device = choose_device(config.device)
    with connected(device) as ranks, ExitStack() as stack:
        if device.type == "cuda":  # by its number, since the prefetching thread begins with the first one
            device = torch.device("cuda", torch.cuda.current_device())
        if not ranks.is_first:
            logging.getLogger("s2s").setLevel(logging.ERROR)  # the messages are the first rank's
        run = RunFolder(Path(config.run))
        with interruptible(f"before the first step: {run.path} is unchanged, and prepared text stays in the cache"):
            opened = ranks.from_first(partial(open_run, run, config, device, stack))
            task, prepared = _prepare_on_all_ranks(run, opened, ranks)
            trainer, start = _build_trainer(task, prepared, device, ranks)
        reason = trainer.reason_to_end()
        if reason and run.summary.exists():
            _logger.info("%s has ended already: %s", run.path, reason)
            _logger.info("to go on, raise that option; to start afresh, choose another run=DIR or remove %s", run.path)
            return
        _log_start(task, trainer, start)
        if ranks.is_first:
            run.summary.unlink(missing_ok=True)  # of an earlier end: it must not make an unfinished run look finished
        reason = reason or trainer.run()
        if not ranks.is_first:
            return
        progress = trainer.progress
        minutes = f"{progress.elapsed_s / 60:.1f} minutes of training, validations included"
        _logger.info("ended after %s steps and %s: %s", f"{progress.step:,}", minutes, reason)
        with interruptible("while the test set was scored: all weights are saved"):
            task.summarize(prepared.test)
        log_how_to_repeat(task.config, progress, ranks)
        use = task.using_command
        _logger.info("\n%s with\n  s2s %s run=%s < IN > OUT", use, use, shlex.quote(str(run.path)))


def _build_trainer(task: TrainingTask, prepared: Prepared, device: torch.device, ranks: Ranks) -> tuple[Trainer, str]:
    """A trainer in the state of the run folder, and how it starts from there, for people."""
    run, config = task.run, task.config
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
    if is_resumed:
        return trainer, f"going on at step {trainer.progress.step}"
    return trainer, f"training on {prepared.num_train:,} {task.unit}s"


def _log_start(task: TrainingTask, trainer: Trainer, start: str) -> None:
    """Say what begins, and when it ends."""
    config, ranks = task.config, trainer.ranks
    num_weights = sum(parameter.numel() for parameter in trainer.model.parameters())
    where = f"{ranks.size} ranks on {trainer.device.type}" if ranks.size > 1 else trainer.device
    _logger.info(
        "%s: %s, %.1f million weights, %s, %s", task.run.path, start, num_weights / 1e6, where, config.precision.name
    )
    training = config.training
    limits = {name: getattr(training, name) for name in ("max_steps", "max_epochs", "max_minutes")}
    limit = " or ".join(f"training.{name}={as_argument(value)}" for name, value in limits.items() if value is not None)
    metric = training.stop_metric.name
    _logger.info(
        "it ends at %s, or after training.patience=%d validations without a better %s",
        limit,
        training.patience,
        metric,
    )


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


def _prepare_on_all_ranks(run: RunFolder, config: Config, ranks: Ranks) -> tuple[TrainingTask, Prepared]:
    """The task with its options complete, the encoded text, and the vocabularies, which are learnt if there are none.

    The first rank prepares everything and fills the run folder; the others find it in the cache.

    Raises:
        RunError: a rank has other text than the first.
    """
    made: list[Prepared] = []

    def first() -> tuple[Config, str]:
        task, prepared = _prepare_run_folder(run, config)
        made.append(prepared)
        return task.config, prepared.sha256

    config, sha256 = ranks.from_first(first)
    task = TASKS[config.task](run, config)

    def once_more(is_cache_checked: bool) -> Prepared:
        if made:
            return made[0]
        return _encode(config, None, task.load_vocabularies(), is_cache_checked=is_cache_checked)

    prepared = ranks.once_a_machine(once_more)
    if prepared.sha256 != sha256:
        raise RunError("this machine reads other text than the first rank: give all of them the same files")
    return task, prepared


def _prepare_run_folder(run: RunFolder, config: Config) -> tuple[TrainingTask, Prepared]:
    """Prepare the text, fit the options to it, and save in a new run folder what `evaluate` and `translate` will need.

    Raises:
        RunError: the text is not the one that the run began with.
    """
    text = read_text(config.data, config.seed)
    config, chosen = fitted(config, text.num_train)
    check_options(config)
    for note in [*text.notes, *([chosen] if chosen else [])]:
        _logger.info(note)
    task, given = TASKS[config.task](run, config), None
    if run.corpus.is_file():
        given = task.load_vocabularies()
    elif config.init_from is not None and config.init_subwords is InitSubwords.old:
        given = _origin(task).load_vocabularies()
    prepared = _encode(config, text, given)
    for note in prepared.notes:
        _logger.info(note)
    facts = CorpusFacts(prepared.sha256, prepared.num_train)
    if run.corpus.is_file():
        before = read_corpus_facts(run)
        if before != facts:
            raise RunError(
                f"run={run.path} was begun with other text ({before.num_train:,} training {task.unit}s then, "
                f"{facts.num_train:,} now): give it the same files to go on, or choose another run=DIR"
            )
        # Where the run came from stays what it was, whatever that folder is called by now.
        save_config(dataclasses.replace(config, init_from=load_config(run.config).init_from), run.config)
        return task, prepared
    save_config(config, run.config)
    vocabularies = task.vocabulary_files()
    for path, side in zip(vocabularies, (prepared.source, prepared.target), strict=True):
        write_bytes(path, side.model)
    for split, pairs in (("dev", prepared.dev), ("test", prepared.test)):
        for path, lines in zip(run.text(split), zip(*pairs, strict=True), strict=True):
            write_lines(path, lines)
    unseen = _save_unseen_pieces(task, prepared)
    write_corpus_facts(run, facts)
    write_checksums(run.path, [run.corpus, *vocabularies, *run.text("dev"), *run.text("test"), *unseen])
    return task, prepared


def _save_unseen_pieces(task: TrainingTask, prepared: Prepared) -> list[Path]:
    """Save which source pieces the training text lacks, and that of the run to start from, if it has the same pieces.

    Returns the file; or nothing, and saves nothing, where that run is of an earlier version, which does not tell.
    """
    is_unseen_V = unseen_pieces(prepared.train_source, len(prepared.source))
    if task.config.init_from is not None and task.config.init_subwords is InitSubwords.old:
        before_V = load_unseen(_origin(task).run, len(prepared.source))
        if before_V is None:
            return []
        is_unseen_V &= before_V
    save_unseen(task.run, is_unseen_V)
    return [task.run.unseen_pieces]


def _encode(
    config: Config, text: CleanText | None, given: Vocabularies | None, *, is_cache_checked: bool = True
) -> Prepared:
    return prepare(
        config.data,
        config.subwords,
        seed=config.seed,
        max_pieces=config.training.max_pieces,
        given=given,
        text=text,
        is_cache_checked=is_cache_checked,
    )
