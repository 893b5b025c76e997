"""Values as the fields of options hold them, from what Python programs and saved files have."""

import difflib
import enum
import types
import typing
from typing import Any

import numpy as np

from s2s.errors import ConfigError

_TYPE_NAMES = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "a text",
    types.NoneType: "None",
}


def typed_value(name: str, kind: Any, value: Any) -> Any:
    """A value as a field of this type holds it: a text for a member of an enum, one text for a list of texts.

    Raises:
        ConfigError: it is of another type.
    """
    if isinstance(value, np.generic):
        value = value.item()
    for part in typing.get_args(kind) if isinstance(kind, types.UnionType) else [kind]:
        match value:
            case None | bool() | int() | str() if type(value) is part:
                return value
            case int() | float() if part is float and not isinstance(value, bool):
                return float(value)
            case str() if isinstance(part, enum.EnumType) and value in part.__members__:
                return part[value]
            case enum.Enum() if isinstance(part, enum.EnumType) and isinstance(value, part):
                return value
            case str() | list() | tuple() if typing.get_origin(part) is list:
                [item] = typing.get_args(part)
                return [typed_value(name, item, each) for each in ([value] if isinstance(value, str) else value)]
            case _ if part is Any:
                return value
    raise ConfigError(f"{name} must be {_expected(kind, value)}, but is {value!r:.60}")


def _expected(kind: Any, value: Any) -> str:
    """What a field of this type takes."""
    if isinstance(kind, types.UnionType):
        return " or ".join(_expected(part, value) for part in typing.get_args(kind))
    if typing.get_origin(kind) is list:
        return f"a list, each entry {_expected(typing.get_args(kind)[0], value)}"
    if isinstance(kind, enum.EnumType):
        near = difflib.get_close_matches(str(value), kind.__members__, n=1)
        names = ", ".join(map(repr, kind.__members__))
        return f"one of {names}" + (f" (did you mean {near[0]!r}?)" if near else "")
    return _TYPE_NAMES.get(kind, "another value")
