"""Training from Python: the same options as `s2s train`, as keywords."""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from io import TextIOBase
from os import PathLike
from typing import Any, TextIO

from omegaconf import OmegaConf

from s2s.api.keywords import flat_options, unknown_keyword
from s2s.api.run import Run
from s2s.cli.composition import composed
from s2s.cli.option_table import choices_of, default_choices, option_fields
from s2s.cli.train import COMMAND
from s2s.config.mistakes import one_of
from s2s.config.options import check_options
from s2s.config.training import Config
from s2s.config.typed_values import typed_value
from s2s.errors import ConfigError, Interrupted
from s2s.tasks import train_run

_UP = "\x1b[A"  # moves the cursor of a terminal up a line


def train(*files: str | PathLike[str], **options: Any) -> Run:
    """Train a translator (or, with data="labelled", a classifier), or go on with a run that was stopped.

    Options have the names that they have after `s2s train`, where a dot is written as two underscores:
    `training__max_steps=100`; in a dict, as `**{"training.max_steps": 100}`, it may stay. Groups take one of their
    choices: data="multi30k", model="gru", optim="cosine", search="greedy", experiment="multi30k". docs/training.md and
    `s2s train --help` describe all of them. A notebook shows a bar and a line for each validation.

    >>> import s2s
    >>> run = s2s.train("corpus.ko", "corpus.en", run="runs/mine", training__max_steps=2, **TINY)
    >>> run
    Run runs/mine: ko → en, LSTM with dot attention, 1 layer of 24 units, ended at step 2, test BLEU ...

    Args:
        files: source and target of your own text, a sentence a line; the endings of their names are the languages.
        options: all others.

    Returns:
        The run. A finished run is left as it is.

    Raises:
        KeyboardInterrupt: the notebook's stop button or Ctrl-C; all is saved, and the same call goes on.
        S2SError: an option is unknown or out of range, the text cannot be read, or another error that a user can do
            something about, as the class of each says.
    """
    config = _composed([str(file) for file in files], flat_options(options))
    with _shown():
        try:
            train_run.train(config)
        except Interrupted as error:
            if error.exit_code != 130:
                raise
            raise KeyboardInterrupt(str(error).replace("the same command", "the same call")) from None
    return Run(config.run)


def _composed(files: Sequence[str], options: Mapping[str, Any]) -> Config:
    """The options of a run: what follows from files of text, the choices of groups, then every other option.

    Raises:
        ConfigError: a name is unknown, a value is none that it takes, or options contradict each other.
    """
    groups, types_of = default_choices(Config), {name: item.type for name, item in option_fields(Config)}
    given = {**options, "data.train": list(files)} if files else dict(options)
    texts = {
        name: [str(each) for each in (value if isinstance(value, list | tuple) else [value])]
        for name, value in given.items()
    }
    assert COMMAND.implied is not None
    given = {**COMMAND.implied(texts, False), **given}
    for name in given:
        if name not in types_of and name not in groups:
            raise ConfigError(unknown_keyword(name, [*types_of, *groups]))
    words = []
    for group in groups:
        if group in given and given[group] is not None:
            choice = given[group]
            if choice not in choices_of(group):
                raise ConfigError(f"{group} must be {one_of(choices_of(group), str(choice), repr)}, but is {choice!r}")
            words.append(f"{group}={choice}")
    config = OmegaConf.to_object(composed("train", COMMAND, words))
    assert isinstance(config, Config)
    for name, value in given.items():
        if name not in groups:
            _set(config, name, typed_value(name, types_of[name], value))
    check_options(config)
    return config


def _set(config: Config, name: str, value: Any) -> None:
    *groups, option = name.split(".")
    group: Any = config
    for each in groups:
        group = getattr(group, each)
    setattr(group, option, value)


@contextmanager
def _shown() -> Iterator[None]:
    """Show the messages of training and its bars: in a notebook below the cell, else on stderr."""
    logger = logging.getLogger("s2s")
    stream = _Shown(sys.stdout) if _is_notebook() else sys.stderr
    with redirect_stderr(stream):
        if logger.hasHandlers():  # the program has its own plans for messages
            yield
            return
        handler = logging.StreamHandler()
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)


def _is_notebook() -> bool:
    """Whether a Jupyter kernel runs this, which draws a bar as a terminal does."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class _Shown(TextIOBase):
    """The output of a cell, as a stream that says that somebody watches it.

    A bar inside another one, which moves the cursor down and up again, is left out: a cell knows no way up.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_after_bar = self._is_below_bar = False

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a bar is drawn with blocks, not with #
        return "utf-8"

    def isatty(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if text == "\n" and self._is_after_bar:
            self._is_below_bar = True  # to draw a bar there, or to go on with other text
        elif text.startswith(_UP):
            self._is_below_bar = False
        elif text and not (self._is_below_bar and text.startswith("\r")):
            self._stream.write("\n" * self._is_below_bar + text)
            self._is_after_bar, self._is_below_bar = text.startswith("\r"), False
        return len(text)

    def flush(self) -> None:
        self._stream.flush()
