"""The line with which a prompt begins."""

import json

from s2s.config.model import AttentionScore
from s2s.config.training import Config, Task
from s2s.runs.checkpoint import best_path, checkpoint_state
from s2s.runs.folder import RunFolder


def greeting(run: RunFolder, config: Config, *, num_runs: int = 1) -> str:
    """One line: what the run does and how well, and how to leave."""
    data, model = config.data, config.model
    name = run.path.resolve().name if num_runs == 1 else f"{num_runs} runs"
    is_classifier = config.task is Task.classify
    what = f"labels {data.source_language}" if is_classifier else f"{data.source_language} → {data.target_language}"
    parts = [what, model.cell.name.upper()]
    if not is_classifier:
        without = model.attention is AttentionScore.none
        parts[-1] += " without attention" if without else f" with {model.attention.name} attention"
    parts += [score] if num_runs == 1 and (score := _score(run, "accuracy" if is_classifier else "bleu")) else []
    return f"{name}: {', '.join(parts)}. Type a line; :help lists the commands, :quit or Ctrl-D leaves."


def _score(run: RunFolder, name: str) -> str | None:
    """The score of the test set, or of the dev set of a run that has not ended; None of one that was never scored."""
    label = {"bleu": "BLEU", "accuracy": "accuracy"}[name]
    if run.summary.is_file():
        test = json.loads(run.summary.read_text(encoding="utf-8")).get("test", {})
        return f"{label} {test[name]:.1f} on its test set" if name in test else None
    value = checkpoint_state(best_path(run)).get(f"dev_{name}")
    return value and f"{label} {value:.1f} on its dev set so far"
