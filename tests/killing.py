"""Train a run again and again, killed at each moment in turn, and go on with it; prints what came of each as JSON.

    python tests/killing.py FOLDER OPTION=VALUE ...

A moment is that before a call that makes something last: a flush to the disk, a rename, a removal. Each run is trained
in a fork of this process, since importing torch takes longer than the training.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from s2s.runs.metrics import read_metrics
from s2s.tasks import train_run, translation
from tiny_runs import compose

_CALLS = ("fsync", "replace", "rename", "unlink")


def kill_before(moment: int) -> None:
    """Kill this process before the call of this number, from 1."""
    numbers = count(1)

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def do(*args: Any, **kwargs: Any) -> Any:
            if next(numbers) == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return do

    for name in _CALLS:
        setattr(os, name, counted(getattr(os, name)))


def train_in_fork(folder: Path, options: list[str], moment: int | None = None) -> int:
    """Train the run of a folder; returns how its process ended, below 0 by a signal."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            sys.stderr = (folder.parent / "log").open("a")
            if moment is not None:
                kill_before(moment)
            train_run.train(compose("train", *options, f"run={folder / 'run'}", f"data.cache={folder / 'cache'}"))
            code = 0
        except BaseException as error:
            print(f"{moment}: {error!r}", file=sys.stderr)
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def outcome(folder: Path) -> Any:
    """All that a run leaves, but for what is measured by a clock."""
    run = folder / "run"
    rows = read_metrics(run / "metrics.jsonl")
    kept = [[row["step"], row["kind"], row["loss_nats"], row.get("bleu")] for row in rows]
    names = sorted(str(path.relative_to(run)) for path in run.rglob("*"))
    return [kept, (run / "summary.json").read_text(), names]


def outcomes(root: Path, options: list[str]) -> Iterator[dict[str, Any]]:
    """What came of each moment; the first is that of the run that was never stopped."""
    for moment in count(0):
        folder = root / str(moment)
        folder.mkdir()
        killed = train_in_fork(folder, options, moment) if moment else -signal.SIGKILL
        if killed != -signal.SIGKILL:
            return
        left = sorted(path.name for path in (folder / "run").glob("*"))
        code = train_in_fork(folder, options)
        yield {"moment": moment, "left": left, "code": code, "outcome": outcome(folder) if code == 0 else None}


if __name__ == "__main__":
    translation.plot_attention = lambda *_: None  # type: ignore[assignment]  # it takes longer than all the rest
    for result in outcomes(Path(sys.argv[1]), sys.argv[2:]):
        print(json.dumps(result), flush=True)
