"""Whether the disk holds what a job writes, said before work starts, and what to say when it does not."""

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmbert_composer.errors import UserError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

BLOCKS_OF_TEXT, SPILL_OF_TEXT = 1.1, 0.45
"""Bytes written per byte of text: blocks of 4 bytes a token at some 4 bytes of text a token; text compressed."""
LEAST_OF_TEXT = 0.5
"""Below this share of the text no tokenizer stays."""


class DiskFullError(UserError):
    """The disk, or the quota on it, is full: nothing else will succeed before it has room."""


def expected_bytes(text_bytes: int) -> int:
    """What preparing so much text writes in all, about."""
    return round(text_bytes * (BLOCKS_OF_TEXT + SPILL_OF_TEXT))


def free_bytes(folder: Path) -> int:
    """Free for this user on the disk of ``folder``, which need not exist yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def check_space(folder: Path, text_bytes: int) -> str | None:
    """A warning where ``text_bytes`` may not fit, None where they do; raises DiskFullError where they cannot."""
    free, needed = free_bytes(folder), expected_bytes(text_bytes)
    if free < text_bytes * LEAST_OF_TEXT:
        raise DiskFullError(f"{folder}: {size(free)} are free there, about {size(needed)} are needed; make room")
    if free < needed:
        return f"{folder}: {size(free)} are free there, about {size(needed)} may be needed"
    return None


def disk_full(folder: Path, text_bytes: int) -> DiskFullError:
    """What to tell when a write failed with ``text_bytes`` of the job's text still to be written."""
    return DiskFullError(
        f"the disk of {folder} is full: {size(free_bytes(folder))} are free, about {size(expected_bytes(text_bytes))} "
        "are needed to go on. What is done is kept: make room, then run the same command again"
    )


def parse_size(name: str, text: str) -> int:
    """Bytes in "2GB", "500MB" or "1_000_000". Raises UserError naming the option ``name``."""
    match = re.fullmatch(r"(\d[\d_]*(?:\.\d+)?)\s*([kKMGT]?)B?", text.strip())
    found = round(float(match[1]) * 1000 ** " KMGT".index(match[2].upper() or " ")) if match else 0
    if found < 1:
        raise UserError(f"{name}={text!r} must be a size above 0, as 2GB or 500MB")
    return found


@contextmanager
def stop_when_full(folder: Path, text_bytes: int) -> Iterator[None]:
    """Turn the failure of a write for want of room into what to tell."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise disk_full(folder, text_bytes) from error


def size(num_bytes: float) -> str:
    """For people: "1.5 GB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}" if unit != "bytes" else f"{num_bytes:.0f} bytes"
        num_bytes /= 1000
    return f"{num_bytes:,.1f} TB"
