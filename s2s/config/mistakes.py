"""What to say of a name or value that is none: what was expected, and what was probably meant."""

import difflib
import enum
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any

_LEAST_LIKENESS = 0.7  # of names; 1 means equal
_SYNONYMS = {  # what other toolkits and papers call it
    "attn": "attention",
    "bahdanau": "additive",
    "beams": "beam_size",
    "bfloat16": "bf16",
    "dim": "hidden_size",
    "float32": "fp32",
    "gpu": "cuda",
    "lr": "learning_rate",
    "luong": "dot",
    "vocab_size": "vocabulary_size",
}
_SHELL_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", types.NoneType: "null"}
_PYTHON_NAMES = _SHELL_NAMES | {bool: "True or False", types.NoneType: "None"}


def nearest(name: str, options: Iterable[str]) -> str | None:
    """The option that was probably meant: its group left out or another, a letter wrong, or half of the name only."""
    group, _, last = name.rpartition(".")
    last = _SYNONYMS.get(last, last)
    name = f"{group}.{last}" if group else last
    by_last: dict[str, str] = {}
    for option in options:
        by_last.setdefault(option.rpartition(".")[2], option)
        if option == name:
            return option
    if last in by_last:
        return by_last[last]
    names = {**by_last, **{option: option for option in options}}
    found = difflib.get_close_matches(name, names, n=1, cutoff=_LEAST_LIKENESS)
    found = found or difflib.get_close_matches(last, by_last, n=1, cutoff=_LEAST_LIKENESS)
    if not found and len(last) > 2:  # `beam` for beam_size, `epochs` for max_epochs: the shortest that has it
        parts = sorted((each for each in by_last if last in each.split("_")), key=len)
        found = parts[:1]
    return names[found[0]] if found else None


def one_of(choices: Iterable[str], came: str, write: Callable[[str], str] = str) -> str:
    """`one of a, b, c`, each as `write` has it, with the one that was probably meant."""
    choices = list(choices)
    meant = _SYNONYMS.get(came.lower(), came)
    near = [meant] if meant in choices else difflib.get_close_matches(meant.lower(), choices, n=1)
    return f"one of {', '.join(map(write, choices))}" + (f" (did you mean {write(near[0])}?)" if near else "")


def expected(kind: Any, came: object, *, in_python: bool = False) -> str:
    """What an option of a type takes, as the shell writes it or as Python does."""
    if isinstance(kind, types.UnionType):
        return " or ".join(expected(part, came, in_python=in_python) for part in typing.get_args(kind))
    if typing.get_origin(kind) is list:
        return f"a list, each entry {expected(typing.get_args(kind)[0], came, in_python=in_python)}"
    if isinstance(kind, enum.EnumType):
        return one_of(kind.__members__, str(came), repr if in_python else str)
    return (_PYTHON_NAMES if in_python else _SHELL_NAMES).get(kind, "another value")
