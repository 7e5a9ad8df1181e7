"""Shared memory: workers hand batches over in it, and Streaming keeps what the ranks of a machine share there."""

import os
from pathlib import Path

from mmbert_composer.doctor.finding import Finding, note, ok, problem

CHECK = "shared memory"
SHM = Path("/dev/shm")
FEW = 1 << 30
"""Below a GiB workers can run out of it; a container has 64 MiB unless it is told otherwise."""


def check_size(total: int, free: int, folder: Path = SHM) -> Finding:
    """Size of the file system that shared memory is in."""
    what = f"{folder}: {free / 2**30:.2f} of {total / 2**30:.2f} GiB free"
    mend = "give a container more (docker run --shm-size=8g, or --ipc=host), or set data.num_workers=0"
    if free < FEW // 8:
        return problem(CHECK, f"{what}; workers would die with a bus error", mend)
    return note(CHECK, f"{what}, which is little", mend) if free < FEW else ok(CHECK, what)


def check_shared_memory(folder: Path = SHM) -> list[Finding]:
    """Its size."""
    if not folder.is_dir():
        return [problem(CHECK, f"{folder} does not exist", "mount a tmpfs there; training needs shared memory")]
    found = os.statvfs(folder)
    return [check_size(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize, folder)]
