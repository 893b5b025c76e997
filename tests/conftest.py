"""What several test files share: commands called in this process, and small trained runs."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from processes import Caller, Ended
from s2s.cli.app import main
from s2s.tasks.train_run import train
from tiny_runs import LEARNS, TINY, compose, file_options, labelled_options

torch.set_num_threads(1)  # a process for each core runs the tests: more threads would fight for them


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests of a GPU run where there is one."""
    if item.get_closest_marker("cuda") and not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")


@pytest.fixture
def call_command(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Iterator[Caller]:
    """Run a command in this process: what matters is how it ends, and starting Python takes seconds."""
    handler = signal.getsignal(signal.SIGTERM)

    def call(name: str, *options: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["s2s", name, *options])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capfdbinary.readouterr()
        return Ended(int(end.value.code or 0), captured.out, captured.err.decode())

    yield call
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of the tests' own, for this process and for the commands that it starts."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("S2S_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder that was trained for some steps."""
    folder = tmp_path_factory.mktemp("tiny")
    run = folder / "run"
    train(compose("train", *file_options(folder / "corpus"), *TINY, f"run={run}", "training.max_steps=12"))
    return run


@pytest.fixture(scope="session")
def labelled_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier that was trained for some steps."""
    folder = tmp_path_factory.mktemp("labelled")
    options = [*labelled_options(folder / "corpus"), *TINY, "training.max_steps=12"]
    train(compose("train", *options, f"run={folder / 'run'}"))
    return folder / "run"


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier that has learnt which words begin a good text."""
    folder = tmp_path_factory.mktemp("learnt")
    options = [*labelled_options(folder / "corpus"), *LEARNS, "training.max_steps=80", "training.validate_every=20"]
    train(compose("train", *options, f"run={folder / 'run'}"))
    return folder / "run"


@pytest.fixture(scope="session")
def blind_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without attention."""
    folder = tmp_path_factory.mktemp("blind")
    options = [*file_options(folder / "corpus"), *TINY, "training.max_steps=2", "model.attention=none"]
    train(compose("train", *options, f"run={folder / 'run'}"))
    return folder / "run"
