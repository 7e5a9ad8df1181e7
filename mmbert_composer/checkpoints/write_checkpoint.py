"""A checkpoint file and its record: under their names whole, or not at all."""

import os
from pathlib import Path
from typing import Any

import torch

from mmbert_composer.checkpoints.checkpoint_record import CheckpointRecord, HashedFile
from mmbert_composer.checkpoints.read_checkpoint import clock_of
from mmbert_composer.curriculum import Curriculum
from mmbert_composer.data.atomic_write import sync


def write_checkpoint(path: Path, content: dict[str, Any], curriculum: Curriculum) -> None:
    """Write ``content`` (``{"state", "rng"}``) beside ``path``, flush it, then the record, then the name.

    Raises OSError where the disk does not take it; nothing half written is left then, and what was there stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    clock = clock_of(content, path)
    try:
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
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
