"""A stream whose shards are compared with what was written before a block of them is read."""

import logging
import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from streaming import Stream
from streaming.base.world import World

from mmbert_composer.data.block_shard import BlockShard, read_index
from mmbert_composer.data.data_source import DataSource
from mmbert_composer.data.download import PART, download
from mmbert_composer.data.shard_fault import shard_fault
from mmbert_composer.errors import UserError

log = logging.getLogger(__name__)

ABANDONED = 3600
"""Seconds after which nobody writes to half a file any more."""


class CheckedStream(Stream):
    """One language of one source.

    Streaming 0.13.0 checks a shard only when it downloads it, and only where a hash is chosen by the caller.

    Args:
        source: where the data comes from; its indexes are here already (``open_data``).
        name: ``source/language``.
        block_size: tokens in a block.
    """

    def __init__(self, source: DataSource, name: str, block_size: int) -> None:
        super().__init__(remote=source.remote_of(name), local=str(source.folder / name))
        self.source = source
        self.name = name
        self.block_size = block_size

    def get_shards(  # pyright: ignore[reportIncompatibleMethodOverride] (a BlockShard stands for a reader)
        self, world: World, allow_unsafe_types: bool
    ) -> list[BlockShard]:
        return read_index(self.local, self.block_size)

    def set_up_local(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, shards: list[BlockShard], cache_usage_per_shard: NDArray[np.int64]
    ) -> None:
        """Which shards lie in the folder: their sizes into ``cache_usage_per_shard``, which Streaming provides."""
        with os.scandir(self.local) as entries:
            here = {entry.name: entry for entry in entries}
        for name, entry in here.items():  # what a killed process was fetching
            if name.endswith(PART) and time.time() - entry.stat().st_mtime > ABANDONED:
                os.unlink(entry)
        cache_usage_per_shard[:] = [shard.num_bytes if shard.name in here else 0 for shard in shards]

    def prepare_shard(self, shard: BlockShard) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """See that a shard is here and whole: fetched where it is missing, once more where it is damaged.

        Returns:
            By how many bytes the folder grew.

        Raises:
            UserError: a shard that is missing or damaged and cannot be fetched, or is damaged in the remote too.
        """
        path = shard.path
        grown = 0
        expected = shard.xxh64 if self.source.verify == "first_touch" else None
        if not path.exists():
            self._fetch(shard.name, path)
            grown = shard.num_bytes
        fault = shard_fault(path, shard.num_bytes, expected)
        if fault is None:
            return grown
        if self.remote is None:
            raise UserError(
                f"stream {self.name}: {fault}. Copy this file again from where the data was made; or remove the folder "
                f"{self.local} and prepare its text again. `mmbert prepare verify {self.source.root}` lists all faults"
            )
        log.warning("stream %s: %s; fetching it again", self.name, fault)
        self._fetch(shard.name, path)
        fault = shard_fault(path, shard.num_bytes, expected)
        if fault is not None:
            raise UserError(
                f"stream {self.name}: {fault}, fetched twice from {self.remote}: it is damaged there, or was replaced "
                f"while its index was not. Put the right file there; mmbert prepare verify lists all faults of a folder"
            )
        return grown

    def _fetch(self, name: str, path: Path) -> None:
        if self.remote is None:
            return
        download(
            f"{self.remote}/{name}",
            path,
            retries=self.source.download_retries,
            timeout=self.source.download_timeout,
        )
