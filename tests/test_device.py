import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from s2s import device as module
from s2s.config.training import Device, Precision
from s2s.device import BF16_FLAGS, autocast, choose_device, choose_precision, cpu_has, matrix_rate
from s2s.errors import ConfigError

CPU = torch.device("cpu")
CUDA = torch.device("cuda")
X86 = "processor\t: 0\nmodel name\t: Test 5000 bf16ish\nflags\t\t: fpu sse2 avx2 avx512f {flag}fma\n"


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


def times(monkeypatch: pytest.MonkeyPatch, rates: dict[torch.dtype, float]) -> None:
    """The processor multiplies matrices of a type at this rate."""
    monkeypatch.setattr(module, "matrix_rate", lambda kind, *_, **__: rates[kind])


FAST = {torch.float32: 100.0, torch.bfloat16: 240.0}
SLOW = {torch.float32: 330.0, torch.bfloat16: 170.0}


def processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    (tmp_path / "cpuinfo").write_text(text, encoding="utf-8")
    monkeypatch.setattr(module, "_CPU_INFO", tmp_path / "cpuinfo")


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_auto_is_cpu() -> None:
    assert choose_device(Device.auto) == CPU
    assert choose_device(Device.cpu) == CPU


@pytest.mark.usefixtures("gpu")
def test_with_a_gpu_auto_is_cuda() -> None:
    assert choose_device(Device.auto) == CUDA
    assert choose_device(Device.cuda) == CUDA
    assert torch.get_float32_matmul_precision() == "high"  # TF32
    assert choose_device(Device.cpu) == CPU


@pytest.mark.usefixtures("no_gpu")
def test_few_compiled_kernels_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRU_CACHE_CAPACITY", "5")
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "to be removed again")
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY")
    choose_device(Device.cpu)
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "16"
    assert os.environ["LRU_CACHE_CAPACITY"] == "5"  # what the user says


PRODUCTS = """
import torch
from pathlib import Path
from s2s.config.training import Device
from s2s.device import choose_device

def own_mb():
    return int(Path("/proc/self/smaps_rollup").read_text().split("Anonymous:")[1].split()[0]) / 1e3

choose_device(Device.cpu)
right = torch.ones(256, 512, dtype=torch.bfloat16)
sizes = []
for num_rows in range(1, 602):
    torch.ones(num_rows, 256, dtype=torch.bfloat16) @ right
    if num_rows in (301, 601):
        sizes.append(own_mb())
print(sizes[1] - sizes[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not cpu_has(BF16_FLAGS) or not Path("/proc/self/smaps_rollup").exists(),
    reason="the processor has no bf16, or the system does not tell what memory a process has",
)
def test_memory_does_not_grow_with_the_number_of_shapes() -> None:
    ended = subprocess.run([sys.executable, "-c", PRODUCTS], capture_output=True, check=True, timeout=300)
    assert float(ended.stdout) < 20


@pytest.mark.usefixtures("no_gpu")
def test_cuda_without_a_gpu_is_refused() -> None:
    with pytest.raises(ConfigError, match="device=cuda: torch sees no CUDA device; use device=cpu"):
        choose_device(Device.cuda)


@pytest.mark.parametrize("flag", ["avx512_bf16 ", "amx_bf16 "])
def test_a_processor_with_bf16(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flag: str) -> None:
    processor(monkeypatch, tmp_path, X86.format(flag=flag))
    times(monkeypatch, FAST)
    assert choose_precision(Precision.auto, CPU) is torch.bfloat16
    assert choose_precision(Precision.bf16, CPU) is torch.bfloat16
    assert choose_precision(Precision.fp32, CPU) is torch.float32


def test_a_processor_that_has_bf16_and_is_slow_at_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As Sapphire Rapids is without its AMX units; who asks for bf16 gets it all the same."""
    processor(monkeypatch, tmp_path, X86.format(flag="avx512_bf16 "))
    times(monkeypatch, SLOW)
    assert choose_precision(Precision.auto, CPU) is torch.float32
    assert choose_precision(Precision.bf16, CPU) is torch.bfloat16


def test_what_was_measured_and_chosen_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    processor(monkeypatch, tmp_path, X86.format(flag="amx_bf16 "))
    monkeypatch.setattr(module, "_bf16_speedup", lambda: 2.125)
    choose_precision(Precision.auto, CPU)
    choose_precision(Precision.bf16, CPU)
    monkeypatch.setattr(module, "_bf16_speedup", lambda: 1.25)
    choose_precision(Precision.auto, CPU)
    start = "precision=auto: bf16 products are"
    assert caplog.messages == [
        f"{start} 2.12 times as fast as fp32 here, so precision=bf16",
        f"{start} 1.25 times as fast as fp32 here, so precision=fp32",
    ]


def test_the_matrix_rate_is_that_of_a_machine() -> None:
    assert 1e8 < matrix_rate(torch.float32, CPU, 128, rounds=2) < 1e14


def test_an_arm_processor_with_bf16(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    processor(monkeypatch, tmp_path, "processor\t: 0\nFeatures\t: fp asimd sve bf16 i8mm\n")
    times(monkeypatch, FAST)
    assert choose_precision(Precision.auto, CPU) is torch.bfloat16


def test_a_processor_without_bf16(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A name that merely begins with bf16 is no instruction."""
    processor(monkeypatch, tmp_path, X86.format(flag=""))
    assert choose_precision(Precision.auto, CPU) is torch.float32
    assert choose_precision(Precision.fp32, CPU) is torch.float32
    with pytest.raises(ConfigError, match="precision=bf16: this processor has no bf16 instructions"):
        choose_precision(Precision.bf16, CPU)


def test_a_system_that_does_not_tell_gets_fp32(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_CPU_INFO", tmp_path / "absent")
    assert choose_precision(Precision.auto, CPU) is torch.float32
    with pytest.raises(ConfigError, match="this processor"):
        choose_precision(Precision.bf16, CPU)


def test_bytes_that_are_not_utf8_do_no_harm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_bytes(b"model name\t: caf\xe9\nflags\t: amx_bf16\n")
    monkeypatch.setattr(module, "_CPU_INFO", tmp_path / "cpuinfo")
    assert choose_precision(Precision.bf16, CPU) is torch.bfloat16


@pytest.mark.parametrize("has_bf16", [True, False])
def test_a_gpu_is_asked_without_emulation(monkeypatch: pytest.MonkeyPatch, has_bf16: bool) -> None:
    def is_supported(including_emulation: bool = True) -> bool:
        return has_bf16 or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    assert choose_precision(Precision.auto, CUDA) is (torch.bfloat16 if has_bf16 else torch.float32)
    if not has_bf16:
        with pytest.raises(ConfigError, match="this GPU"):
            choose_precision(Precision.bf16, CUDA)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_autocast_sets_the_type_of_products(kind: torch.dtype) -> None:
    left, right = torch.ones(3, 5), torch.ones(5, 7)
    with autocast(CPU, kind):
        assert (left @ right).dtype is kind
    assert (left @ right).dtype is torch.float32
