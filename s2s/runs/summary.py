"""How a run ended: the scores of its test set, with some of its sentences."""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from s2s.config.training import MEASURES_OF, Task
from s2s.errors import RunError
from s2s.files import read_json, write_json
from s2s.runs.folder import RunFolder

_MAX_BYTES = 10_000_000
SIGNED = tuple(MEASURES_OF[Task.translate].test)
"""The scores that come with a signature, `NAME_signature`."""


@dataclass(frozen=True)
class Summary:
    """What `summary.json` holds.

    Attributes:
        test: the number of `lines` of the test set; its scores, all those that `MEASURES_OF` has for the task, and
            their signatures; and whatever else is known of it, as JSON.
        samples: some of its sentences, with what the model makes of them.
    """

    test: dict[str, Any]
    samples: list[dict[str, str]] = field(default_factory=list)


def write_summary(run: RunFolder, summary: Summary) -> None:
    """Write it; from then on the run counts as ended."""
    write_json(run.summary, dataclasses.asdict(summary))


def read_summary(run: RunFolder, task: Task) -> Summary | None:
    """Read what `write_summary` wrote; None while the run has not ended.

    Raises:
        RunError: the file is damaged, or of another task.
    """
    if not run.summary.exists():
        return None
    try:
        summary = Summary(**read_json(run.summary, _MAX_BYTES))
        _check_scores(summary.test, task)
        if type(summary.samples) is not list or not all(map(_is_sample, summary.samples)):
            raise TypeError("its samples are of another type")
        return summary
    except (OSError, ValueError, TypeError, OverflowError) as error:
        raise RunError(
            f"{run.summary}: expected the scores of a run, but they cannot be read ({error}); copy the file again, "
            "or remove it and give the command that trained the run, which scores it again"
        ) from error


def _check_scores(test: Any, task: Task) -> None:
    """Ensure that these are the scores of a test set.

    Raises:
        TypeError, ValueError, OverflowError: they are not.
    """
    if type(test) is not dict:
        raise TypeError("its scores are of another type")
    for name in MEASURES_OF[task].test:
        if type(test.get(name)) not in (int, float) or not math.isfinite(test[name]):
            raise ValueError(f"expected a number as {name}")
        if name in SIGNED and type(test.get(f"{name}_signature")) is not str:
            raise ValueError(f"expected a text as {name}_signature")


def _is_sample(value: Any) -> bool:
    return type(value) is dict and all(type(text) is str for text in value.values())
