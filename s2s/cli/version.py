"""What `s2s --version` prints."""

import platform
from importlib.metadata import PackageNotFoundError, version

from s2s.workers import all_cores

_ABILITIES = {  # names that Linux gives them, and what people call them
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_bf16": "AVX-512 bf16",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX VNNI",
    "amx_bf16": "AMX bf16",
    "amx_int8": "AMX int8",
}


def version_text() -> str:
    """s2s, Python, torch and the processor, a line each; nothing is imported for it."""
    return "\n".join(
        [
            f"s2s {version('s2s')}",
            f"Python {platform.python_version()}, {platform.system()} {platform.machine()}",
            f"torch {_torch()}",
            f"processor: {_processor()}",
        ]
    )


def _torch() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return "is not installed"


def _processor() -> str:
    """Cores that this process may use, the model, and the abilities that make matrix products fast."""
    model, flags = "", set[str]()
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                name, _, value = (part.strip() for part in line.partition(":"))
                if name == "model name":
                    model = value
                elif name in ("flags", "Features"):
                    flags = set(value.split())
                    break  # the other cores are alike
    except OSError:  # not Linux
        model = platform.processor()
    num_cores = all_cores()
    cores = f"{num_cores} core{'s' if num_cores != 1 else ''}"
    return ", ".join(filter(None, [cores, model, *(shown for name, shown in _ABILITIES.items() if name in flags)]))
