"""A wheel, installed in an environment of its own, does what the checkout does."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import torch

from processes import ROOT
from tiny_runs import TINY, file_options


def run(*command: str | Path, cwd: Path, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, check=True, env=kept, timeout=500)


@pytest.mark.slow
def test_an_installed_wheel_trains_evaluates_and_translates(tmp_path: Path) -> None:
    # The packages that this interpreter has serve the new environment; only s2s itself comes from the wheel.
    source = tmp_path / "source"
    run("git", "clone", "-q", str(ROOT), str(source), cwd=tmp_path)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, source, cwd=tmp_path)
    (wheel,) = tmp_path.glob("s2s-*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    run(python, "-m", "pip", "install", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    (site,) = (tmp_path / "env" / "lib").glob("python3*/site-packages")
    (site / "packages_of_the_tests.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")
    s2s = tmp_path / "env" / "bin" / "s2s"
    where = run(python, "-c", "import s2s, s2s.conf; print(s2s.__file__, s2s.conf.__file__)", cwd=tmp_path).stdout
    assert where.decode().count(str(site)) == 2
    options = [*file_options(tmp_path / "corpus"), *TINY, "run=here", "training.max_steps=6"]
    trained = run(s2s, "train", *options, cwd=tmp_path)
    assert b"s2s translate run=here" in trained.stderr
    assert (tmp_path / "here" / "best" / "weights.safetensors").exists()
    assert b'"bleu"' in run(s2s, "evaluate", "run=here", cwd=tmp_path).stdout
    lines = run(s2s, "translate", "run=here", cwd=tmp_path, stdin="하나 둘\n\n셋\n".encode()).stdout
    assert lines.count(b"\n") == 3
    script = run(
        sys.executable, ROOT / "scripts/translate.py", "run=here", cwd=tmp_path, stdin="하나 둘\n\n셋\n".encode()
    ).stdout
    assert script == lines
