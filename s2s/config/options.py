"""Options: documented fields of dataclasses, one dataclass a group, with their ranges and checks.

A field's `doc` metadata is its help text, `low` and `high` are its range, both ends included, `only` and `needs` say
when it has an effect, and `takes` what its text is. YAML files under conf/ choose values; nothing there introduces a
name.
"""

import dataclasses
import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from s2s.errors import ConfigError

LARGEST_SEED = 2**32 - 1
_MISREAD = re.compile(r"""[][,"'\\]|^\s|\s$|\)$|^null$|^$""")  # as the only entry, or as one of several
if TYPE_CHECKING:
    FittedInt = int
    FittedFloat = float
else:
    FittedInt = int | None
    FittedFloat = float | None
"""Types of options that null leaves to the size of the text; see `s2s/config/fitting.py`.

Once the text is read they hold numbers, which is what type checkers are told.
"""


class Takes(enum.Enum):
    """What the text of an option is; this decides how a command line is read, and what Tab completes.

    A sentence, or a list of words or names for a reader, is taken as it stands; in all else `${OPTION}` is looked up.
    """

    text = "text"
    sentence = "sentence"
    file = "file"
    folder = "folder"
    run = "run"

    @property
    def is_path(self) -> bool:
        """Whether `~` at its beginning is the user's home."""
        return self in (Takes.file, Takes.folder, Takes.run)


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
    needs: str = "",
    takes: Takes = Takes.text,
) -> Any:
    """A documented dataclass field.

    Args:
        default: of the option.
        doc: its help text.
        low, high: range of a number, or of each number of a list.
        only: choices of another option of the group; with any other choice, this option keeps its default.
        needs: another option of the group, which must be true; otherwise, this option keeps its default.
        takes: what the text is, or each text of a list.
    """
    metadata = {"doc": doc, "low": low, "high": high, "only": only, "needs": needs, "takes": takes}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def check_options(options: Options, prefix: str = "", *, is_saved: bool = False) -> None:
    """Check every option against its range and every combination, group by group.

    Args:
        options: a group, with all groups in it.
        prefix: of its options' names in messages, such as `search.`.
        is_saved: whether they come from a run folder, where options without an effect do no harm.

    Raises:
        ConfigError: naming the option, what is allowed, and what came.
    """
    for item in dataclasses.fields(options):
        value, name = getattr(options, item.name), prefix + item.name
        if isinstance(value, Options):
            check_options(value, f"{name}.", is_saved=is_saved)
            continue
        if isinstance(value, list) and item.metadata["takes"].is_path:
            _check_paths(name, value, item)
        if item.metadata["low"] is not None and value is not None:
            low, high = item.metadata["low"], item.metadata["high"]
            for number in value if isinstance(value, list) else [value]:
                if not low <= number <= high:  # nor is NaN
                    allowed, came = f"between {shown_number(low)} and {shown_number(high)}", shown_number(number)
                    raise ConfigError(f"{name} must be {allowed}, but is {came}")
        why = "" if is_saved else _why_without_effect(options, prefix, item)
        if why and value != getattr(type(options)(), item.name):
            raise ConfigError(f"{name}={as_argument(value)} {why}")
    options.check()


def _check_paths(name: str, paths: list[str], item: "dataclasses.Field[Any]") -> None:
    """Check that an option which must be given names files or folders, and that each has a name."""
    if not paths and item.default == "???":
        raise ConfigError(f"{name} is empty ({item.metadata['doc']})")
    if not all(path.strip() for path in paths):
        raise ConfigError(f"{name} names nothing before or after a comma: {','.join(paths)}")


def reset_without_effect(options: Options) -> None:
    """Set those options to their defaults that mean nothing beside the choices made for others."""
    for item in dataclasses.fields(options):
        value = getattr(options, item.name)
        if isinstance(value, Options):
            reset_without_effect(value)
        elif _why_without_effect(options, "", item):
            setattr(options, item.name, getattr(type(options)(), item.name))


def _why_without_effect(options: Options, prefix: str, item: "dataclasses.Field[Any]") -> str:
    """Why an option means nothing beside the choices made for others; an empty text where it means something."""
    only, needs = item.metadata.get("only"), item.metadata.get("needs")
    if only:
        [(other, choice)] = [(name, value) for name, value in vars(options).items() if type(value) is type(only[0])]
        if choice not in only:
            needed = " or ".join(member.name for member in only)
            return f"belongs to {prefix}{other}={needed}, not to {choice.name}"
    if needs and not getattr(options, needs):
        return f"belongs to {prefix}{needs}=true"
    return ""


def shown_number(number: float) -> str:
    """A number as people read it, with commas in a large one, and not longer than they would."""
    if isinstance(number, int) and abs(number) < 10**15:
        return f"{number:,}"
    return f"a number of {len(str(abs(number)))} digits" if isinstance(number, int) else f"{number:g}"


def check_ascending(name: str, numbers: list[int]) -> None:
    """Check that there are numbers, each larger than the one before it."""
    if not numbers or numbers != sorted(set(numbers)):
        raise ConfigError(f"{name} must be ascending numbers, such as 10,100, but is {as_argument(numbers)}")


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
    """A value as it is given on the command line; entries of a list in quotation marks where they would be misread."""
    match value:
        case list():
            return ",".join(map(_as_entry, value)) or "[]"
        case bool():
            return str(value).lower()
        case enum.Enum():
            return value.name
        case None:
            return "null"
    return str(value)


def _as_entry(value: Any) -> str:
    text = as_argument(value)
    return '"' + re.sub(r'([\\"])', r"\\\1", text) + '"' if _MISREAD.search(text) else text
