"""What processes have left behind that outlives them: shared memory, and temporary files."""

from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")


def shared_memory() -> set[str]:
    """Names of Streaming's and of loader workers' shared memory on this machine."""
    return {path.name for path in SHARED_MEMORY.iterdir()} if SHARED_MEMORY.is_dir() else set()
