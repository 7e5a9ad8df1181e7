"""What killed processes have left behind in this machine's shared memory."""

from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")


def left_behind(data: Path, shared_memory: Path = SHARED_MEMORY) -> set[str]:
    """Names of Streaming's memory for datasets in ``data``, to be looked for when no process reads it any more.

    Other runs of this machine have theirs beside it; the one called ``locals`` holds the folders of the streams.
    """
    prefixes = {
        path.name.partition("_")[0]
        for path in shared_memory.glob("[0-9]*_locals")
        if f"{data}/".encode() in path.read_bytes()
    }
    return {path.name for prefix in prefixes for path in shared_memory.glob(f"{prefix}_*")}
