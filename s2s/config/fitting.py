"""Options that fit the size of the text, where null leaves them to it; `data=files` does so for all of them.

The sizes are for a laptop. A larger text has more rare words, which are worth pieces of their own, and less need of
dropout; a smaller one is soon learnt by heart, so that a small network, validated often, ends while it is still good.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from s2s.config.options import as_argument, flatten
from s2s.config.training import Config

_FIT = {
    # Few enough that most pieces occur dozens of times.
    "subwords.vocabulary_size": (1_000, 4_000, 8_000, 16_000),
    # The small network takes a fourth of the time of a step.
    "model.embedding_size": (128, 256, 256, 256),
    "model.hidden_size": (256, 512, 512, 512),
    # The smaller the text, the more often each sentence is seen.
    "model.dropout": (0.4, 0.3, 0.2, 0.1),
    # Small enough for some dozens of updates an epoch, large enough for the cores to be busy.
    "training.batch_tokens": (500, 1_000, 1_000, 2_000),
    # From every few epochs to four times an epoch.
    "training.validate_every": (100, 250, 500, 2_000),
    "training.patience": (10, 10, 10, 10),
    # Minutes, an hour, some hours, a night; early stopping mostly comes before.
    "training.max_steps": (5_000, 10_000, 30_000, 60_000),
}
"""What suits a text, by the number of its training pairs: up to each of `_MOST_PAIRS`, and more."""
_MOST_PAIRS = (5_000, 20_000, 200_000)
_SPLITS = ("data.dev_pairs", "data.test_pairs")
"""Null in these is a rule by itself, and stays; but a run that began with a number keeps it."""


def fit_to(num_pairs: int) -> dict[str, float]:
    """What suits a text of so many training pairs, by the names of the options."""
    column = sum(num_pairs > most for most in _MOST_PAIRS)
    return {name: values[column] for name, values in _FIT.items()}


def fitted(config: Config, num_pairs: int) -> tuple[Config, str | None]:
    """The options with those that were left open chosen for a text of so many training pairs.

    Returns:
        The options, among them the end of a cosine; and a message that says what was chosen, if anything was.
    """
    given = flatten(config)
    chosen = {name: value for name, value in fit_to(num_pairs).items() if given[name] is None}
    config = _replaced(config, chosen)
    config = dataclasses.replace(config, optim=config.optim.ending_at(config.training.max_steps))
    if not chosen:
        return config, None
    words = " ".join(f"{name}={as_argument(value)}" for name, value in chosen.items())
    return config, f"fitted to {num_pairs:,} training pairs: {words}; set any of them to choose it yourself"


def as_begun(config: Config, before: Config) -> Config:
    """The options with those that were left open as they were chosen when the run began."""
    given, kept = flatten(config), flatten(before)
    return _replaced(config, {name: kept[name] for name in (*_FIT, *_SPLITS) if given[name] is None})


def _replaced(config: Config, values: Mapping[str, Any]) -> Config:
    for name, value in values.items():
        group, _, option = name.partition(".")
        config = dataclasses.replace(config, **{group: dataclasses.replace(getattr(config, group), **{option: value})})
    return config
