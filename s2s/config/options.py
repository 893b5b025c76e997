"""Options: documented fields of dataclasses, one dataclass a group, with their ranges and checks.

A field's `doc` metadata is its help text and `low` and `high` its range, both ends included. YAML files under conf/
choose values; nothing there introduces a name.
"""

import dataclasses
import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from s2s.errors import ConfigError

if TYPE_CHECKING:
    FittedInt = int
    FittedFloat = float
else:
    FittedInt = int | None
    FittedFloat = float | None
"""Types of options that null leaves to the size of the text; see `s2s/config/fitting.py`.

Once the text is read they hold numbers, which is what type checkers are told.
"""


@dataclass
class Options:
    """Base class of the dataclasses that hold options."""

    def check(self) -> None:
        """Check combinations of these options; `check_options` checks each by itself, and all groups.

        Raises:
            ConfigError: saying which options contradict each other, and what to do.
        """


def option(
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    only: Sequence[enum.Enum] = (),
) -> Any:
    """A documented dataclass field.

    Args:
        default: of the option.
        doc: its help text.
        low, high: range of a number, or of each number of a list.
        only: choices of another option of the group; with any other choice, this option keeps its default.
    """
    metadata = {"doc": doc, "low": low, "high": high, "only": only}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def check_options(options: Options, prefix: str = "") -> None:
    """Check every option against its range and every combination, group by group.

    Args:
        options: a group, with all groups in it.
        prefix: of its options' names in messages, such as `search.`.

    Raises:
        ConfigError: naming the option, what is allowed, and what came.
    """
    for item in dataclasses.fields(options):
        value, name = getattr(options, item.name), prefix + item.name
        if isinstance(value, Options):
            check_options(value, f"{name}.")
            continue
        if item.metadata["low"] is not None and value is not None:
            low, high = item.metadata["low"], item.metadata["high"]
            for number in value if isinstance(value, list) else [value]:
                if not math.isfinite(number) or number < low or (high is not None and number > high):
                    allowed = f"at least {low:g}" if high is None else f"between {low:g} and {high:g}"
                    raise ConfigError(f"{name} must be {allowed}, but is {number:g}")
        if item.metadata["only"] and value != getattr(type(options)(), item.name):
            _check_only(options, prefix, item)
    options.check()


def _check_only(options: Options, prefix: str, item: "dataclasses.Field[Any]") -> None:
    """Check that an option that has left its default goes with the choice made for another option."""
    only = item.metadata["only"]
    [(other, choice)] = [(name, value) for name, value in vars(options).items() if type(value) is type(only[0])]
    if choice not in only:
        needed = " or ".join(member.name for member in only)
        raise ConfigError(
            f"{prefix}{item.name}={as_argument(getattr(options, item.name))} belongs to {prefix}{other}={needed}, "
            f"not to {choice.name}"
        )


def check_ascending(name: str, numbers: list[int]) -> None:
    """Check that there are numbers, each larger than the one before it."""
    if not numbers or numbers != sorted(set(numbers)):
        raise ConfigError(f"{name} must be ascending numbers, such as [10,100], but is {numbers}")


def flatten(options: Options, prefix: str = "") -> dict[str, Any]:
    """Every option by its dotted name, enums by theirs; all values are JSON-able."""
    flat: dict[str, Any] = {}
    for item in dataclasses.fields(options):
        value = getattr(options, item.name)
        if isinstance(value, Options):
            flat |= flatten(value, f"{prefix}{item.name}.")
        else:
            flat[prefix + item.name] = _plain(value)
    return flat


def _plain(value: Any) -> Any:
    """A value with the names of enums in their place."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.name if isinstance(value, enum.Enum) else value


def as_argument(value: Any) -> str:
    """A value as it is given on the command line."""
    match value:
        case list():
            return f"[{','.join(map(as_argument, value))}]"
        case bool():
            return str(value).lower()
        case enum.Enum():
            return value.name
        case None:
            return "null"
    return str(value)
