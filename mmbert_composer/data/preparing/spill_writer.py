"""Documents of many streams, as they come, to one sorted spill, with bounded memory."""

import shutil
from collections import defaultdict
from pathlib import Path

from xxhash import xxh64_intdigest

from mmbert_composer.data.inputs.document import Document, TokenBatch
from mmbert_composer.data.preparing.sorted_spill import SortedSpill, Spilled, merge_spills, write_sorted
from mmbert_composer.data.preparing.token_spill import TokenSpillWriter

BUFFER_BYTES = 128 << 20


class SpillWriter:
    """Collects documents, writes a sorted run whenever ``buffer_bytes`` are full, and merges the runs at the end."""

    def __init__(self, folder: Path, buffer_bytes: int = BUFFER_BYTES) -> None:
        self.folder = folder
        self._buffer_bytes = buffer_bytes
        self._streams: dict[str, list[Spilled]] = defaultdict(list)
        self._buffered = 0
        self._tokens = TokenSpillWriter(folder, buffer_bytes)
        self._runs: list[Path] = []

    def add(self, document: Document) -> int:
        """Take one document; the bytes of its content."""
        data = document.text.encode()
        self._streams[document.stream].append(Spilled(xxh64_intdigest(data), data))
        self._buffered += len(data)
        if self._buffered >= self._buffer_bytes:
            self._runs.append(self.folder / f"run-{len(self._runs)}")
            self._write(self._runs[-1])
        return len(data)

    def add_tokens(self, batch: TokenBatch) -> int:
        """Take documents that are tokens; the bytes of all of them."""
        return self._tokens.add(batch)

    def finish(self) -> None:
        """Write the spill into the folder."""
        self._tokens.finish()
        if not self._runs:
            self._write(self.folder)
            return
        self._runs.append(self.folder / f"run-{len(self._runs)}")
        self._write(self._runs[-1])
        runs = [SortedSpill(path) for path in self._runs]
        names = sorted({name for run in runs for name in run.streams})
        write_sorted(self.folder, ((name, merge_spills(runs, name)) for name in names))
        for path in self._runs:
            shutil.rmtree(path)

    def _write(self, folder: Path) -> None:
        write_sorted(folder, ((name, sorted(self._streams[name])) for name in sorted(self._streams)))
        self._streams.clear()
        self._buffered = 0
