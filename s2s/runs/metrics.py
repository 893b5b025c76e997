"""The metrics of a run, one JSON object per line, without gap or repetition however often the run was stopped."""

import json
import math
from pathlib import Path
from typing import Any

from s2s.errors import RunError
from s2s.files import naming, parse_json, read_bounded, write_text

_MAX_BYTES = 1 << 28  # a million lines
_WITH_LOSS = ("train", "dev")
_WAYS_OUT = "copy the file again, or remove it, which loses the curves of the run and nothing else"


def append_metrics(path: Path, record: dict[str, Any]) -> None:
    """Append a line; numbers that are not finite become null, since JSON has none."""
    finite = {key: None if value != value or value in (math.inf, -math.inf) else value for key, value in record.items()}
    with naming(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(finite, allow_nan=False) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The records of a run, none where the file is missing.

    An unfinished last line is left out: the run may be writing it, or was killed while it did.

    Raises:
        RunError: the file cannot be read, or a line is no record.
    """
    return [_record(path, number, line) for number, line in enumerate(_lines(path), start=1)]


def truncate_metrics(path: Path, step: int) -> None:
    """Drop the records of later steps, which will be made again, and what a kill or a power cut left unfinished.

    Raises:
        RunError: the file cannot be read, or a line that was finished is no record.
    """
    lines = _lines(path)
    while lines and "\0" in lines[-1]:  # what a power cut leaves where a file has grown
        lines.pop()
    kept = [line for number, line in enumerate(lines, start=1) if _record(path, number, line)["step"] <= step]
    text = "".join(f"{line}\n" for line in kept)
    if path.exists() and path.stat().st_size != len(text.encode()):
        write_text(path, text)


def _lines(path: Path) -> list[str]:
    """The lines that are finished.

    Raises:
        RunError: the file cannot be read.
    """
    if not path.exists():
        return []
    try:
        return read_bounded(path, _MAX_BYTES).decode().split("\n")[:-1]
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path}: expected the metrics of a run, but they cannot be read ({error}); {_WAYS_OUT}"
        ) from error


def _record(path: Path, number: int, line: str) -> dict[str, Any]:
    """The record of a line.

    Raises:
        RunError: it is none.
    """
    try:
        record = parse_json(line)
        if type(record["step"]) is not int or type(record["kind"]) is not str:
            raise TypeError("step or kind is of another type")
        if record["kind"] in _WITH_LOSS and not {"loss_nats", "elapsed_s"} <= record.keys():
            raise KeyError("loss_nats or elapsed_s")
        for name, value in record.items():
            if name != "kind" and name != "event" and not (value is None or math.isfinite(value)):
                raise ValueError(f"{name} is {value}")
        return record  # type: ignore[no-any-return]
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise RunError(
            f"{path}, line {number}: expected a record of metrics, found {line[:60]!r} ({error}); {_WAYS_OUT}"
        ) from error
