"""Is a shard what was written? Its size and its hash."""

from pathlib import Path

from xxhash import xxh64

READ_BYTES = 1 << 22


def shard_fault(path: Path, num_bytes: int, expected: str | None) -> str | None:
    """What is wrong with a file that should have ``num_bytes`` bytes of hash ``expected``; None when nothing is.

    Without ``expected`` the size alone is compared.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return f"{path} is missing"
    if size != num_bytes:
        return f"{path} has {size:,} bytes instead of {num_bytes:,}"
    if expected is None:
        return None
    digest = xxh64()
    with path.open("rb", buffering=0) as file:
        while data := file.read(READ_BYTES):
            digest.update(data)
    return None if digest.hexdigest() == expected else f"{path} has xxh64 {digest.hexdigest()} instead of {expected}"
