"""What is known of a checkpoint file beside it: its size, its hash and where the run stood. No torch.

``ep2-ba100-rank0.pt.json`` is written before the checkpoint gets its name, so that a file of that name always has it::

    {"format": 1, "bytes": 3712345678, "xxh64": "9f1c...", "batch": 100, "token": 819200, "segment": 2, "phase": "two"}

``segment`` counts the segments finished, ``token`` slots; ``phase`` is that of the last step. torch compares none of
the check sums in its files, so the hash is what finds bytes that changed on the disk.
"""

import json
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import IO

import xxhash

from mmbert_composer.data.atomic_write import write_json
from mmbert_composer.errors import UserError

FORMAT = 1
_PIECE = 1 << 24


@dataclass(frozen=True)
class CheckpointRecord:
    """The content of a checkpoint's record."""

    bytes: int
    xxh64: str
    batch: int
    token: int
    segment: int
    phase: str
    format: int = FORMAT

    def write(self, checkpoint: Path) -> None:
        """Put it beside ``checkpoint``, whole or not at all."""
        write_json(record_path(checkpoint), asdict(self), indent=None)


def record_path(checkpoint: Path) -> Path:
    """Where the record of ``checkpoint`` is, if it has one."""
    return checkpoint.with_name(f"{checkpoint.name}.json")


def read_record(checkpoint: Path) -> CheckpointRecord | None:
    """The record of ``checkpoint``, or None where it was written without one.

    Raises UserError for a record that cannot be read or has another format.
    """
    path = record_path(checkpoint)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise UserError(f"its record {path.name} has format {content['format']}, this version reads {FORMAT}")
        return CheckpointRecord(**{field.name: content[field.name] for field in fields(CheckpointRecord)})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"its record {path.name} is unreadable ({error!r}); without that file it is used unchecked"
        ) from error


def why_other_size(checkpoint: Path) -> str | None:
    """How a checkpoint's size differs from its record, or None; None too where it was written without one."""
    record, size = read_record(checkpoint), checkpoint.stat().st_size
    if record is None or record.bytes == size:
        return None
    return f"incomplete: {size:,} bytes, its record says {record.bytes:,}"


def why_damaged(checkpoint: Path) -> str | None:
    """How a checkpoint's bytes differ from its record, or None: all are read, a second a GB.

    A file that this process has hashed before and that has not been touched since is not read again.
    """
    record, found = read_record(checkpoint), checkpoint.stat()
    if record is None or _hash(checkpoint, found.st_size, found.st_mtime_ns, found.st_ino) == record.xxh64:
        return None
    return "damaged: its bytes are not those that were written (its record has another xxh64)"


@lru_cache(maxsize=256)
def _hash(path: Path, size: int, mtime_ns: int, inode: int) -> str:
    digest = xxhash.xxh64()
    piece = memoryview(bytearray(_PIECE))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(piece):
            digest.update(piece[:count])
    return digest.hexdigest()


class HashedFile:
    """A file to write to that counts and hashes what passes, and remembers the first error of the disk.

    torch hides an error of the file it writes to behind one of its own (``unexpected pos``).
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = xxhash.xxh64()
        self.bytes = 0
        self.error: OSError | None = None

    def write(self, data: bytes | memoryview) -> int:
        try:
            written = self._file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise
        self._digest.update(data)
        self.bytes += written
        return written

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            self.error = self.error or error
            raise

    def hexdigest(self) -> str:
        """xxh64 of what was written."""
        return self._digest.hexdigest()
