from pathlib import Path

import numpy as np

from mmbert_composer.curriculum import BlockSampler, SegmentPlan, StreamSize
from mmbert_composer.data.manifest import Manifest, StreamEntry
from mmbert_composer.data.working_set import working_set

BLOCKS_A_SHARD = 10


def case(blocks, segments, window=None):
    """A plan over streams of that many blocks, in shards of 10 blocks of 100 bytes."""
    names = tuple(f"s/{number}" for number in range(len(blocks)))
    plan = SegmentPlan(
        block_size=8,
        segment_blocks=sum(segments[0]),
        data_seed=1,
        streams=names,
        sizes=tuple(StreamSize(1, count) for count in blocks),
        cursors=np.zeros(len(blocks), np.int64),
        phases=("p",) * len(segments),
        blocks=np.array(segments),
        shuffle_window=window,
    )
    entries = {
        name: StreamEntry(
            name, blocks=count, bytes=100 * count, shard_hashes={str(n): "" for n in range(-(-count // BLOCKS_A_SHARD))}
        )
        for name, count in zip(names, blocks, strict=True)
    }
    return plan, Manifest(Path(), 1, 8, "", {}, 5, (), entries)


def test_all_shards_of_the_streams_of_the_widest_segment():
    assert working_set(*case([100, 30, 7], [[5, 5, 0], [9, 0, 1]])) == 13_000


def test_a_window_needs_few_shards_and_more_than_enough_for_what_is_drawn():
    plan, manifest = case([2000, 15], [[100, 4]] * 30, window=40)
    needed = working_set(plan, manifest)
    assert needed < 0.1 * working_set(*case([2000, 15], [[100, 4]] * 30))
    # what a cache of that size, least recently used first, fetches: each shard about once a pass
    room = needed // (100 * BLOCKS_A_SHARD)
    cache: dict[tuple[int, int], None] = {}
    fetched = 0
    for segment in range(plan.num_segments):
        draws = BlockSampler(plan).segment(segment)
        for stream, index in zip(draws.stream.tolist(), draws.index.tolist(), strict=True):
            shard = (stream, index // BLOCKS_A_SHARD)
            fetched += shard not in cache
            cache.pop(shard, None)
            cache[shard] = None
            if len(cache) > room:
                del cache[next(iter(cache))]
    # each shard once a pass, one of each window twice since its neighbour has a part of it, and the small stream's
    # again where nothing of it was drawn for long
    shards, windows = 3000 / BLOCKS_A_SHARD, 3000 / 40
    assert fetched <= 1.1 * (shards + windows)
