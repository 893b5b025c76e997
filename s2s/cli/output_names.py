"""Where pictures and reports go if nobody says where: into the run, under names that replace no other's."""

import hashlib
import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

AUTO = "auto"
"""The value of an option `output` that stands for such a name."""
_MOST_CHARACTERS = 40  # of a sentence in a file name; in Korean, three bytes each


def sentence_name(text: str) -> str:
    """A sentence as a part of a file name: "나는 간다" as 나는-간다; other sentences have other names."""
    text = unicodedata.normalize("NFC", text)
    words = re.findall(r"\w+", text)
    name = "-".join(words)
    if name and " ".join(words) == text and len(name) <= _MOST_CHARACTERS:
        return name
    return f"{name[:_MOST_CHARACTERS].strip('-')}-{_digest(text)}".lstrip("-")


def chosen_path(output: str | None, default: Path) -> Path | None:
    """The file that an option `output` names: None for none at all."""
    return default if output == AUTO else None if output is None else Path(output)


def path_for_runs(runs: Sequence[Path], name: str, suffix: str, *, folder: str = "") -> Path:
    """The file of what was made of some runs.

    Args:
        runs: their folders; of one, the file lies in it; of several, in the folder that holds them all, and is named
            after them, so that other sets of runs have files of their own.
        name, suffix: report and .html, say.
        folder: inside the folder of a single run.
    """
    if len(runs) == 1:
        return runs[0] / folder / f"{name}{suffix}"
    common = _common_folder(runs)
    names = "+".join("-".join(Path(os.path.relpath(run, common)).parts) for run in runs)
    if len(names) > 2 * _MOST_CHARACTERS:
        names = f"{len(runs)}-runs-{_digest(names)}"
    return common / f"{name}-{names}{suffix}"


def _common_folder(runs: Sequence[Path]) -> Path:
    """The deepest folder that holds all runs, as they were named; the current one where that would be the root."""
    if any(run.is_absolute() for run in runs):
        runs = [run.absolute() for run in runs]
    common = Path(os.path.commonpath([run.parent for run in runs]) if all(run.name for run in runs) else "")
    return Path() if common == Path(common.anchor) else common


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
