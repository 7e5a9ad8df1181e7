"""Held-out blocks, always masked the same way: a loss that can be compared across phases and runs."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from composer import DataSpec
from composer.utils import dist

from mmbert_composer.data.annealed_loader import packed_data_spec
from mmbert_composer.data.block_shard import BlockShard, read_index
from mmbert_composer.data.checked_stream import CheckedStream
from mmbert_composer.data.data_source import DataSource, as_source
from mmbert_composer.data.first_rank import on_first_rank
from mmbert_composer.data.manifest import HELD_OUT_FOLDER
from mmbert_composer.data.masking import Masker
from mmbert_composer.data.open_data import THREADS, open_data
from mmbert_composer.data.packed_batch import PackedBatch, pack_batch, read_blocks
from mmbert_composer.errors import UserError

MASK_RATIO = 0.15
"""Of every held-out loss, whatever the phase: with the phase's own it would fall by itself."""

MASK_SEED = 0
"""Of every held-out loss, whatever the run's seed."""

_TOKENS_AT_ONCE = 8192
"""In a batch, where no run has set its size."""


class HeldOutLoader:
    """Packed batches of held-out blocks, dealt to the ranks in turn.

    Whole blocks at mask ratio 0.15, masks keyed by sample. Every rank gets the same number of batches of
    the same size: what is missing at the end is filled with blocks without labels, so 1 and 2 ranks give
    the same sums.

    Args:
        root: folder written by ``mmbert prepare``, or a source that says how it gets here.
        streams: "source/language" names to use; those without held-out blocks are left out.
        batch_size: blocks a device.
        blocks_per_stream: at most so many of each stream, the first ones.
        max_seq_len: one number for the whole run; None is the block size.
    """

    def __init__(
        self,
        root: str | Path | DataSource,
        streams: list[str],
        *,
        batch_size: int,
        blocks_per_stream: int = 64,
        max_seq_len: int | None = None,
    ) -> None:
        source = as_source(root)
        manifest = open_data(source)
        self.streams = [name for name in streams if manifest.streams[name].heldout_blocks > 0]
        if not self.streams:
            raise UserError(
                f"{source.root}: no stream of this run has held-out text; every language has a single document"
            )
        self.batch_size = batch_size
        self.max_seq_len = max_seq_len or manifest.block_size
        self._special = manifest.special_ids
        self._block_size = manifest.block_size
        self._folders = [
            CheckedStream(source, f"{HELD_OUT_FOLDER}/{name}", manifest.block_size) for name in self.streams
        ]
        self._samples: list[tuple[int, int]] = []
        self._places: list[list[tuple[BlockShard, int]]] = []
        for stream, folder in enumerate(self._folders):
            shards = read_index(folder.local, manifest.block_size)
            places = [(shard, number) for shard in shards for number in range(shard.samples)][:blocks_per_stream]
            self._places.append(places)
            self._samples += [(stream, index) for index in range(len(places))]
        self._checked: set[Path] = set()
        if source.is_remote:
            on_first_rank(self._prepare_all)
        self._masker = Masker(
            MASK_SEED,
            vocab_size=manifest.vocab_size,
            special_ids=manifest.special_token_ids,
            mask_id=self._special["mask"],
            purpose="held-out",
        )
        self._stream_keys = np.array([self._masker.stream_key(name) for name in self.streams], np.uint64)

    @classmethod
    def of_all_streams(cls, data: str | Path, longest: int, blocks_per_stream: int) -> "HeldOutLoader":
        """The held-out blocks of every stream of ``data``, for a model that reads ``longest`` tokens at most."""
        manifest = open_data(as_source(data))
        return cls(
            data,
            list(manifest.streams),
            batch_size=max(1, _TOKENS_AT_ONCE // manifest.block_size),
            blocks_per_stream=blocks_per_stream,
            max_seq_len=min(manifest.block_size, longest),
        )

    @property
    def num_blocks(self) -> int:
        """Held-out blocks in one evaluation, over all ranks."""
        return len(self._samples)

    def __len__(self) -> int:
        """Batches on each rank."""
        return -(-len(self._samples) // (self.batch_size * dist.get_world_size()))

    def __iter__(self) -> Iterator[PackedBatch]:
        world, rank = dist.get_world_size(), dist.get_global_rank()
        for number in range(len(self)):
            first = (number * world + rank) * self.batch_size
            samples = self._samples[first : first + self.batch_size]
            samples += [(-1, 0)] * (self.batch_size - len(samples))
            blocks = read_blocks([self._read(stream, index) for stream, index in samples])
            yield pack_batch(
                blocks,
                self._masker,
                self._stream_keys,
                mask_ratio=MASK_RATIO,
                largest_mask_ratio=MASK_RATIO,
                max_seq_len=self.max_seq_len,
                bos_id=self._special["bos"],
                eos_id=self._special["eos"],
            )

    def _read(self, stream: int, index: int) -> dict[str, object]:
        # A filler (-1) is the very first block; its labels are removed when the batch is packed.
        shard, number = self._places[max(stream, 0)][index]
        self._prepare(max(stream, 0), shard)
        row = np.empty(self._block_size, np.uint32)
        cu_seqlens = shard.read(number, row)
        return {"input_ids": row, "cu_seqlens": cu_seqlens, "stream": stream, "index": index, "visit": 0}

    def _prepare(self, stream: int, shard: BlockShard) -> None:
        """See that a shard is here and whole, before its first block is read."""
        if shard.path not in self._checked:
            self._folders[stream].prepare_shard(shard)
            self._checked.add(shard.path)

    def _prepare_all(self) -> None:
        """Fetch what evaluations will read: a small file a stream."""
        needed = {shard.path: (stream, shard) for stream, places in enumerate(self._places) for shard, _ in places}
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(lambda which: self._prepare(*which), needed.values()):
                pass

    def data_spec(self) -> DataSpec:
        """What Composer's Evaluator takes as ``dataloader``."""
        return packed_data_spec(self)
