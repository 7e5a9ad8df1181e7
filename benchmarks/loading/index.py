"""A data folder of trillions of tokens whose shards are not there: indexes and manifest alone."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.loading.make_data import write_manifest
from mmbert_composer.curriculum import Curriculum, Phase
from mmbert_composer.data.annealed_dataset import AnnealedDataset
from mmbert_composer.data.manifest import Part, StreamEntry

BLOCK_SIZE = 8192
SHARD_BLOCKS = 2043
"""Blocks of 8,192 tokens in a shard of 64 MiB."""


@dataclass(frozen=True)
class Opened:
    """How long it takes until such data can be served, in seconds."""

    constructor: float
    first_segment: float
    chain: float


def write_indexes(root: Path, blocks: Mapping[str, int]) -> int:
    """Write what ``mmbert prepare`` would, shards excepted; the number of shards."""
    entries: dict[str, StreamEntry] = {}
    shards = 0
    for name, count in sorted(blocks.items()):
        sizes = [min(SHARD_BLOCKS, count - first) for first in range(0, count, SHARD_BLOCKS)]
        rows = [_shard(number, size) for number, size in enumerate(sizes)]
        (root / name).mkdir(parents=True)
        (root / name / "index.json").write_text(json.dumps({"version": 2, "shards": rows}))
        tokens = count * BLOCK_SIZE
        entries[name] = StreamEntry(
            name=name,
            parts=(Part("0000", count, count, tokens),),
            documents=count,
            tokens=tokens,
            blocks=count,
            fill=1.0,
            bytes=sum(row["raw_data"]["bytes"] for row in rows),
            shard_hashes={row["raw_data"]["basename"]: row["raw_data"]["hashes"]["xxh64"] for row in rows},
        )
        shards += len(sizes)
    write_manifest(root, entries, BLOCK_SIZE)
    return shards


def _shard(number: int, samples: int) -> dict:
    size = samples * (4 * BLOCK_SIZE + 60)
    return {
        "column_encodings": ["ndarray:int32", f"ndarray:uint32:{BLOCK_SIZE}"],
        "column_names": ["cu_seqlens", "input_ids"],
        "column_sizes": [None, 4 * BLOCK_SIZE],
        "compression": None,
        "format": "mds",
        "hashes": ["xxh64"],
        "raw_data": {"basename": f"shard.{number:05d}.mds", "bytes": size, "hashes": {"xxh64": f"{number:016x}"}},
        "samples": samples,
        "size_limit": 1 << 26,
        "version": 2,
        "zip_data": None,
    }


def index_curriculum(blocks: int, segment_blocks: int) -> Curriculum:
    """mmBERT's three phases over that much data: 2.3, 0.6 and 0.1 of 3 parts."""
    segments = [max(1, round(blocks * part / 3 / segment_blocks)) for part in (2.3, 0.6, 0.1)]
    rows = zip(("pretrain", "ext", "decay"), segments, (60, 110, None), (0.7, 0.5, 0.3), strict=True)
    phases = [
        Phase(
            name,
            f"{count * segment_blocks * BLOCK_SIZE}tok",
            0.3,
            BLOCK_SIZE,
            {"index": {"tau": tau, "languages": languages}},
        )
        for name, count, languages, tau in rows
    ]
    return Curriculum(
        phases,
        block_size=BLOCK_SIZE,
        segment_blocks=segment_blocks,
        global_train_batch_size=64,
        max_passes=None,
    )


def open_index(root: Path, curriculum: Curriculum) -> Opened:
    """Manifest, plan, indexes, dataset; then the first segment's blocks and the plan's chain of hashes."""
    start = time.perf_counter()
    dataset = AnnealedDataset(root, curriculum, seed=1, batch_size=8)
    built = time.perf_counter()
    dataset._sampler.sampler.segment(0)
    drawn = time.perf_counter()
    assert len(dataset.plan.chain) == curriculum.num_segments + 1
    return Opened(built - start, drawn - built, time.perf_counter() - drawn)
