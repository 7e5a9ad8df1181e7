"""How large a cache of a remote must be. Pure numpy."""

from dataclasses import replace

import numpy as np

from mmbert_composer.curriculum import SegmentPlan
from mmbert_composer.data.data_source import DataSource
from mmbert_composer.data.manifest import Manifest
from mmbert_composer.data.mds_writer import INDEX_NAME
from mmbert_composer.errors import UserError

MIXES_WELL = 8192
"""Blocks of a stream that shuffle it well enough: several times what prepare packs together, which lies by length."""


def working_set(plan: SegmentPlan, manifest: Manifest) -> int:
    """Bytes of shards that are in use at a time, in the segment that uses most.

    A stream's blocks are drawn from all of its shards at once; with the plan's ``shuffle_window`` from those of two
    windows, the one that ends and the one that begins. A cache below this fetches shards again and again.
    """
    entries = [manifest.streams[name] for name in plan.streams]
    held = np.array([entry.bytes for entry in entries], np.int64)
    if plan.shuffle_window is not None:
        shards = np.array([max(1, len(entry.shard_hashes)) for entry in entries])
        blocks = np.array([max(1, entry.blocks) for entry in entries])
        # A window of w blocks lies in at most w / (blocks a shard) + 1 shards, and one more where it wraps around.
        in_use = 2 * (np.ceil(plan.shuffle_window * shards / blocks) + 2)
        held = np.minimum(held, (in_use * held / shards).astype(np.int64) + 1)
    return int(((plan.blocks > 0) @ held).max())


def check_cache_limit(source: DataSource, plan: SegmentPlan, manifest: Manifest) -> None:
    """Refuse a cache that could not hold what is in use at a time.

    Raises:
        UserError: with the bytes that are needed, and how they become fewer.
    """
    if source.cache_limit is None:
        return
    # The indexes count too; and Streaming wants room for four shards.
    indexes = sum((source.folder / name / INDEX_NAME).stat().st_size for name in plan.streams)
    shard = max(
        manifest.streams[name].bytes // max(1, len(manifest.streams[name].shard_hashes)) for name in plan.streams
    )
    needed = max(working_set(plan, manifest), 4 * shard) + indexes
    if source.cache_limit >= needed:
        return
    advice = ""
    if plan.shuffle_window is None or plan.shuffle_window > MIXES_WELL:
        smaller = working_set(replace(plan, shuffle_window=MIXES_WELL), manifest) + indexes
        if smaller < needed:
            advice = (
                f"; or set data.shuffle_window={MIXES_WELL}, from the start of a run on: then {smaller:_} bytes will do"
            )
    raise UserError(
        f"data.cache_limit={source.cache_limit:_} is below the {needed:_} bytes of shards ({needed / 1e9:,.1f} GB) "
        f"that a segment draws from: they would be fetched again and again. Raise it to that, or remove it{advice}"
    )
