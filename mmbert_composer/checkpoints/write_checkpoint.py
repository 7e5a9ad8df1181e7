"""A checkpoint file and its record: under their names whole, or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mmbert_composer.checkpoints.checkpoint_record import CheckpointRecord, HashedFile
from mmbert_composer.checkpoints.read_checkpoint import clock_of
from mmbert_composer.curriculum import Curriculum
from mmbert_composer.data.atomic_write import sync


@dataclass(frozen=True)
class FailedWrite:
    """Why a checkpoint is not there: ``needed`` bytes in ``folder``, where ``free`` were left."""

    folder: str
    needed: int
    free: int
    reason: str

    def describe(self) -> str:
        return (
            f"no checkpoint was written to {self.folder}: {self.reason}; it takes {self.needed / 1e9:,.3f} GB "
            f"({self.needed:,} bytes), {self.free / 1e9:,.3f} GB are free"
        )


class FailedWriteError(Exception):
    """The disk did not take a checkpoint."""

    def __init__(self, failed: FailedWrite) -> None:
        super().__init__(failed.describe())
        self.failed = failed


def write_checkpoint(path: Path, content: dict[str, Any], curriculum: Curriculum) -> None:
    """Write ``content`` (``{"state", "rng"}``) beside ``path``, flush it, then the record, then the name.

    A disk whose free space is less than the tensors take is not filled up first. Raises FailedWriteError where the
    disk does not take it; nothing half written is left then, and what was there stays.
    """
    needed = sum(tensor_bytes(content))
    unfinished = path.with_suffix(".unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(path.parent).free < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        _write(path, unfinished, content, curriculum)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        free = shutil.disk_usage(path.parent).free if path.parent.is_dir() else 0
        raise FailedWriteError(FailedWrite(str(path.parent), needed, free, error.strerror or str(error))) from error
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def tensor_bytes(content: Any) -> Iterator[int]:
    """Bytes of every tensor in nested dicts, lists and tuples; one that shares its memory with another counts once."""
    seen: set[int] = set()

    def walk(value: Any) -> Iterator[int]:
        if isinstance(value, torch.Tensor):
            storage = value.untyped_storage()
            if storage.data_ptr() not in seen:
                seen.add(storage.data_ptr())
                yield storage.nbytes()
        elif isinstance(value, Mapping):
            for inner in value.values():
                yield from walk(inner)
        elif isinstance(value, list | tuple):
            for inner in value:
                yield from walk(inner)

    return walk(content)


def _write(path: Path, unfinished: Path, content: dict[str, Any], curriculum: Curriculum) -> None:
    clock = clock_of(content, path)
    with unfinished.open("wb") as plain:
        file = HashedFile(plain)
        try:
            torch.save(content, file)  # pyright: ignore[reportArgumentType], it needs write and flush alone
            file.flush()
        except RuntimeError as error:
            raise file.error or error from error
        os.fsync(plain.fileno())
    CheckpointRecord(
        bytes=file.bytes,
        xxh64=file.hexdigest(),
        batch=clock.batch,
        token=clock.token,
        segment=clock.epoch,
        phase=curriculum.phase_at(max(0, clock.token - 1)).name,
    ).write(path)
    unfinished.replace(path)
    sync(path.parent)
