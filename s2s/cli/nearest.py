"""The name that was probably meant."""

import difflib
from collections.abc import Iterable

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


def one_of(choices: Iterable[str], came: str) -> str:
    """`one of a, b, c`, with the one that was probably meant."""
    choices = list(choices)
    meant = _SYNONYMS.get(came.lower(), came)
    near = [meant] if meant in choices else difflib.get_close_matches(meant.lower(), choices, n=1)
    return f"one of {', '.join(choices)}" + (f" (did you mean {near[0]}?)" if near else "")
