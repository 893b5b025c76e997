import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from processes import ROOT, Caller, environment
from s2s.config.model import AttentionScore, Cell, ModelConfig, Pooling, Tie
from s2s.config.optim import OptimConfig, Optimizer
from s2s.errors import ConfigError
from s2s.models import network_size
from s2s.models.classifier import build_classifier
from s2s.models.network_size import build_in_memory, check_memory, outline, total_memory, training_copies
from s2s.models.seq2seq import build_seq2seq
from tiny_runs import TINY, file_options

CPU = torch.device("cpu")


def sizes(model: nn.Module) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in model.named_parameters()}


@pytest.mark.parametrize("attention", AttentionScore)
@pytest.mark.parametrize("cell", Cell)
def test_an_outline_has_the_sizes_of_the_network_and_draws_nothing(cell: Cell, attention: AttentionScore) -> None:
    config = ModelConfig(cell=cell, attention=attention, layers=2, embedding_size=6, hidden_size=10, tie=Tie.output)
    for build in (
        partial(build_seq2seq, config, 7, 9),
        partial(build_classifier, ModelConfig(cell=cell, hidden_size=10, pooling=Pooling.attention), 7, 3),
    ):
        before = torch.get_rng_state()
        found = outline(build)
        assert torch.equal(torch.get_rng_state(), before)
        assert all(weight.is_meta for weight in found.parameters())
        assert sizes(found) == sizes(build())


def test_a_huge_network_is_outlined_without_a_second_or_a_gigabyte() -> None:
    """In a process of its own: the first call could load a part of torch that takes a second."""
    program = (
        "import time, sys; from functools import partial; from s2s.config.model import ModelConfig;"
        "from s2s.models.seq2seq import build_seq2seq; from s2s.models.network_size import outline;"
        "started_s = time.process_time();"
        "found = outline(partial(build_seq2seq, ModelConfig(hidden_size=200_000), 8000, 8000));"
        "print(sum(weight.numel() for weight in found.parameters()) > 10**11, time.process_time() - started_s < 0.5,"
        "'sympy' in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment(), check=True, capture_output=True
    )
    assert ended.stdout.split() == [b"True", b"True", b"False"]


@pytest.mark.parametrize("size", [10**10, 10**15, 10**30])
def test_sizes_that_cannot_be_counted_are_refused(size: int) -> None:
    config = ModelConfig(hidden_size=size)
    with pytest.raises(ConfigError, match=r"no computer can hold|GB of memory"):
        check_memory(partial(build_seq2seq, config, 9, 9), CPU)


def test_memory_on_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    """3 x 5 weights and 3 biases of 4 bytes take 72 bytes, and in training 5 times as many."""
    monkeypatch.setattr(network_size, "total_memory", lambda _: 360)
    check_memory(partial(nn.Linear, 5, 3), CPU, copies=5)
    assert build_in_memory(partial(nn.Linear, 5, 3), CPU, copies=5).weight.shape == (3, 5)
    monkeypatch.setattr(network_size, "total_memory", lambda _: 359)
    check_memory(partial(nn.Linear, 5, 3), CPU, copies=4)
    with pytest.raises(ConfigError, match="gradients and the optimizer's state, but this machine has") as caught:
        build_in_memory(partial(nn.Linear, 5, 3), CPU, copies=5)
    assert "\n" not in str(caught.value)


def test_copies_on_paper() -> None:
    """The weight and its gradient; Adam's two moments, or a velocity; the average."""
    assert training_copies(OptimConfig(ema_decay=0.999)) == 5
    assert training_copies(OptimConfig(ema_decay=0.0)) == 4
    assert training_copies(OptimConfig(Optimizer.sgd, momentum=0.9, ema_decay=0.0)) == 3
    assert training_copies(OptimConfig(Optimizer.sgd, momentum=0.0, ema_decay=0.0)) == 2


def test_a_container_has_what_it_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = total_memory(CPU)
    assert whole >= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(network_size, "_CGROUP_LIMITS", (limit,))
    for content, expected in {"max\n": whole, "1000000\n": 1_000_000, f"{2**63 - 4096}\n": whole}.items():
        limit.write_text(content)
        assert total_memory(CPU) == expected
    monkeypatch.setattr(network_size, "_MEMORY_INFO", tmp_path / "absent")
    assert total_memory(CPU) == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize("option", ["model.hidden_size=300000", "model.embedding_size=900000000"])
def test_a_run_too_large_is_refused_before_its_text_is_read(tmp_path: Path, call_command: Caller, option: str) -> None:
    tiny = [each for each in TINY if not each.startswith(option.split("=")[0])]
    options = [*file_options(tmp_path / "corpus"), *tiny, option, f"data.cache={tmp_path / 'cache'}"]
    ended = call_command("train", *options, f"run={tmp_path / 'run'}")
    assert ended.code == 2
    assert "GB of memory: lower model.hidden_size" in ended.err or "must be between" in ended.err
    assert len(ended.err.splitlines()) == 1
    assert not (tmp_path / "cache").exists()


def test_memory_that_is_short_is_told_of_as_such(call_command: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch says it for the CPU: an error of no type of its own."""
    from s2s.tasks import train_run

    def fail(config: object) -> None:
        torch.empty(2**55)

    monkeypatch.setattr(train_run, "choose_device", fail)
    ended = call_command("train", "data=phrasebook")
    assert (ended.code, ended.err.startswith("error: out of memory; lower ")) == (1, True)
