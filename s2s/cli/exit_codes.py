"""What goes wrong becomes an error in a line or two on stderr, and an exit code."""

import io
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from s2s.errors import Interrupted, S2SError
from s2s.files import NamedFile

SIGNAL = 128  # an exit code is this plus the number of the signal
_STDOUT = "stdout"
_OUT_OF_MEMORY = (
    "out of memory; lower batch_size or batch_tokens, whichever this command has, or begin a new run with a "
    "lower training.batch_tokens"
)
_NO_MEMORY = ("can't allocate memory", "out of memory")
"""What torch says of the CPU's memory and of a GPU's, in errors of no type of their own."""


def exit_code_of(task: Callable[[], None]) -> int:
    """Run a task and report what goes wrong.

    0: done. 1: an error. 2: a usage or config error. 130 and 143: SIGINT and SIGTERM. With S2S_TRACEBACK=1, or
    HYDRA_FULL_ERROR=1, errors come with their traceback, as mistakes of the program always do.
    """
    try:
        task()
        sys.stdout.flush()
        return 0
    except Interrupted as end:
        print(end, file=sys.stderr)
        return end.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return SIGNAL + signal.SIGINT
    except S2SError as error:
        return report(str(error), error.exit_code)
    except MemoryError:
        return report(_OUT_OF_MEMORY, 1)
    except RuntimeError as error:
        if any(words in str(error) for words in _NO_MEMORY):
            return report(_OUT_OF_MEMORY, 1)
        traceback.print_exc()
        return 1
    except OSError as error:  # a full disk, no permission: what was saved before is still there
        return report_file_error(error)
    except Exception:
        traceback.print_exc()
        return 1


def report(message: str, code: int) -> int:
    """Report the error that is being handled, with its traceback where that was asked for."""
    if "1" in (os.environ.get("S2S_TRACEBACK"), os.environ.get("HYDRA_FULL_ERROR")):
        traceback.print_exc()
    print(f"error: {message}", file=sys.stderr)
    return code


def report_file_error(error: OSError) -> int:
    """Report which file cannot be read or written, but end quietly where the reader of stdout has gone (`| head`)."""
    if error.filename == _STDOUT:  # keep Python from writing there at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 0
    return report(f"{error.filename or 'a file'} cannot be read or written: {error.strerror or error}", 1)


def log_to_stderr() -> None:
    """Print log messages as they are, so that stdout holds results only."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")


@contextmanager
def named_stdout() -> Iterator[None]:
    """A block in which errors of stdout name it; all that was printed has gone out at its end."""
    before = sys.stdout
    raw = NamedFile(before.fileno(), "wb", name=_STDOUT, closefd=False)
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", line_buffering=raw.isatty())
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        finally:
            sys.stdout = before
