"""The work on one stream: its documents to training and held-out blocks, and a marker when both are on the disk."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.data.atomic_write import write_json
from mmbert_composer.data.held_out_split import MAX_BLOCKS, num_candidates, text_edges
from mmbert_composer.data.manifest import HELD_OUT_FOLDER, Part, StreamEntry
from mmbert_composer.data.mds_writer import write_stream
from mmbert_composer.data.packing import pack, to_sequences
from mmbert_composer.data.prepare_plan import WorkFolder, licence_of
from mmbert_composer.data.spill import SpilledStream
from mmbert_composer.data.text_encoder import TextEncoder

# Tokens packed together. From 5,000 documents on fill is 99.9 % and more; this is some 45,000, in 128 MiB.
POOL_TOKENS = 32 << 20

Sequences = list[NDArray[np.uint32]]


class StreamTask:
    """Turns spilled streams into blocks; one object a process."""

    def __init__(self, folder: WorkFolder) -> None:
        self.plan: dict[str, Any] = json.loads(folder.plan.read_text(encoding="utf-8"))
        self.folder = folder
        self.block_size: int = self.plan["block_size"]
        self.encoder = TextEncoder(folder.tokenizer)
        ids = self.encoder.special_ids
        self._bos, self._eos, self._pad = ids["bos"], ids["eos"], ids["pad"]

    def run(self, stream: str, on_bytes: Callable[[int], None]) -> StreamEntry:
        """Prepare ``stream``; ``on_bytes`` hears how much more text is done. The done marker is written last."""
        spilled = SpilledStream(self.folder.spill, stream)
        held, num_held = self._held_out(spilled)
        on_bytes(int(spilled.sizes[:num_held].sum()))
        if num_held == len(spilled):
            entry = StreamEntry(
                stream,
                drops={"stream without a training document": len(spilled)},
                licence=licence_of(self.plan, stream),
            )
        else:
            training = self._training_blocks(spilled, num_held, on_bytes)
            written = self._write(training, self.folder.root / stream, stream)
            held_out = self._write(held, self.folder.root / HELD_OUT_FOLDER / stream, f"{HELD_OUT_FOLDER}/{stream}")
            documents = len(spilled) - num_held
            entry = StreamEntry(
                name=stream,
                parts=(Part("0000", written.blocks, documents, written.tokens),),
                documents=documents,
                tokens=written.tokens,
                blocks=written.blocks,
                fill=written.tokens / (written.blocks * self.block_size),
                bytes=written.bytes,
                shard_hashes=written.hashes,
                licence=licence_of(self.plan, stream),
                heldout_documents=num_held,
                heldout_blocks=held_out.blocks,
                heldout_tokens=held_out.tokens,
                heldout_shard_hashes=held_out.hashes,
            )
        marker = self.folder.done(stream)
        marker.parent.mkdir(parents=True, exist_ok=True)
        write_json(marker, asdict(entry))
        return entry

    def _held_out(self, spilled: SpilledStream) -> tuple[list[Sequences], int]:
        """Held-out blocks, at most 64, and how many documents are in them: the first ones in the order of hashes.

        Candidates that no longer fit are trained on; equal texts stay together.
        """
        candidates = num_candidates(spilled.hashes)
        sequences: list[Sequences] = []
        tokens = 0
        for start, stop in spilled.batches(0, candidates):
            for content in self.encoder.encode(spilled.texts(start, stop)):
                sequences.append(to_sequences(content, self.block_size, self._bos, self._eos))
                tokens += sum(map(len, sequences[-1]))
            if tokens > MAX_BLOCKS * self.block_size:
                break
        # Whole texts alone: the last batch may end between two equal ones.
        edges = [int(edge) for edge in text_edges(spilled.hashes[:candidates]) if edge <= len(sequences)]
        while edges and edges[-1] > 0:
            blocks = self._pack([sequence for document in sequences[: edges[-1]] for sequence in document])
            if len(blocks) <= MAX_BLOCKS:
                return blocks, edges[-1]
            surplus = max(1, len(edges) * (len(blocks) - MAX_BLOCKS) // (2 * len(blocks)))
            del edges[-surplus:]
        return [], 0

    def _training_blocks(
        self, spilled: SpilledStream, start: int, on_bytes: Callable[[int], None]
    ) -> Iterator[Sequences]:
        pool: Sequences = []
        tokens = 0
        for first, last in spilled.batches(start, len(spilled)):
            for content in self.encoder.encode(spilled.texts(first, last)):
                sequences = to_sequences(content, self.block_size, self._bos, self._eos)
                pool.extend(sequences)
                tokens += sum(map(len, sequences))
            on_bytes(int(spilled.sizes[first:last].sum()))
            if tokens >= POOL_TOKENS:
                yield from self._pack(pool)
                pool, tokens = [], 0
        yield from self._pack(pool)

    def _pack(self, sequences: Sequences) -> list[Sequences]:
        blocks = pack([len(sequence) for sequence in sequences], self.block_size)
        return [[sequences[index] for index in block] for block in blocks]

    def _write(self, blocks: Iterator[Sequences] | Sequence[Sequences], folder: Path, name: str) -> Any:
        return write_stream(blocks, folder, self.folder.temporary / name, self.block_size, self._pad)


def read_done(folder: WorkFolder, stream: str) -> StreamEntry | None:
    """What the done marker of ``stream`` says, or None when the stream is not finished."""
    marker = folder.done(stream)
    if not marker.is_file():
        return None
    content = json.loads(marker.read_text(encoding="utf-8"))
    parts = tuple(Part(**part) for part in content.pop("parts"))
    entry = StreamEntry(parts=parts, **content)
    there = entry.blocks == 0 or (folder.root / stream / "index.json").is_file()
    return entry if there else None
