"""Commands as a user runs them: in a process of their own, or called here."""

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from s2s.runs.metrics import read_metrics

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


def check_typed_lines(name: str, *options: str, lines: Sequence[str]) -> None:
    """Check that a command answers each line as soon as it is typed at a terminal, and ends with Ctrl-D."""
    command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *options]
    master, slave = pty.openpty()
    process = subprocess.Popen(command, stdin=slave, stdout=subprocess.PIPE, env=environment(), cwd=ROOT)
    os.close(slave)
    assert process.stdout is not None
    for line in lines:
        os.write(master, line.encode())
        ready, _, _ = select.select([process.stdout], [], [], 60)
        assert ready
        assert os.read(process.stdout.fileno(), 1000).endswith(b"\n")
        assert process.poll() is None
    os.write(master, b"\x04")
    assert process.wait(timeout=30) == 0
    process.stdout.close()
    os.close(master)


class Terminal:
    """A command at a terminal of its own, where keys are typed and looked at what is shown."""

    def __init__(self, *command: str) -> None:
        self._master, slave = pty.openpty()
        env = {**environment(), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        termios.tcsetwinsize(slave, (40, 100))

        def take_terminal() -> None:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # which is ignored where the tests run in the background
            os.login_tty(slave)

        self._process = subprocess.Popen(command, env=env, cwd=ROOT, pass_fds=[slave], preexec_fn=take_terminal)
        os.close(slave)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def type(self, text: str | bytes) -> None:
        """Press these keys; a line ends with "\\n"."""
        os.write(self._master, text if isinstance(text, bytes) else text.encode())

    def wait_for(self, text: str) -> str:
        """What is shown until a text has come."""
        shown, until_s = b"", time.monotonic() + 120
        while text.encode() not in shown:
            assert time.monotonic() < until_s, shown.decode(errors="replace")
            if select.select([self._master], [], [], 1)[0]:
                shown += os.read(self._master, 4096)
        return shown.decode(errors="replace").replace("\r\n", "\n")

    def interrupt(self, prompt: str) -> None:
        """Type Ctrl-C until there is a new prompt: one that comes while a letter is shown waits for the next key."""
        until_s = time.monotonic() + 120
        while not select.select([self._master], [], [], 1)[0]:
            assert time.monotonic() < until_s, "nothing is shown"
            self.type("\x03")
        self.wait_for(prompt)

    def exit_code(self) -> int:
        """That of the command, which ends by itself."""
        return self._process.wait(timeout=60)


def losses(run: Path) -> list[tuple[int, str, float]]:
    """(step, kind, loss) of every complete line of metrics."""
    return [(row["step"], row["kind"], row["loss_nats"]) for row in read_metrics(run / "metrics.jsonl")]


def wait_for_step(run: Path, step: int) -> None:
    """Wait until a run in another process has logged a step."""
    until_s = time.monotonic() + 120
    while time.monotonic() < until_s:
        if any(row[0] >= step for row in losses(run)):
            return
        time.sleep(0.01)
    raise AssertionError(f"step {step} was not reached")
