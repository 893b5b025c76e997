"""Commands as a user runs them: in a process of their own, or called here."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: bytes
    err: str


def run_command(name: str, *options: str, stdin: bytes = b"", cwd: Path = ROOT) -> Ended:
    """Run a command as a user would, in a process of its own."""
    command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *options]
    ended = subprocess.run(command, input=stdin, capture_output=True, cwd=cwd, env=environment(), timeout=300)
    return Ended(ended.returncode, ended.stdout, ended.stderr.decode())


Caller = Callable[..., Ended]


def environment() -> dict[str, str]:
    """The environment of a command: one thread, since tests are small and cores are shared."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}
