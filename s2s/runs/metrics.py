"""The metrics of a run, one JSON object per line, without gap or repetition however often the run was stopped."""

import json
import math
from pathlib import Path
from typing import Any

from s2s.files import write_text


def append_metrics(path: Path, record: dict[str, Any]) -> None:
    """Append a line; numbers that are not finite become null, since JSON has none."""
    finite = {key: None if value != value or value in (math.inf, -math.inf) else value for key, value in record.items()}
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(finite, allow_nan=False) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The records of a run, none where the file is missing.

    An unfinished last line is left out: the run may be writing it, or was killed while it did.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is not JSON.
    """
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def truncate_metrics(path: Path, step: int) -> None:
    """Drop the lines of later steps, which will be made again, and whatever a killed process left unfinished."""
    if not path.exists():
        return
    kept, text = [], path.read_text(encoding="utf-8")
    for line in text.split("\n")[:-1]:
        try:
            if json.loads(line)["step"] <= step:
                kept.append(f"{line}\n")
        except (ValueError, KeyError, TypeError):
            continue
    if "".join(kept) != text:
        write_text(path, "".join(kept))
