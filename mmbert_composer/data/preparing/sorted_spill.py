"""Documents on disk in the order of (stream, hash), compressed: a range of a stream's hashes is one stretch of file.

That order makes the output independent of the order of input, and the work on a stream cuttable: a task reads its range
of hashes from every spill and merges them, in a few large reads each, with little memory however many they are.
"""

import heapq
import json
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import zstandard
from numpy.typing import NDArray

from mmbert_composer.data.preparing.token_spill import HASHES, READ_BYTES, TokenSpill, mapped, merge_tokens

CHUNK_BYTES = 1 << 16
"""Text compressed at once: enough to compress well, little enough to hold one of each of thousands of spills."""
_STREAMS, _DATA = "streams.json", "data"
_TABLES = ("hashes", "sizes", "chunk_first", "chunk_offset")


class Spilled(NamedTuple):
    """One document, comparing in the order of spills: by hash, equal hashes by content."""

    hash: int
    """xxh64 of ``data``."""
    data: bytes
    """UTF-8 of a text, or uint32 tokens of a sequence tokenized before."""
    is_tokens: bool = False


def write_sorted(folder: Path, streams: Iterable[tuple[str, Iterable[Spilled]]]) -> None:
    """Write a spill into ``folder``: streams ascending by name, the documents of each ascending."""
    folder.mkdir(parents=True, exist_ok=True)
    table: dict[str, tuple[int, int]] = {}
    with (folder / _DATA).open("wb") as file:
        chunks = _ChunkWriter(file)
        for name, documents in streams:
            first = len(chunks.hashes)
            for document in documents:
                chunks.add(document)
            chunks.end_chunk()
            table[name] = (first, len(chunks.hashes) - first)
    chunks.write_tables(folder)
    (folder / _STREAMS).write_text(json.dumps(table), encoding="utf-8")


class _ChunkWriter:
    """Documents, some to a chunk, each chunk compressed by itself; and where they are."""

    def __init__(self, file: IO[bytes]) -> None:
        self.hashes, self.sizes = array("Q"), array("I")
        self._chunk_first, self._chunk_offset = array("Q"), array("Q")
        self._file = file
        self._compressor = zstandard.ZstdCompressor(level=1)
        self._chunk: list[bytes] = []
        self._chunk_bytes = 0
        self._offset = 0

    def add(self, document: Spilled) -> None:
        self.hashes.append(document.hash)
        self.sizes.append(len(document.data))
        self._chunk.append(document.data)
        self._chunk_bytes += len(document.data)
        if self._chunk_bytes >= CHUNK_BYTES:
            self.end_chunk()

    def end_chunk(self) -> None:
        if not self._chunk:
            return
        self._chunk_first.append(len(self.hashes) - len(self._chunk))
        self._chunk_offset.append(self._offset)
        self._offset += self._file.write(self._compressor.compress(b"".join(self._chunk)))
        self._chunk.clear()
        self._chunk_bytes = 0

    def write_tables(self, folder: Path) -> None:
        # One more row, so that every chunk has an end.
        self._chunk_first.append(len(self.hashes))
        self._chunk_offset.append(self._offset)
        tables = (self.hashes, self.sizes, self._chunk_first, self._chunk_offset)
        for name, table in zip(_TABLES, tables, strict=True):
            with (folder / name).open("wb") as file:
                table.tofile(file)


class SortedSpill:
    """A spill that ``write_sorted`` wrote. Its tables are mapped, not read: large ones cost what is looked at."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / _DATA
        table: dict[str, list[int]] = json.loads((folder / _STREAMS).read_text(encoding="utf-8"))
        self.streams = {name: (first, count) for name, (first, count) in table.items()}
        """First text and number of texts, by stream."""
        self.tokens = TokenSpill(folder)
        """The documents beside them that are tokens."""
        hashes, sizes, chunk_first, chunk_offset = (folder / name for name in _TABLES)
        self._hashes, self._sizes = mapped(hashes, np.uint64), mapped(sizes, np.uint32)
        self._chunk_first, self._chunk_offset = mapped(chunk_first, np.uint64), mapped(chunk_offset, np.uint64)

    def hashes(self, stream: str, low: int, high: int) -> NDArray[np.uint64]:
        """Hashes of the stream's documents in [low, high), those of texts ascending and then those of tokens."""
        start, stop = self._range(stream, low, high)
        return np.concatenate([self._hashes[start:stop], self.tokens.hashes(stream, low, high)])

    def documents(self, stream: str, low: int, high: int, read_bytes: int = READ_BYTES) -> Iterator[Spilled]:
        """The stream's documents with hashes in [low, high), ascending; about ``read_bytes`` are read at a time."""
        texts = self._texts(stream, low, high, read_bytes)
        if stream not in self.tokens.streams:
            return texts
        tokens = merge_tokens([self.tokens], stream, low, high, read_bytes)
        return heapq.merge(
            texts, (Spilled(*document, is_tokens=True) for batch in tokens for document in batch.items())
        )

    def _texts(self, stream: str, low: int, high: int, read_bytes: int) -> Iterator[Spilled]:
        start, stop = self._range(stream, low, high)
        chunk = int(np.searchsorted(self._chunk_first, np.uint64(start), side="right")) - 1
        last = int(np.searchsorted(self._chunk_first, np.uint64(stop), side="left"))
        decompressor = zstandard.ZstdDecompressor()
        while start < stop:
            offset = int(self._chunk_offset[chunk])
            end = int(np.searchsorted(self._chunk_offset, np.uint64(offset + read_bytes), side="right")) - 1
            end = min(max(end, chunk + 1), last)
            # Opened for each read alone: thousands of spills are merged, more than files may be open.
            with self._data.open("rb", buffering=0) as file:
                file.seek(offset)
                stored = file.read(int(self._chunk_offset[end]) - offset)
            for number in range(chunk, end):
                a, b = int(self._chunk_offset[number]) - offset, int(self._chunk_offset[number + 1]) - offset
                yield from self._chunk(number, decompressor.decompress(stored[a:b]), start, stop)
            chunk, start = end, max(start, int(self._chunk_first[end]))

    def _chunk(self, number: int, data: bytes, start: int, stop: int) -> Iterator[Spilled]:
        first, end = int(self._chunk_first[number]), int(self._chunk_first[number + 1])
        position = 0
        hashes, sizes = self._hashes[first:end].tolist(), self._sizes[first:end].tolist()
        for document, (digest, size) in enumerate(zip(hashes, sizes, strict=True), first):
            if start <= document < stop:
                yield Spilled(digest, data[position : position + size])
            position += size

    def _range(self, stream: str, low: int, high: int) -> tuple[int, int]:
        first, count = self.streams.get(stream, (0, 0))
        hashes = self._hashes[first : first + count]
        start = int(np.searchsorted(hashes, np.uint64(low))) if low else 0
        stop = int(np.searchsorted(hashes, np.uint64(high))) if high < HASHES else count
        return first + start, first + stop


def merge_spills(spills: list[SortedSpill], stream: str, low: int = 0, high: int = HASHES) -> Iterator[Spilled]:
    """The documents of ``stream`` in all spills with hashes in [low, high), ascending."""
    read_bytes = READ_BYTES // max(1, len(spills))
    return heapq.merge(*(spill.documents(stream, low, high, read_bytes) for spill in spills))


def merge_hashes(spills: list[SortedSpill], stream: str, low: int = 0, high: int = HASHES) -> NDArray[np.uint64]:
    """Hashes of those documents, ascending; in memory."""
    return np.sort(np.concatenate([spill.hashes(stream, low, high) for spill in spills] or [np.empty(0, np.uint64)]))
