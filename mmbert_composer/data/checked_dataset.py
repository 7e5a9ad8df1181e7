"""A StreamingDataset over checked shards: what Streaming does for every sample is done for many at a time."""

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from streaming import StreamingDataset
from streaming.base.constant import TICK
from streaming.base.dataset import _ShardState

from mmbert_composer.data.block_shard import BlockShard
from mmbert_composer.data.checked_stream import CheckedStream
from mmbert_composer.errors import UserError
from mmbert_composer.runtime.lean_spanner import lean_spanner

UNCHECKED = 4
"""A state of a shard besides Streaming's: its file is here, its bytes were not compared with its hash yet."""

LOOKUP = 1024
"""Samples whose places are looked up together."""

TRIES = 8
"""How often a shard that is evicted before its block is read is fetched again."""


class CheckedDataset(StreamingDataset):
    """Samples are blocks as stored: ``{"input_ids": uint32 [block_size], "cu_seqlens": int32}``.

    What it changes in Streaming 0.13.0: a shard counts as here when its bytes were compared with its hash, which one
    process of a node does for all; a shard that cannot be had is a UserError in the process that asks for its block,
    where Streaming's other processes would wait for ever; a cache evicts what an earlier run left there; and while all
    shards are here, no thread runs beside the training and no lock is taken.

    Args:
        streams: the streams.
        others: of ``StreamingDataset``.
    """

    shards: list[BlockShard]  # pyright: ignore[reportIncompatibleVariableOverride]
    streams: Sequence[CheckedStream]  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, streams: Sequence[CheckedStream], **others: Any) -> None:
        with lean_spanner():
            super().__init__(streams=streams, **others)
        if self._unique_rank_world.is_local_leader:
            states = self._shard_states.numpy()
            states[states == _ShardState.LOCAL] = UNCHECKED
            with self._lock():
                self._make_room(0)  # an earlier run may have had a higher limit
        self._shard_ends = np.cumsum(self.samples_per_shard)

    def sample_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Samples that ids stand for; a subclass may give ids a meaning beyond that."""
        return ids

    def served(self, block: dict[str, Any], sample_id: int, shard: int, place: int) -> dict[str, Any]:
        """What is served for an id, whose block is number ``place`` of a shard; a subclass may add to it."""
        return block

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """This worker's part of the next epoch."""
        self._unique_worker_world = self._unique_rank_world.detect_workers()
        self._parallel_worker_world = self._parallel_rank_world.detect_workers()
        ids = self._get_work(*self._resume_incr_epoch())
        ids = ids[ids >= 0]
        ahead = _PrepareAhead(self, ids)
        try:
            for start in range(0, len(ids), LOOKUP):
                part = ids[start : start + LOOKUP]
                shards, places = self.locate(part)
                rows = zip(part.tolist(), shards.tolist(), places.tolist(), strict=True)
                for number, (sample_id, shard, place) in enumerate(rows, start):
                    ahead.position = number
                    yield self.served(self._read(shard, place, ahead), sample_id, shard, place)
        finally:
            ahead.stop()

    def get_item(self, sample_id: int, retry: int = TRIES) -> dict[str, Any]:
        """The block behind an id, fetched and checked first where it must be."""
        shards, places = self.locate(np.array([sample_id], np.int64))
        shard, place = int(shards[0]), int(places[0])
        return self.served(self._read(shard, place), int(sample_id), shard, place)

    def locate(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Shard of each id and its place in that shard."""
        samples = self.sample_of(ids)
        shards = np.searchsorted(self._shard_ends, samples, side="right")
        return shards, samples - self.sample_offset_per_shard[shards]

    def _read(self, shard: int, place: int, ahead: "_PrepareAhead | None" = None) -> dict[str, Any]:
        file = self.shards[shard]
        row = np.empty(file.block_size, np.uint32)
        for _ in range(TRIES):
            if self._shard_states[shard] != _ShardState.LOCAL:
                if ahead is not None:
                    ahead.raise_fault_of(shard)
                self.prepare_shard(shard)
            try:
                cu_seqlens = file.read(place, row)
            except FileNotFoundError:  # evicted in between, or removed by somebody else
                with self._lock():
                    if self._shard_states[shard] == _ShardState.LOCAL and not file.path.exists():
                        self._shard_states[shard] = _ShardState.REMOTE
                continue
            if self.cache_limit:
                self._shard_access_times[shard] = time.time_ns()
            return {"input_ids": row, "cu_seqlens": cu_seqlens}
        raise UserError(
            f"{file.path} was removed {TRIES} times before a block of it was read: data.cache_limit="
            f"{self.cache_limit} is too small, or something else removes files there"
        )

    def prepare_shard(self, shard_id: int, blocking: bool = True) -> None:
        """See that a shard is here and checked; one process of a node does it, the others wait or pass on.

        Raises:
            UserError: a shard that cannot be fetched, or is not what was written.
        """
        file = self.shards[shard_id]
        reserved = 0
        while True:
            with self._lock():
                state = self._shard_states[shard_id]
                if state == _ShardState.LOCAL:
                    self._shard_access_times[shard_id] = time.time_ns()
                    return
                if state != _ShardState.PREPARING:
                    if state == _ShardState.REMOTE:
                        self._make_room(file.num_bytes)
                        reserved = file.num_bytes
                        self.cache_usage += reserved
                    self._shard_states[shard_id] = _ShardState.PREPARING
                    break
            if not blocking:
                return
            time.sleep(TICK)
        try:
            grown = self.streams[int(self.stream_per_shard[shard_id])].prepare_shard(file)
        except BaseException:
            with self._lock():  # the others shall not wait for what nobody does any more
                self.cache_usage -= reserved
                self._shard_states[shard_id] = state
            raise
        with self._lock():
            self.cache_usage += grown - reserved
            self._shard_access_times[shard_id] = time.time_ns()
            self._shard_states[shard_id] = _ShardState.LOCAL

    def _make_room(self, num_bytes: int) -> None:
        """Evict the shards used longest ago; the lock is held."""
        limit = self.cache_limit
        while isinstance(limit, int) and self.cache_usage + num_bytes > limit:
            states = self._shard_states.numpy()
            here = np.flatnonzero((states == _ShardState.LOCAL) | (states == UNCHECKED))
            if not len(here):
                raise UserError(f"data.cache_limit={limit} is too small: every shard in it is in use")
            self._evict_shard(int(here[np.argmin(self._shard_access_times.numpy()[here])]))

    def _lock(self) -> FileLock:
        """Of the shards' states, over all processes of this node."""
        return FileLock(self._cache_filelock_path)


class _PrepareAhead:
    """Prepares the shards of the samples to come, in a thread that runs while any of them is missing.

    Args:
        dataset: whose shards.
        ids: [n] of what will be served, in order.
    """

    def __init__(self, dataset: CheckedDataset, ids: NDArray[np.int64]) -> None:
        self.position = 0
        """Of what was served last."""
        self._dataset = dataset
        self._shards, _ = dataset.locate(ids)
        self._fault: tuple[int, BaseException] | None = None
        self._stopped = threading.Event()
        if dataset.cache_limit:  # any may be evicted again
            self._end = len(ids)
        else:
            missing = np.flatnonzero(dataset._shard_states.numpy()[self._shards] != _ShardState.LOCAL)
            self._end = int(missing[-1]) + 1 if len(missing) else 0
        if self._end:
            threading.Thread(target=self._run, name="prepare shards", daemon=True).start()

    def raise_fault_of(self, shard: int) -> None:
        """Raise what stopped the thread, where that was this shard."""
        if self._fault is not None and self._fault[0] == shard:
            raise self._fault[1]

    def stop(self) -> None:
        """Let the thread end after the shard it is at."""
        self._stopped.set()

    def _run(self) -> None:
        dataset = self._dataset
        far = dataset.predownload or 1
        done = 0
        while done < self._end and not self._stopped.is_set():
            end = min(self._end, self.position + far + 1)
            if end <= done:
                self._stopped.wait(TICK)
                continue
            shards = self._shards[done:end]
            if dataset.cache_limit:  # not to be evicted before their turn
                dataset._shard_access_times.numpy()[shards] = time.time_ns()
            missing = shards[dataset._shard_states.numpy()[shards] != _ShardState.LOCAL]
            for shard in dict.fromkeys(missing.tolist()):
                if self._stopped.is_set():
                    return
                try:
                    dataset.prepare_shard(shard, blocking=False)
                except BaseException as error:
                    self._fault = (shard, error)
                    return
            done = end
