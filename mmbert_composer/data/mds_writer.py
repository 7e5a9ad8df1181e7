"""Blocks to one MDS stream folder: columns, shards and hashes as the block format says."""

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from streaming import MDSWriter

from mmbert_composer.data.atomic_write import publish_folder

SHARD_BYTES = 1 << 26


@dataclass(frozen=True)
class WrittenStream:
    """What is in a stream folder."""

    blocks: int
    tokens: int
    bytes: int
    hashes: dict[str, str]
    """xxh64 by shard file."""


def write_stream(
    blocks: Iterable[Sequence[NDArray[np.uint32]]], folder: Path, temporary: Path, block_size: int, pad: int
) -> WrittenStream:
    """Write blocks, each a list of sequences, to ``folder``, which appears when all is written.

    ``temporary`` is on the same file system; what an earlier try left there is removed. Without a block no folder is
    made.
    """
    shutil.rmtree(temporary, ignore_errors=True)
    columns = {"input_ids": f"ndarray:uint32:{block_size}", "cu_seqlens": "ndarray:int32"}
    count = tokens = 0
    # Never `with`: leaving it by an exception writes an index.json over part of the blocks, which then looks complete.
    writer: MDSWriter | None = None
    for sequences in blocks:
        if writer is None:
            writer = MDSWriter(columns=columns, out=str(temporary), hashes=["xxh64"], size_limit=SHARD_BYTES)
        cu_seqlens = np.zeros(len(sequences) + 1, np.int32)
        np.cumsum([len(sequence) for sequence in sequences], out=cu_seqlens[1:])
        used = int(cu_seqlens[-1])
        assert 0 < used <= block_size, f"{used} tokens in a block of {block_size}"
        input_ids = np.full(block_size, pad, np.uint32)
        np.concatenate(sequences, out=input_ids[:used])
        writer.write({"input_ids": input_ids, "cu_seqlens": cu_seqlens})
        count, tokens = count + 1, tokens + used
    if writer is None:
        return WrittenStream(0, 0, 0, {})
    writer.finish()
    shards = json.loads((temporary / "index.json").read_text())["shards"]
    hashes = {shard["raw_data"]["basename"]: shard["raw_data"]["hashes"]["xxh64"] for shard in shards}
    size = sum(shard["raw_data"]["bytes"] for shard in shards)
    publish_folder(temporary, folder)
    return WrittenStream(count, tokens, size, hashes)
