"""What a command has measured: JSON for a program that reads it, and only then."""

import json
import sys
from typing import Any


def print_result(result: dict[str, Any]) -> None:
    """Print one JSON object on stdout, unless that is a terminal: the table on stderr has told people."""
    if not sys.stdout.isatty():
        print(json.dumps(result, ensure_ascii=False, allow_nan=False))
