"""Which machine a number belongs to."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

# What changes the speed of torch and is not seen in a command line.
_SETTINGS = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "THP_MEM_ALLOC_ENABLE", "PYTORCH_CUDA_ALLOC_CONF")


def describe_machine() -> dict[str, Any]:
    """Processor, cores that this process may use, memory, versions, GPU, load and commit; call it before any work.

    ``load`` is the 1-minute average: above 1 or so somebody else was computing, and only ratios of interleaved runs
    mean something. ``threads`` is torch's. Keys that a machine cannot answer are left out.
    """
    found = {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": _memory_gb(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": _version("torch"),
        "transformers": _version("transformers"),
        "flash_attn": _version("flash-attn"),
        "liger_kernel": _version("liger-kernel"),
        "commit": _commit(),
        "environment": {name: os.environ[name] for name in _SETTINGS if name in os.environ},
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        found["threads"] = torch.get_num_threads()
        found["gpu"] = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {key: value for key, value in found.items() if value is not None}


def available_memory() -> int | None:
    """Bytes that can be taken before the machine swaps or kills; None where it cannot be asked."""
    return _meminfo("MemAvailable")


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    total = _meminfo("MemTotal")
    return None if total is None else round(total / 1e9, 1)


def _meminfo(key: str) -> int | None:
    info = Path("/proc/meminfo")
    if not info.exists():
        return None
    rows = dict(line.split(":", 1) for line in info.read_text().splitlines())
    return int(rows[key].split()[0]) * 1024 if key in rows else None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The short hash of the working tree's commit, with "-dirty" where tracked files differ from it."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None
