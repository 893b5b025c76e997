"""Values as the fields of options hold them, from what Python programs and saved files have."""

import enum
import types
import typing
from typing import Any

import numpy as np

from s2s.config.mistakes import expected
from s2s.errors import ConfigError


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
    raise ConfigError(f"{name} must be {expected(kind, value, in_python=True)}, but is {value!r:.60}")
