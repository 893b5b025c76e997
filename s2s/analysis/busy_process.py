"""Another program on the same machine, for speeds as people see them who do more than one thing at a time."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SETTLE_S = 3.0
"""Seconds after which threads have found out that cores are taken, and wait accordingly."""


@contextmanager
def busy_process() -> Iterator[None]:
    """A block beside a process of low priority that takes all of a core that it gets."""
    script = "import os; os.nice(19)\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    try:
        yield
    finally:
        process.kill()
        process.wait()
