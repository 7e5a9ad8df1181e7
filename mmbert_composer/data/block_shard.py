"""Shards of the block format: what a stream's index says of them, and blocks read without a detour. No torch."""

import json
import os
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.data.mds_writer import INDEX_NAME
from mmbert_composer.errors import UserError

_PAIR = struct.Struct("<2I")


class BlockShard:
    """One shard of a stream: a file of blocks.

    Stands where Streaming has a reader of its own, which holds some 3 KB a shard (3T tokens are 179k shards) and
    copies a block four times on its way.

    Args:
        folder: of the stream.
        name: of the file in it.
        samples: blocks in it.
        num_bytes: size of the file.
        xxh64: its hash, in hexadecimal digits.
        block_size: tokens in a block.
    """

    __slots__ = ("block_size", "folder", "name", "num_bytes", "samples", "xxh64")

    def __init__(self, folder: str, name: str, samples: int, num_bytes: int, xxh64: str, block_size: int) -> None:
        self.folder = folder
        self.name = name
        self.samples = samples
        self.num_bytes = num_bytes
        self.xxh64 = xxh64
        self.block_size = block_size

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.folder, self.name)

    def __len__(self) -> int:
        return self.samples

    def get_max_size(self) -> int:
        """Bytes in a cache, as Streaming asks for them."""
        return self.num_bytes

    def evict(self) -> int:
        """Remove the file, as Streaming does from a full cache; the bytes that are free now."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return 0
        return self.num_bytes

    def read(self, index: int, row: NDArray[np.uint32]) -> NDArray[np.int32]:
        """Read a block into ``row`` [block_size] and return its cu_seqlens [sequences + 1].

        Raises:
            UserError: a file that ends too early, or holds something else there.
            FileNotFoundError: no such file (not here yet, or evicted from the cache).
        """
        descriptor = os.open(f"{self.folder}/{self.name}", os.O_RDONLY)
        try:
            place = os.pread(descriptor, _PAIR.size, 4 * (index + 1))
            begin, end = _PAIR.unpack(place) if len(place) == _PAIR.size else (0, 0)
            # [size of cu_seqlens, 4 bytes][cu_seqlens: its form, 1 byte; its length, 1 to 8 bytes; values][input_ids]
            size = end - begin - row.nbytes
            head = bytearray(size if 6 < size < row.nbytes + 32 else 0)
            whole = bool(head) and os.preadv(descriptor, [head, row.data], begin) == end - begin
        finally:
            os.close(descriptor)
        first = 5 + (1 << head[4] % 4) if whole else 0
        if not whole or head[4] >> 2 != 1 or len(head) <= first or (len(head) - first) % 4:
            raise UserError(
                f"{self.path} is cut short or damaged: block {index} cannot be read from it; "
                f"`mmbert prepare verify` lists what is wrong in the data"
            )
        return np.frombuffer(head, "<i4", offset=first)


def read_index(folder: str | Path, block_size: int) -> list[BlockShard]:
    """The shards that a stream's index lists, in order.

    Raises:
        UserError: an index that is missing, is none, or whose columns are not those of the block format. Nothing but
            the two arrays of numbers is ever decoded: a column of pickles would run what it holds.
    """
    path = Path(folder) / INDEX_NAME
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["shards"]
        return [_shard(str(folder), row, block_size) for row in rows]
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not the index of a stream ({error!r})") from None


def _shard(folder: str, row: dict[str, Any], block_size: int) -> BlockShard:
    columns = list(zip(row["column_names"], row["column_encodings"], strict=True))
    expected = [("cu_seqlens", "ndarray:int32"), ("input_ids", f"ndarray:uint32:{block_size}")]
    if row["format"] != "mds" or columns != expected or row["zip_data"]:
        found = ", ".join(f"{name} {encoding}" for name, encoding in columns)
        raise UserError(
            f"its shards are {row['format']}{', compressed' if row['zip_data'] else ''}, with the columns {found}; the "
            f"block format has cu_seqlens ndarray:int32, input_ids ndarray:uint32:{block_size} and nothing else: "
            f"make blocks of that data with mmbert prepare"
        )
    file = row["raw_data"]
    name = sys.intern(file["basename"])  # the same names in every stream
    if Path(name).name != name:
        raise UserError(f"it names the file {name!r}: the shards of a stream lie in its own folder")
    return BlockShard(folder, name, row["samples"], file["bytes"], file["hashes"]["xxh64"], block_size)
