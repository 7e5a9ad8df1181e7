"""Documents of many streams in files of one stream each, with bounded memory on the way there.

A stream's ``.text`` file is its documents' UTF-8 end to end, its ``.index`` file their hashes and sizes.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np
from xxhash import xxh64_intdigest

BUFFER_BYTES = 64 << 20
INDEX = np.dtype([("hash", "<u8"), ("size", "<u8")])


class SpillWriter:
    """Appends documents to the files of their streams in ``folder``, holding at most 64 MiB of text.

    Files are opened for each flush alone: two thousand languages need no two thousand open files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._texts: dict[str, list[bytes]] = defaultdict(list)
        self._buffered = 0

    def add(self, stream: str, text: str) -> None:
        """Append one document to ``stream`` (``source/language``)."""
        data = text.encode()
        self._texts[stream].append(data)
        self._buffered += len(data)
        if self._buffered >= BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write out what is buffered."""
        for stream, texts in self._texts.items():
            path = self.folder / stream
            path.parent.mkdir(parents=True, exist_ok=True)
            with Path(f"{path}.text").open("ab") as file:
                file.writelines(texts)
            with Path(f"{path}.index").open("ab") as file:
                np.array([(xxh64_intdigest(text), len(text)) for text in texts], INDEX).tofile(file)
        self._texts.clear()
        self._buffered = 0


class SpilledStream:
    """The documents of one stream, by position in the order of their hashes: any input order gives the same."""

    def __init__(self, folder: Path, stream: str) -> None:
        self.path = Path(f"{folder / stream}.text")
        index = np.fromfile(f"{folder / stream}.index", INDEX)
        ends = np.cumsum(index["size"])
        order = np.lexsort((index["size"], index["hash"]))
        self.hashes = index["hash"][order]
        """xxh64 of each text's UTF-8, ascending, uint64 [documents]; equal texts are neighbours."""
        self.sizes = index["size"][order]
        """UTF-8 bytes of each, uint64 [documents]."""
        self._starts = (ends - index["size"])[order]

    def __len__(self) -> int:
        return len(self.hashes)

    def texts(self, start: int, stop: int) -> list[str]:
        """Texts at positions ``start`` to ``stop``."""
        with self.path.open("rb") as file:
            result: list[str] = []
            for offset, size in zip(self._starts[start:stop], self.sizes[start:stop], strict=True):
                file.seek(int(offset))
                result.append(file.read(int(size)).decode())
        return result

    def batches(
        self, start: int, stop: int, max_documents: int = 256, max_bytes: int = 4 << 20
    ) -> list[tuple[int, int]]:
        """Ranges of positions small enough to encode at once; a document beyond ``max_bytes`` alone."""
        ranges: list[tuple[int, int]] = []
        first, size = start, 0
        for position in range(start, stop):
            size += int(self.sizes[position])
            if position > first and (size > max_bytes or position - first >= max_documents):
                ranges.append((first, position))
                first, size = position, int(self.sizes[position])
        return [*ranges, (first, stop)] if first < stop else ranges
