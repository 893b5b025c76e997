"""The value of an option: what is typed, checked by the option's type, and written as Hydra reads it.

A text is taken as it stands, whatever its characters; Hydra's grammar, in which most of them need quotation marks, is
spoken here only.
"""

import enum
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2s.config.mistakes import expected, one_of
from s2s.config.options import Takes, as_argument
from s2s.errors import ConfigError

_LONGEST_SHOWN = 60  # characters of a value in a message
_TRUTH_OF = dict.fromkeys(("true", "yes", "on", "y", "1"), "true") | dict.fromkeys(
    ("false", "no", "off", "n", "0"), "false"
)
_QUOTED = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\''
_BRACKETED = rf"\[(?:{_QUOTED}|[^\[\]])*\]"
_PART = re.compile(rf"\s*((?:{_QUOTED}|{_BRACKETED})(?=\s*(?:,|\Z))|[^,]*)(,|\Z)", re.DOTALL)
SWEEP = re.compile(r"(?:range|choice|glob|interval|shuffle|sort|tag)\(.*\)", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./+-]*", re.ASCII)  # what Hydra reads as the same text without quotes
_NO_TEXT = ("null", "true", "false", "nan", "inf")  # what it then reads as something else
_INTERPOLATION = re.compile(r"\$\{([A-Za-z_][\w.]*|(?:hydra|oc\.\w+):[^{}]*)\}")


@dataclass(frozen=True)
class Kind:
    """What an option takes: one value, or a list of such values."""

    scalar: Any
    is_list: bool
    has_null: bool
    takes: Takes

    @property
    def entry(self) -> Any:
        """The type of one value."""
        return self.scalar | None if self.has_null else self.scalar

    @classmethod
    def of(cls, annotation: Any, takes: Takes) -> "Kind":
        parts = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
        [kind] = [part for part in parts if part is not types.NoneType]
        is_list = typing.get_origin(kind) is list
        return cls(typing.get_args(kind)[0] if is_list else kind, is_list, types.NoneType in parts, takes)


def parts_of(text: str) -> Iterator[tuple[bool, str]]:
    """The parts between commas, each with whether it is a list in brackets; quotation marks round one keep commas."""
    position = 0
    while True:
        part = _PART.match(text, position)
        assert part is not None  # anything matches
        inner = part[1].strip()
        yield re.fullmatch(_BRACKETED, inner) is not None, inner
        position = part.end()
        if not part[2]:
            return


def choice_of(group: str, text: str, choices: list[str], *, is_sweep: bool) -> str:
    """The choice that was made, or several."""
    if is_sweep and SWEEP.fullmatch(text):
        return text
    names = [name for _, name in parts_of(text)]
    if len(names) > 1 and not is_sweep:
        raise ConfigError(_several(group, text))
    for name in names:
        if name not in choices:
            raise ConfigError(f"{group}={shown(name)}: expected {one_of(choices, name)}")
    return text


def value_of(option: str, text: str, kind: Kind, names: Mapping[str, Any], *, is_sweep: bool) -> str:
    """The value of an option, or several of a sweep, in Hydra's grammar.

    Raises:
        ConfigError: the text is not what the option takes.
    """
    if is_sweep and SWEEP.fullmatch(text):
        return text
    if kind.takes is Takes.sentence and not kind.is_list:
        return _quoted(text, None)
    parts = list(parts_of(text))
    if kind.is_list:
        if kind.has_null and text == "null":
            return text
        if kind.takes.is_path and len(parts) > 1 and Path(text).exists():  # a comma in its name
            parts = [(False, as_argument([text]))]
        lists = [part for is_bracketed, part in parts if is_bracketed]
        if len(lists) < len(parts):  # no brackets, or some in the name of a file
            return _list(option, [part for _, part in parts if len(parts) > 1 or part], kind, names)
        if len(lists) > 1 and not is_sweep:
            raise ConfigError(_several(option, text))
        entries = [[entry for _, entry in parts_of(each[1:-1])] if each[1:-1].strip() else [] for each in lists]
        return ",".join(_list(option, each, kind, names) for each in entries)
    if len(parts) > 1 and is_sweep:
        return ",".join(_scalar(option, part, kind, names) for _, part in parts)
    if len(parts) > 1 and kind.scalar is not str:
        raise ConfigError(_several(option, text))
    return _scalar(option, text, kind, names)


def _several(option: str, text: str) -> str:
    return f"{option}={shown(text)} has several values, but takes one: add -m to run a job for each"


def _list(option: str, entries: Sequence[str], kind: Kind, names: Mapping[str, Any]) -> str:
    return f"[{','.join(_scalar(option, entry, kind, names) for entry in entries)}]"


def _scalar(option: str, text: str, kind: Kind, names: Mapping[str, Any]) -> str:
    """One value in Hydra's grammar, as it was typed where that means the same."""
    if kind.has_null and text == "null":
        return text
    if kind.takes.is_path and not text:
        raise ConfigError(f"{option}= is empty: expected the name of a {kind.takes.name}")
    if kind.scalar is str and (text != "null" or kind.is_list):  # which would be a file of this name
        return _text(text, kind, names)
    looked_up = _INTERPOLATION.fullmatch(text)
    if looked_up and (":" in looked_up[1] or looked_up[1] in names):
        return text
    found = _read(text, kind.scalar)
    if found is None:
        raise ConfigError(f"{option}: expected {expected(kind.entry, text)}, got {shown(text)}")
    return found


def _read(text: str, kind: Any) -> str | None:
    """A number, a truth value or a choice as Hydra reads it; None where it is no such thing."""
    if isinstance(kind, enum.EnumType):
        return text if text in kind.__members__ else None
    if kind is bool:
        return _TRUTH_OF.get(text.lower())
    try:
        number = int(text) if kind is int else float(text)
    except ValueError:  # so are more digits than Python reads
        return None
    return text if re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?(e-?[0-9]+)?", text) else repr(number)


def unquoted(text: str) -> str:
    """A text without the quotation marks round it, if there are any."""
    return re.sub(r"\\([\\\"'])", r"\1", text[1:-1]) if re.fullmatch(_QUOTED, text, re.DOTALL) else text


def _text(text: str, kind: Kind, names: Mapping[str, Any]) -> str:
    text = unquoted(text)
    if kind.takes.is_path and text.startswith("~"):
        text = str(Path(text).expanduser()) if text[1:2] in ("", "/") else text
    is_plain = _PLAIN.fullmatch(text) and text.lower() not in _NO_TEXT
    return text if is_plain else _quoted(text, None if kind.takes is Takes.sentence else names)


def _quoted(text: str, names: Mapping[str, Any] | None) -> str:
    """A text in quotation marks for Hydra, in which `${...}` is looked up only where it names one of these options."""
    kept = re.split(r"(\\*\$\{)", text)
    for index in range(1, len(kept), 2):
        following = _INTERPOLATION.match("${" + kept[index + 1])
        is_known = names is not None and following and (":" in following[1] or following[1] in names)
        if kept[index] != "${" or not is_known:
            kept[index] = re.sub(r"(\\*)\$\{", r"\1\1\\${", kept[index])
    text = re.sub(r'(\\+)(?="|\Z)', r"\1\1", "".join(kept))  # a backslash would take its meaning
    return '"' + text.replace('"', '\\"') + '"'


def shown(text: str) -> str:
    """A text for a message, cut where it is long."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
