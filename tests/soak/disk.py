"""A disk that can be filled: a small one of its own where root may mount it, else a limit on the size of files."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.soak.process_group import ProcessGroup

MEGABYTES = 64


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """``folder`` as a disk of 64 MB of its own; False where that needs more rights than we have."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(folder)]
    try:
        mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def full_disk(disk: Path, *, mounted: bool, group: ProcessGroup) -> Iterator[None]:
    """Nothing more can be written to ``disk`` in the block: not a byte, or without a disk of our own no large file."""
    if mounted:
        with (disk / "filler").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                pass
            try:
                while True:
                    file.write(b"x")
            except OSError:
                pass
        try:
            yield
        finally:
            (disk / "filler").unlink()
        return
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in group.ranks()}
    for pid, (_, hard) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1 << 12, hard))
    try:
        yield
    finally:
        for pid, limits in before.items():
            if pid in group.ranks():
                resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
