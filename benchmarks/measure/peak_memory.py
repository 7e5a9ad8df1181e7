"""The most memory that a piece of work had at a time."""

import ctypes
import gc
import sys
from collections.abc import Callable
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_memory(work: Callable[[], object], device: str = "cpu") -> int | None:
    """Bytes at the highest point of ``work()``, everything that was there before included.

    On a GPU what torch had allocated; else the resident memory of this process, whose high-water mark is reset first
    (memory that earlier work freed is given back to the system before that). None where the system has no such mark.
    Compare peaks of one process: interpreter and libraries count in each, some 0.5 GB.
    """
    gc.collect()
    if device == "cuda":
        torch = sys.modules["torch"]
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        work()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated()
    trim_memory()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    work()
    return _status("VmHWM")


def resident_memory() -> int | None:
    """Bytes that this process holds in memory now; None where the system does not say."""
    return _status("VmRSS") if STATUS.exists() else None


def _status(key: str) -> int:
    rows = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(rows[key].split()[0]) * 1024


def trim_memory() -> None:
    """Give what malloc keeps for later back to the system, where the C library can."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return
