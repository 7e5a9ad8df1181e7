"""Documents that are tokens already, on disk in the order of (stream, hash): whole arrays at a time, not compressed.

What ``sorted_spill`` is for texts. Tokens compress to half at 45 million a second (zstd's first level), which would be
two thirds of the time that importing them takes.
"""

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh64_intdigest

from mmbert_composer.data.inputs.document import TokenBatch
from mmbert_composer.data.inputs.token_sequences import TokenSequences

READ_BYTES = 64 << 20
"""Read ahead over all spills that are merged."""
HASHES = 1 << 64

T = TypeVar("T", np.uint32, np.uint64)

_STREAMS, _DATA, _HASHES, _OFFSETS = "token_streams.json", "tokens", "token_hashes", "token_offsets"


@dataclass(frozen=True, eq=False)
class SortedTokens:
    """Sequences in the order of their hashes, equal hashes in that of their content."""

    hashes: NDArray[np.uint64]
    """xxh64 of each sequence's bytes, ascending, [sequences]."""
    arrays: list[NDArray[np.uint32]]
    """The sequences: views, nothing is copied."""

    def items(self) -> Iterator[tuple[int, bytes]]:
        """Hash and content of each."""
        for digest, array in zip(self.hashes.tolist(), self.arrays, strict=True):
            yield digest, array.tobytes()


def sort_tokens(hashes: Sequence[NDArray[np.uint64]], sequences: Sequence[TokenSequences]) -> SortedTokens:
    """Arrays of hashes, and the sequences that they are of, as one that is sorted."""
    found = np.concatenate(hashes)
    arrays = [array for part in sequences for array in part.arrays()]
    order = np.argsort(found, kind="stable")
    found = found[order]
    for first, last in _ties(found):
        # Nearly always the same content; another order of input shall not show in the rare other case.
        order[first:last] = sorted(order[first:last].tolist(), key=lambda place: arrays[place].tobytes())
    return SortedTokens(found, [arrays[place] for place in order.tolist()])


def _ties(ordered: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """Ranges of equal values: [3, 5, 5, 9] -> (1, 3)."""
    equal = np.flatnonzero(np.diff(ordered) == 0)
    for stretch in np.split(equal, np.flatnonzero(np.diff(equal) > 1) + 1):
        if len(stretch):
            yield int(stretch[0]), int(stretch[-1]) + 2


class TokenSpillWriter:
    """Collects batches, writes a sorted run whenever ``buffer_bytes`` are full, and merges the runs at the end."""

    def __init__(self, folder: Path, buffer_bytes: int) -> None:
        self.folder = folder
        self._buffer_bytes = buffer_bytes
        self._streams: dict[str, list[tuple[NDArray[np.uint64], TokenSequences]]] = defaultdict(list)
        self._buffered = 0
        self._runs: list[Path] = []

    def add(self, batch: TokenBatch) -> int:
        """Take the batch's documents; their bytes."""
        content = batch.sequences.tokens.data.cast("B")
        ranges = zip((4 * batch.sequences.starts).tolist(), (4 * batch.sequences.ends).tolist(), strict=True)
        hashes = np.fromiter((xxh64_intdigest(content[a:b]) for a, b in ranges), np.uint64, len(batch.sequences))
        self._streams[batch.stream].append((hashes, batch.sequences))
        self._buffered += content.nbytes
        if self._buffered >= self._buffer_bytes:
            self._runs.append(self.folder / f"token-run-{len(self._runs)}")
            self._write(self._runs[-1])
        return content.nbytes

    def finish(self) -> None:
        """Write the spill into the folder; without a document no file is made."""
        if not self._runs:
            if self._streams:
                self._write(self.folder)
            return
        self._runs.append(self.folder / f"token-run-{len(self._runs)}")
        self._write(self._runs[-1])
        runs = [TokenSpill(path) for path in self._runs]
        table = _TableWriter(self.folder)
        for name in sorted({name for run in runs for name in run.streams}):
            for batch in merge_tokens(runs, name):
                table.add(name, batch)
        table.finish()
        for path in self._runs:
            shutil.rmtree(path)

    def _write(self, folder: Path) -> None:
        table = _TableWriter(folder)
        for name in sorted(self._streams):
            hashes, sequences = zip(*self._streams.pop(name), strict=True)
            table.add(name, sort_tokens(hashes, sequences))
        table.finish()
        self._buffered = 0


class _TableWriter:
    """The files of a spill: tokens end to end, where each sequence ends, and its hash."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._streams: dict[str, tuple[int, int]] = {}
        self._documents = self._tokens = 0
        self._data, self._hashes, self._offsets = ((folder / name).open("wb") for name in (_DATA, _HASHES, _OFFSETS))
        np.zeros(1, np.uint64).tofile(self._offsets)

    def add(self, stream: str, batch: SortedTokens) -> None:
        """Append documents of a stream, which follow those added of it before."""
        first, count = self._streams.get(stream, (self._documents, 0))
        self._streams[stream] = (first, count + len(batch.hashes))
        ends = np.cumsum([len(array) for array in batch.arrays], dtype=np.uint64) + np.uint64(self._tokens)
        np.concatenate(batch.arrays).tofile(self._data)
        batch.hashes.tofile(self._hashes)
        ends.tofile(self._offsets)
        self._documents += len(batch.hashes)
        self._tokens = int(ends[-1])

    def finish(self) -> None:
        """Close the files and write the table of streams."""
        for file in (self._data, self._hashes, self._offsets):
            file.close()
        (self._folder / _STREAMS).write_text(json.dumps(self._streams), encoding="utf-8")


class TokenSpill:
    """A spill that ``TokenSpillWriter`` wrote, or nothing where it wrote none. Its tables are mapped, not read."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / _DATA
        self.streams: dict[str, tuple[int, int]] = {}
        """First document and number of documents, by stream."""
        if not (folder / _STREAMS).is_file():
            self._hashes, self._offsets = np.empty(0, np.uint64), np.zeros(1, np.uint64)
            return
        table: dict[str, list[int]] = json.loads((folder / _STREAMS).read_text(encoding="utf-8"))
        self.streams = {name: (first, count) for name, (first, count) in table.items()}
        self._hashes, self._offsets = mapped(folder / _HASHES, np.uint64), mapped(folder / _OFFSETS, np.uint64)

    def hashes(self, stream: str, low: int, high: int) -> NDArray[np.uint64]:
        """Hashes of the stream's documents in [low, high), ascending."""
        start, stop = self._range(stream, low, high)
        return self._hashes[start:stop]

    def num_tokens(self, stream: str, low: int, high: int) -> int:
        """Tokens in those documents."""
        start, stop = self._range(stream, low, high)
        return int(self._offsets[stop]) - int(self._offsets[start])

    def read(self, stream: str, low: int, high: int) -> TokenSequences:
        """Those documents, in memory."""
        start, stop = self._range(stream, low, high)
        offsets = self._offsets[start : stop + 1].astype(np.int64)
        count = int(offsets[-1] - offsets[0])
        if not count:
            return TokenSequences(np.empty(0, np.uint32), np.empty(0, np.int64))
        # Opened for each read alone: thousands of spills are merged, more than files may be open.
        tokens = np.fromfile(self._data, np.uint32, count, offset=4 * int(offsets[0]))
        return TokenSequences(tokens, offsets[1:] - offsets[0])

    def _range(self, stream: str, low: int, high: int) -> tuple[int, int]:
        first, count = self.streams.get(stream, (0, 0))
        hashes = self._hashes[first : first + count]
        start = int(np.searchsorted(hashes, np.uint64(low))) if low else 0
        stop = int(np.searchsorted(hashes, np.uint64(high))) if high < HASHES else count
        return first + start, first + stop


def merge_tokens(
    spills: Sequence[TokenSpill], stream: str, low: int = 0, high: int = HASHES, read_bytes: int = READ_BYTES
) -> Iterator[SortedTokens]:
    """The documents of ``stream`` in all spills with hashes in [low, high), ascending, about ``read_bytes`` a time.

    Where one batch ends and the next begins follows from the documents alone, not from the spills that they are in.
    """
    total = 4 * sum(spill.num_tokens(stream, low, high) for spill in spills)
    count = -(-total // read_bytes)
    edges = [low + (high - low) * number // max(1, count) for number in range(count + 1)]
    for begin, end in pairwise(edges):
        hashes = [spill.hashes(stream, begin, end) for spill in spills]
        if any(map(len, hashes)):
            yield sort_tokens(hashes, [spill.read(stream, begin, end) for spill in spills])


def mapped(path: Path, dtype: type[T]) -> NDArray[T]:
    """A file of numbers, mapped; an empty one cannot be, and is read."""
    return np.memmap(path, dtype, "r") if path.stat().st_size else np.empty(0, dtype)
