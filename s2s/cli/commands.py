"""The table of commands by purpose, and what a command's own file says of it; importing this takes no time."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from s2s.config.options import Options

COMMANDS = {
    "Train": {
        "train": "train a translator, or a classifier of texts, and leave it in a run folder",
        "average": "one set of weights from the newest checkpoints of a run",
    },
    "Use": {
        "translate": "translate line by line: N lines in, N lines out, in order",
        "classify": "label line by line, or measure a classifier on labelled texts",
        "export": "a trained model for s2s, or as ONNX graphs for other programs",
    },
    "Evaluate": {
        "evaluate": "BLEU, chrF and TER of a run, or of several that are compared",
        "score": "how likely a model finds given translations",
        "align": "word alignments of sentence pairs, and their error rate",
        "lengths": "BLEU by length of the source, as a table and a picture",
    },
    "Compare runs": {
        "gather": "many runs in one table, a row for runs that differ in their seed only",
        "report": "learning curves, scores and translations of several runs on one page",
    },
    "Look inside": {
        "attention": "where a model looks: as pictures, as a page, or step by step in numbers",
        "gates": "what the gates of an encoder do at each piece of a sentence",
        "gradients": "how gradients vanish and explode on their way back through time",
        "memory": "how far each cell carries a word, with attention and without",
    },
    "Data": {
        "phrasebook": "the built-in Korean-English corpus as files, as large as you like",
    },
    "Measure speed": {
        "bench": "how close training and translating come to what the machine can do",
    },
}
"""Every command and what it is for. `s2s NAME` runs the `COMMAND` of s2s/cli/NAME.py."""

LINE_OF = {name: line for group in COMMANDS.values() for name, line in group.items()}


@dataclass(frozen=True)
class Command:
    """What a command runs and which options it has.

    Attributes:
        run: takes the checked options.
        options: their dataclass.
        makes_runs: whether each job of a sweep gets a run folder of its own.
        bare: options whose values may stand without a name, in this order, as in `s2s bench decode`; where the last
            one is a list, it takes all that follow.
        implied: from the texts given for options, and whether they are a sweep's, the options that follow from them
            where they are not given themselves.
        examples: what may be typed after `s2s NAME`, the most frequent use first.
        imports: what takes long to import when it runs; Ctrl-C ends that at once, in a line.
        common: options of groups that --help lists among the first, besides those that belong to no group.
    """

    run: Callable[[Any], None]
    options: type[Options]
    makes_runs: bool = False
    bare: tuple[str, ...] = ()
    implied: Callable[[Mapping[str, list[str]], bool], dict[str, str]] | None = None
    examples: tuple[str, ...] = ()
    imports: tuple[str, ...] = ("torch",)
    common: tuple[str, ...] = ()


def command_of(name: str) -> Command:
    """What the file of a command says of it."""
    command: Command = importlib.import_module(f"s2s.cli.{name}").COMMAND
    return command
