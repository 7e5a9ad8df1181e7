"""What killed processes have left behind in this machine's shared memory."""

import re
from pathlib import Path

import psutil

from mmbert_composer.runtime.private_shared_memory import LOWEST_PREFIX

SHARED_MEMORY = Path("/dev/shm")


def left_by_the_dead(shared_memory: Path = SHARED_MEMORY) -> set[str]:
    """Names under one of our prefixes that no living process has registered."""
    in_use = {
        prefix
        for entry in shared_memory.glob("mmbert_composer-*/[0-9]*.[0-9]*")
        for prefix, _, process in [entry.name.partition(".")]
        if _is_alive(int(process))
    }
    names = [path.name for path in shared_memory.glob("[0-9]*_*")]
    ours = {name: match[1] for name in names if (match := re.match(r"(\d+)_", name)) and int(match[1]) >= LOWEST_PREFIX}
    return {name for name, prefix in ours.items() if prefix not in in_use}


def _is_alive(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
