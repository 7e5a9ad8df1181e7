"""Which process uses which names in shared memory, so that what a killed one left can be told from what is in use.

Fault: Streaming 0.13.0 removes its shared memory and its lock files when a process exits; after ``kill -9`` they stay,
its ``clean_stale_shared_memory`` stops at the first gap, and neither sees who else uses them. Detected by: ``kill -9``
of a run and a look at ``/dev/shm``. Mend: every rank registers its prefix with its identity in a folder of this user,
and every run that starts sweeps the prefixes whose processes are all dead. The folder is in ``/dev/shm`` itself: it is
as old as the memory that it speaks of, no TMPDIR moves it, and no other machine sees it. Can go: with
:mod:`mmbert_composer.runtime.private_shared_memory`.
"""

import atexit
import json
import os
import stat
import tempfile
from collections import defaultdict
from pathlib import Path

from mmbert_composer.runtime.process_identity import ProcessIdentity

SHARED_MEMORY = Path("/dev/shm")
LOCKS = ("barrier_filelock", "cache_filelock")


def register(prefix: int, *, shared_memory: Path = SHARED_MEMORY) -> None:
    """Note that this process uses ``prefix``; forgotten, with its lock files, when the process exits."""
    if not shared_memory.is_dir():
        return  # macOS: names there cannot be listed, so nothing could be swept
    folder = register_folder(shared_memory)
    folder.mkdir(mode=0o700, exist_ok=True)
    if not _is_own(folder):
        return
    temporary = tempfile.gettempdir()
    entry = folder / f"{prefix}.{os.getpid()}"
    partial = folder / f".{entry.name}"
    partial.write_text(json.dumps({"process": ProcessIdentity.own().to_json(), "temporary": temporary}))
    partial.replace(entry)
    atexit.register(_forget, prefix, os.getpid(), entry)


def sweep(*, shared_memory: Path = SHARED_MEMORY) -> list[int]:
    """Remove what dead processes of this user left, and return their prefixes."""
    left = stale(shared_memory=shared_memory)
    for files in left.values():
        for file in files:
            file.unlink(missing_ok=True)
    return list(left)


def stale(*, shared_memory: Path = SHARED_MEMORY) -> dict[int, list[Path]]:
    """What dead processes of this user left, by prefix: memory and locks, then their entries.

    A prefix of which one process lives, or may live in another container, is left alone.
    """
    entries: dict[int, list[Path]] = defaultdict(list)
    folder = register_folder(shared_memory)
    for entry in folder.glob("[0-9]*.[0-9]*") if _is_own(folder) else []:
        entries[int(entry.name.partition(".")[0])].append(entry)
    left: dict[int, list[Path]] = {}
    for prefix, files in sorted(entries.items()):
        users = [_read(file) for file in files]
        if any(process is not None and process.is_alive() is not False for process, _ in users):
            continue
        leftovers = [
            *shared_memory.glob(f"{prefix}_*"),
            *(file for _, locks in users for file in _locks(prefix, locks)),
        ]
        left[prefix] = [*leftovers, *files]  # the entries last: a sweep that is killed is done again
    return left


def register_folder(shared_memory: Path = SHARED_MEMORY) -> Path:
    """Where this user's entries are: one file ``<prefix>.<pid>`` a process."""
    return shared_memory / f"mmbert_composer-{os.getuid()}"


def _is_own(folder: Path) -> bool:
    """Whether nobody else can write to it: all users share /dev/shm, and might make a folder of this name."""
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def _read(entry: Path) -> tuple[ProcessIdentity | None, str | None]:
    """Who uses a prefix, and the folder of its locks; None for an entry that nobody can read."""
    try:
        content = json.loads(entry.read_text())
        return ProcessIdentity.from_json(content["process"]), str(content["temporary"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):  # just swept by another run, or its process has exited
        return None, None


def _locks(prefix: int, temporary: str | None) -> list[Path]:
    return [] if temporary is None else [Path(temporary) / f"{prefix}_{name}" for name in LOCKS]


def _forget(prefix: int, process: int, entry: Path) -> None:
    if os.getpid() == process:  # not in a forked worker
        for file in [*_locks(prefix, tempfile.gettempdir()), entry]:
            file.unlink(missing_ok=True)
