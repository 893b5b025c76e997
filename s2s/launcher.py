"""The process that started this one as a rank, torchrun: its ranks do not outlive it, however it ends."""

import os
import signal
import threading
import time
from functools import cache
from pathlib import Path

_LOOK_EVERY_S = 0.5
_GRACE_S = 10.0  # time to save what there is; a rank that waits for others, which are gone too, would wait for hours
_FIRST_PROCESS = 1


@cache
def end_with_launcher() -> None:
    """Let this process end when torchrun ends; without torchrun, do nothing.

    It ends as by SIGTERM, and at once after ten seconds. To be called as early as may be: a launcher that ended before
    is known only by the first process of the machine, which adopts what is left.
    """
    if is_rank():
        threading.Thread(target=_end_without, args=(os.getppid(),), daemon=True).start()


def is_rank() -> bool:
    """Whether torchrun started this process, or the one that it is a worker of."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def _end_without(launcher: int) -> None:
    if launcher != _FIRST_PROCESS or _is_launcher(launcher):
        while os.getppid() == launcher:
            time.sleep(_LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os._exit(1)


def _is_launcher(process: int) -> bool:
    """Whether the first process, of a container perhaps, is torchrun itself."""
    try:
        return b"torch" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:  # not Linux: where containers do not matter
        return False
