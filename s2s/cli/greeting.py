"""The line with which a prompt begins."""

from s2s.analysis.run_comparison import model_name
from s2s.config.training import Config, Task
from s2s.errors import CheckpointError
from s2s.runs.checkpoint import best_path, checkpoint_state
from s2s.runs.folder import RunFolder
from s2s.runs.summary import read_summary

_LABELS = {"bleu": "BLEU", "accuracy": "accuracy"}


def greeting(run: RunFolder, config: Config, *, num_runs: int = 1) -> str:
    """One line: what the run does and how well, and how to leave.

    Raises:
        RunError: what the run keeps of its scores is damaged.
    """
    data, is_classifier = config.data, config.task is Task.classify
    name = run.path.resolve().name if num_runs == 1 else f"{num_runs} runs"
    what = f"labels {data.source_language}" if is_classifier else f"{data.source_language} → {data.target_language}"
    score = _score(run, config.task) if num_runs == 1 else None
    parts = ", ".join([what, model_name(config), *([score] if score else [])])
    return f"{name}: {parts}. Type a line; :help lists the commands, :quit or Ctrl-D leaves."


def _score(run: RunFolder, task: Task) -> str | None:
    """The score of the test set, or of the dev set of a run that has not ended; None of one that was never scored."""
    name = "accuracy" if task is Task.classify else "bleu"
    summary = read_summary(run, task)
    if summary is not None:
        return f"{_LABELS[name]} {summary.test[name]:.1f} on its test set"
    value = checkpoint_state(best_path(run)).get(f"dev_{name}")
    if value is None:
        return None
    if type(value) is not float:
        raise CheckpointError(
            f"{best_path(run)}: expected a number as dev_{name}, found {type(value).__name__}: "
            "copy it again from where the run was made"
        )
    return f"{_LABELS[name]} {value:.1f} on its dev set so far"
