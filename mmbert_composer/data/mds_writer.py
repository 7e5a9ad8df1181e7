"""Blocks to MDS shards: columns, shards and hashes as the block format says.

The bytes are those of Streaming's own MDSWriter (a test compares them), whose import would load torch: six seconds and
0.7 GB in every process that prepares text.
"""

import json
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh64

SHARD_BYTES = 1 << 26
INDEX_NAME = "index.json"
INDEX_VERSION = 2


def shard_name(number: int) -> str:
    """File name of a stream's shard: ``shard.00012.mds``."""
    return f"shard.{number:05}.mds"


@dataclass
class WrittenBlocks:
    """What a writer wrote."""

    blocks: int = 0
    tokens: int = 0
    """Real ones, padding not counted."""
    shards: list[dict[str, Any]] = field(default_factory=list)
    """The shards' entries in an index, in order."""

    @property
    def bytes(self) -> int:
        """Size of all shards."""
        return sum(shard["raw_data"]["bytes"] for shard in self.shards)


class BlockWriter:
    """Writes blocks into shards of at most 64 MiB in ``folder``, made with the first block.

    Holds one shard in memory. No index is written: what it has to say is in ``written.shards``.
    """

    def __init__(self, folder: Path, block_size: int, pad: int, shard_bytes: int = SHARD_BYTES) -> None:
        self.folder = folder
        self.block_size = block_size
        self.pad = pad
        self.written = WrittenBlocks()
        self._config = {
            "version": INDEX_VERSION,
            "format": "mds",
            "compression": None,
            "hashes": ["xxh64"],
            "size_limit": shard_bytes,
            "column_names": ["cu_seqlens", "input_ids"],
            "column_encodings": ["ndarray:int32", f"ndarray:uint32:{block_size}"],
            "column_sizes": [None, 4 * block_size],
        }
        self._header = json.dumps(self._config, sort_keys=True).encode()
        self._shard_bytes = shard_bytes
        self._empty_size = 4 + 4 + len(self._header)
        self._samples: list[bytes] = []
        self._size = self._empty_size

    def write(self, sequences: list[NDArray[np.uint32]]) -> None:
        """Append one block of ``sequences``, which together fit into it."""
        cu_seqlens = np.array([0, *accumulate(map(len, sequences))], np.int32)
        used = int(cu_seqlens[-1])
        assert 0 < used <= self.block_size, f"{used} tokens in a block of {self.block_size}"
        input_ids = np.empty(self.block_size, np.uint32)
        np.concatenate(sequences, out=input_ids[:used])
        input_ids[used:] = self.pad
        edges = _encode_dynamic(cu_seqlens)
        sample = b"".join((len(edges).to_bytes(4, "little"), edges, input_ids.data))
        if self._size + len(sample) + 4 > self._shard_bytes and self._samples:
            self._flush()
        self._samples.append(sample)
        self._size += len(sample) + 4
        self.written.blocks += 1
        self.written.tokens += used

    def finish(self) -> WrittenBlocks:
        """Write the last shard."""
        if self._samples:
            self._flush()
        return self.written

    def _flush(self) -> None:
        ends = np.cumsum([0, *map(len, self._samples)])
        offsets = (ends + 4 + 4 * len(ends) + len(self._header)).astype(np.uint32)
        digest, size = xxh64(), 0
        name = shard_name(len(self.written.shards))
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / name).open("wb") as file:
            for data in (np.uint32(len(self._samples)).tobytes(), offsets.tobytes(), self._header, *self._samples):
                file.write(data)
                digest.update(data)
                size += len(data)
        file_facts = {"basename": name, "bytes": size, "hashes": {"xxh64": digest.hexdigest()}}
        entry = {"samples": len(self._samples), "raw_data": file_facts, "zip_data": None, **self._config}
        self.written.shards.append(entry)
        self._samples, self._size = [], self._empty_size


def index_json(shards: list[dict[str, Any]]) -> str:
    """The text of a stream's ``index.json``."""
    return json.dumps({"version": INDEX_VERSION, "shards": shards}, sort_keys=True)


def _encode_dynamic(array: NDArray[np.int32]) -> bytes:
    """``ndarray:int32`` without a shape: a byte for one axis and the width of its length, the length, the values."""
    width = 0 if len(array) < 1 << 8 else 1 if len(array) < 1 << 16 else 2
    return bytes([1 << 2 | width]) + len(array).to_bytes(1 << width, "little") + array.tobytes()
