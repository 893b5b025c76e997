"""The command that repeats a run: with what was measured on its machine, or came to be by the clock, as options."""

import dataclasses
import logging
import shlex
from importlib import resources
from typing import Any

import yaml

from s2s.config.options import as_argument, flatten
from s2s.config.training import Config
from s2s.distributed import Ranks
from s2s.training.progress import Progress

_logger = logging.getLogger(__name__)
_NEVER = ("run", "device", "data.corpus", "optim.decay_steps")
_ALWAYS = ("precision", "training.max_steps", "training.max_minutes", "seed")


def log_how_to_repeat(config: Config, progress: Progress, ranks: Ranks) -> None:
    """Tell the command that trains the same run once more, or why there is none."""
    why = progress.deviation or ("several machines trained it" if ranks.size_here < ranks.size else "")
    if why:
        _logger.info("\nno one command repeats this run: %s", why)
    else:
        command = repeating_command(config, progress.step, ranks.size)
        _logger.info("\nrepeat this run, here or anywhere, with\n  %s", command)


def repeating_command(config: Config, step: int, num_ranks: int = 1) -> str:
    """A shell command that trains the same run once more, into a folder of its own.

    Args:
        config: complete, as the run had it in the end.
        step: with which it ended.
        num_ranks: processes that trained it, on one machine.
    """
    training = dataclasses.replace(config.training, max_steps=step, max_minutes=None, reset_optimizer=False)
    options = flatten(dataclasses.replace(config, training=training))
    defaults = flatten(Config()) | _choice(config.data.corpus.name)
    words = [f"data={config.data.corpus.name}"]
    words += [
        f"{name}={as_argument(value)}"
        for name, value in options.items()
        if name not in (*_NEVER, *_ALWAYS) and value != defaults[name]
    ]
    if config.optim.decay_steps is not None:
        words.append(f"optim.decay_steps={config.optim.decay_steps}")
    words += [f"{name}={as_argument(options[name])}" for name in _ALWAYS]
    torchrun = ["torchrun", f"--nproc-per-node={num_ranks}", "--no-python"] if num_ranks > 1 else []
    return shlex.join([*torchrun, "s2s", "train", *words, f"run={config.run}-again"])


def _choice(corpus: str) -> dict[str, Any]:
    """The options that the choice `data=CORPUS` sets, by their full names."""
    text = (resources.files("s2s.conf") / "data" / f"{corpus}.yaml").read_text(encoding="utf-8")
    prefix = "" if text.startswith("# @package _global_") else "data."
    return _flat(yaml.safe_load(text), prefix)


def _flat(content: dict[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in content.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat
