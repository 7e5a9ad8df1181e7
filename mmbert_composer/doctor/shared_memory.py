"""Shared memory: workers hand batches over in it, and Streaming keeps what the ranks of a machine share there."""

import os
import pwd
import re
from pathlib import Path

from mmbert_composer.doctor.finding import Finding, note, ok, problem
from mmbert_composer.runtime.shared_memory_register import register_folder, stale, sweep

CHECK = "shared memory"
SHM = Path("/dev/shm")
_STREAMING = re.compile(r"\d{6,}_[a-z]+(_\w+)?")
"""Streaming's names: 000000_locals, 000000_barrier, ..."""
FEW = 1 << 30
"""Below a GiB workers can run out of it; a container has 64 MiB unless it is told otherwise."""


def check_size(total: int, free: int, folder: Path = SHM) -> Finding:
    """Size of the file system that shared memory is in."""
    what = f"{folder}: {free / 2**30:.2f} of {total / 2**30:.2f} GiB free"
    mend = "give a container more (docker run --shm-size=8g, or --ipc=host), or set data.num_workers=0"
    if free < FEW // 8:
        return problem(CHECK, f"{what}; workers would die with a bus error", mend)
    return note(CHECK, f"{what}, which is little", mend) if free < FEW else ok(CHECK, what)


def check_leftovers(folder: Path = SHM, *, fix: bool = False) -> Finding:
    """What killed runs of this user left behind; ``fix`` removes it, as the next run would."""
    left = stale(shared_memory=folder)
    if not left:
        return ok(CHECK, "no run of yours that was killed left anything behind")
    files = [file for prefix in left.values() for file in prefix if file.exists()]
    size = sum(file.stat().st_size for file in files)
    what = f"{len(left)} killed processes' datasets left {len(files)} files, {size / 2**20:.1f} MiB"
    if fix:
        sweep(shared_memory=folder)
        return ok(CHECK, f"{what}: removed")
    return note(CHECK, what, "the next run removes them by itself, mmbert doctor --fix does it now")


def check_strangers(folder: Path = SHM) -> Finding | None:
    """Streaming's names there that no run of this project registered: of other programs, or of another user."""
    registered = {entry.name.partition(".")[0] for entry in register_folder(folder).glob("[0-9]*.[0-9]*")}
    owners: dict[str, int] = {}
    for entry in os.scandir(folder):
        if _STREAMING.fullmatch(entry.name) and entry.name.partition("_")[0] not in registered:
            owner = _user(entry.stat(follow_symlinks=False).st_uid)
            owners[owner] = owners.get(owner, 0) + 1
    if not owners:
        return None
    whose = ", ".join(f"{count} of {owner}" for owner, count in sorted(owners.items()))
    return note(
        CHECK,
        f"other users of Streaming have names here: {whose}",
        'runs of this project do not mind. What is yours and dead goes by python -c "from streaming.base.util import '
        'clean_stale_shared_memory as c; c()"',
    )


def check_shared_memory(folder: Path = SHM, *, fix: bool = False) -> list[Finding]:
    """Everything above."""
    if not folder.is_dir():
        return [problem(CHECK, f"{folder} does not exist", "mount a tmpfs there; training needs shared memory")]
    found = os.statvfs(folder)
    size = check_size(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize, folder)
    strangers = check_strangers(folder)
    return [size, check_leftovers(folder, fix=fix), *([strangers] if strangers else [])]


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
