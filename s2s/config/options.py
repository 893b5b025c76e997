"""TODO: say what s2s.config.options is."""

import dataclasses
import enum
import math
from dataclasses import field
from typing import Any

from s2s.errors import ConfigError


def option(default: Any, doc: str, low: float | None = None, high: float | None = None) -> Any:
    """A documented dataclass field; `low` and `high` bound a number."""
    metadata = {"doc": doc, "low": low, "high": high}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def _check_pair(name: str, files: list[str]) -> None:
    if len(files) not in (0, 2):
        raise ConfigError(f"{name} must be [SOURCE_FILE,TARGET_FILE], but has {len(files)} entries")


def _check_folders(name: str, given: Any) -> None:
    folders = given if isinstance(given, list) else [given]
    # Hydra reads a folder called 2025 as a number.
    if not folders or not all(isinstance(folder, str | int | float) and folder != "" for folder in folders):
        raise ConfigError(f"{name} must be a folder or [FOLDER,FOLDER], but is {given!r}")


def _is_ascending(numbers: list[int], low: int, high: float = math.inf) -> bool:
    """Whether there are some, each larger than the one before it, and all of them in this range."""
    return bool(numbers) and numbers == sorted(set(numbers)) and low <= numbers[0] and numbers[-1] <= high


def flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    """Every option of a group by its dotted name, enums by theirs; all values are JSON-able."""
    flat: dict[str, Any] = {}
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if dataclasses.is_dataclass(value):
            flat |= flatten(value, f"{prefix}{item.name}.")
        else:
            flat[prefix + item.name] = _plain(value)
    return flat


def _plain(value: Any) -> Any:
    """A value with the names of enums in their place."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.name if isinstance(value, enum.Enum) else value
