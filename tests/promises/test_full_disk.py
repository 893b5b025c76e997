"""What cannot be written is named, whatever command writes it, in whatever way; and nothing half-written is left."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from processes import ROOT, environment
from s2s.files import new_folder, replacing
from tiny_runs import TINY, file_options

pytestmark = pytest.mark.slow
LIMIT_BYTES = 1000  # of every file: what a command writes beyond that fails as on a full disk, but for the reason told


def run_on_full_disk(*command: str, cwd: Path, limit: int = LIMIT_BYTES) -> "subprocess.CompletedProcess[bytes]":
    """Run a command of s2s that can write small files only."""
    return subprocess.run(
        [sys.executable, "-m", "s2s", *command],
        capture_output=True,
        cwd=cwd,
        env={**environment(), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )


COMMANDS = {
    "average": ("average", "run={run}", "output=out", "last=1"),
    "export": ("export", "run={run}", "output=out"),
    "attention": ("attention", "run={run}", "output=out", "text=하나 둘"),
    "report": ("report", "run={run}", "output=out/report.html", "scores=false"),
    "gates": ("gates", "run={run}", "text=하나 둘", "output=out/gates.png"),
    "phrasebook": ("phrasebook", "pairs=500", "output=out"),
    "memory": ("memory", "steps=1", "distances=[1]", "hidden_size=8", "output=out/memory.png"),
    "translate": ("translate", "run={run}", "input={long}", "output=out/translation"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_names_what_it_cannot_write(tiny_run: Path, tmp_path: Path, name: str) -> None:
    long = tmp_path / "long"
    long.write_text("하나 둘\n" * 2000)
    words = [word.format(run=tiny_run, long=long) for word in COMMANDS[name]]
    ended = run_on_full_disk(*words, cwd=tmp_path)
    check(ended, "out")
    left = [path.name for path in (tmp_path / "out").rglob("*")] if (tmp_path / "out").exists() else []
    assert [file for file in left if not file.endswith((".part", ".journal"))] == []
    assert name == "translate" or left == []


def check(ended: "subprocess.CompletedProcess[bytes]", named: str) -> None:
    """It ended with an error of a line or two that names a file."""
    err = ended.stderr.decode()
    assert ended.returncode == 1, err
    assert "Traceback" not in err
    error = err[err.index("error: ") :].strip()
    assert "File too large" in error
    assert "error: a file" not in error
    assert named in error
    assert len(error.splitlines()) <= 2


LIMITS = {
    100: "cannot be written",  # the options
    3000: "data.cache=DIR",  # the text in the cache
}


@pytest.mark.parametrize("limit", LIMITS)
def test_training_names_what_it_cannot_write(tmp_path: Path, limit: int) -> None:
    options = [*file_options(tmp_path / "corpus"), *TINY, "run=run", "training.max_steps=4", "data.cache=cache"]
    ended = run_on_full_disk("train", *options, cwd=tmp_path, limit=limit)
    check(ended, LIMITS[limit])


def test_training_names_the_checkpoint_that_it_cannot_write(tmp_path: Path) -> None:
    """It is larger than the subwords, and the text is in the cache by then."""
    options = [*file_options(tmp_path / "corpus"), *TINY, "model.hidden_size=128", "data.cache=cache"]
    options.append("training.max_steps=4")
    before = run_on_full_disk("train", *options, "run=before", cwd=tmp_path, limit=resource.RLIM_INFINITY)
    assert before.returncode == 0, before.stderr.decode()
    subwords, weights = tmp_path / "before" / "subwords.model", tmp_path / "before" / "best" / "weights.safetensors"
    limit = subwords.stat().st_size + 1000
    assert limit < weights.stat().st_size
    ended = run_on_full_disk("train", *options, "run=run", cwd=tmp_path, limit=limit)
    check(ended, "cannot be written")
    assert "safetensors" in ended.stderr.decode()


def test_events_name_their_folder(tmp_path: Path) -> None:
    """They are written by a thread of tensorboard's, which hands its errors on."""
    pytest.importorskip("tensorboard")
    program = (
        "import sys; from pathlib import Path; from functools import partial;"
        "from s2s.cli.exit_codes import exit_code_of; from s2s.training.tensorboard import EventWriter;\n"
        "def write():\n"
        "    writer = EventWriter(Path('events'), 1)\n"
        "    for step in range(1000):\n"
        "        writer.write({'step': step, 'kind': 'train', 'loss_nats': 1.5})\n"
        "sys.exit(exit_code_of(write))"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        cwd=tmp_path,
        env={**environment(), "PYTHONPATH": str(ROOT)},
        timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, LIMIT_BYTES)),
    )
    assert (ended.returncode, b"error: events cannot be read or written: " in ended.stderr) == (1, True), ended.stderr


def test_each_of_several_files_is_named_by_its_own_errors(tmp_path: Path) -> None:
    """Even where another one was opened later."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, before[1]))
    try:
        with (
            pytest.raises(OSError, match="File too large") as caught,
            replacing(tmp_path / "first") as first,
            replacing(tmp_path / "second"),
        ):
            first.write(b"x" * 100_000)
        assert caught.value.filename == str(tmp_path / "first")
        with pytest.raises(OSError, match="File too large") as caught, new_folder(tmp_path / "new") as folder:  # noqa: SIM117
            with replacing(folder / "inside") as inside:
                inside.write(b"x" * 100_000)
        assert str(caught.value.filename).endswith("inside")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
