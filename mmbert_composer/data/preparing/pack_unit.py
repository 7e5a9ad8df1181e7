"""The work on one pack unit: its documents selected, tokenized, packed, and written as training and held-out blocks."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.data.held_out_split import LARGE_STREAM, MAX_BLOCKS, text_edges
from mmbert_composer.data.mds_writer import BlockWriter, WrittenBlocks
from mmbert_composer.data.packing import pack, pack_pools, to_sequences
from mmbert_composer.data.preparing.known_hashes import KnownHashes
from mmbert_composer.data.preparing.route_task import DONE_NAME, OnProgress
from mmbert_composer.data.preparing.routed import PackUnit
from mmbert_composer.data.preparing.select_documents import (
    REASONS,
    Verdict,
    keep_or_drop,
    mark_candidates,
    mark_surplus,
    num_new,
)
from mmbert_composer.data.preparing.sorted_spill import SortedSpill, Spilled, merge_hashes, merge_spills
from mmbert_composer.data.preparing.token_spill import merge_tokens
from mmbert_composer.data.text_encoder import TextEncoder

POOL_TOKENS = 8 << 20
"""Tokens packed together: some 11,000 documents, in 32 MiB. From 5,000 on larger pools fill blocks no better."""
BATCH_DOCUMENTS, BATCH_BYTES = 256, 4 << 20
"""Encoded at once; a larger document alone."""

Sequences = list[NDArray[np.uint32]]


@dataclass(frozen=True)
class Before:
    """What earlier parts hold of a stream."""

    trained: KnownHashes
    held_out: KnownHashes
    documents: int = 0
    """Trained on."""
    heldout_blocks: int = 0


class Packer:
    """Tokenizes and packs the documents of units, as one ``prepare`` wants it; one object a process."""

    def __init__(self, encoder: TextEncoder, block_size: int, dedup: bool, max_documents: int | None) -> None:
        self.encoder = encoder
        self.block_size = block_size
        self.dedup = dedup
        self.max_documents = max_documents
        ids = encoder.special_ids
        self._bos, self._eos, self._pad = ids["bos"], ids["eos"], ids["pad"]

    def run(
        self, unit: PackUnit, spills: list[SortedSpill], before: Before, folder: Path, on_progress: OnProgress
    ) -> None:
        """Write the unit's blocks, hashes and counts into ``folder``."""
        done = 0

        def count(num_bytes: int, num_tokens: int) -> None:
            nonlocal done
            done += num_bytes
            on_progress(num_bytes, num_tokens)

        selection = Selection(unit, spills, before, self.dedup)
        hashes, verdicts = selection.hashes, selection.verdicts
        held = self._held_out(selection, MAX_BLOCKS - before.heldout_blocks)
        is_held = np.zeros(len(hashes), bool)
        is_held[np.flatnonzero(verdicts == Verdict.CANDIDATE)[: held.documents]] = True
        verdicts[(verdicts == Verdict.CANDIDATE) & ~is_held] = Verdict.TRAIN
        if self.max_documents is not None:
            most = max(0, self.max_documents - before.documents)
            mark_surplus(verdicts, most - selection.num_training_above(most))
        heldout = self._write(held.blocks, folder / "heldout")
        training = self._write(self._training_blocks(selection, count), folder / "training")
        for side, chosen in (("training", verdicts == Verdict.TRAIN), ("heldout", is_held)):
            if chosen.any():
                hashes[chosen].tofile(folder / f"hashes.{side}")
        counts = Counter(verdicts.tolist())
        drops = {reason: counts[verdict] for verdict, reason in REASONS.items() if counts[verdict]}
        documents = counts[Verdict.TRAIN]
        on_progress(unit.bytes - done, 0)  # of what is held out and dropped, and the rounding of ranges
        assert len(hashes) == documents + held.documents + sum(drops.values()), f"documents lost: {unit.name} {counts}"
        content = {
            "documents_in": len(hashes),
            "training": {"documents": documents, **_counts(training)},
            "heldout": {"documents": held.documents, **_counts(heldout)},
            "drops": drops,
        }
        (folder / DONE_NAME).write_text(json.dumps(content), encoding="utf-8")

    def _held_out(self, selection: "Selection", max_blocks: int) -> "_HeldOut":
        """Held-out blocks, at most ``max_blocks``, and how many of the candidates are in them: the first ones.

        Candidates that no longer fit are trained on; equal texts stay together.
        """
        candidates = selection.verdicts == Verdict.CANDIDATE
        sequences: list[Sequences] = []
        tokens = 0
        for batch in _batches(selection.documents(candidates)):
            for document in self._encode(batch):
                sequences.append(document)
                tokens += sum(map(len, document))
            if tokens > max_blocks * self.block_size:
                break
        # Whole texts alone: the last batch may end between two equal ones.
        edges = [int(edge) for edge in text_edges(selection.hashes[candidates]) if edge <= len(sequences)]
        while edges and edges[-1] > 0:
            blocks = self._pack([sequence for document in sequences[: edges[-1]] for sequence in document])
            if len(blocks) <= max_blocks:
                return _HeldOut(blocks, edges[-1])
            surplus = max(1, len(edges) * (len(blocks) - max_blocks) // (2 * len(blocks)))
            del edges[-surplus:]
        return _HeldOut([], 0)

    def _training_blocks(self, selection: "Selection", on_progress: OnProgress) -> Iterator[Sequences]:
        chosen = selection.verdicts == Verdict.TRAIN
        batches = self._tokenized(selection, chosen) if selection.is_tokens else self._encoded(selection, chosen)

        def sequences() -> Iterator[Sequences]:
            for num_bytes, found in batches:
                on_progress(num_bytes, sum(map(len, found)))
                yield found

        return pack_pools(sequences(), self.block_size, POOL_TOKENS)

    def _encoded(self, selection: "Selection", chosen: NDArray[np.bool_]) -> Iterator[tuple[int, Sequences]]:
        """Bytes and sequences of the documents where ``chosen``, some at a time."""
        for batch in _batches(selection.documents(chosen)):
            num_bytes = sum(len(document.data) for document in batch)
            yield num_bytes, [sequence for document in self._encode(batch) for sequence in document]

    def _tokenized(self, selection: "Selection", chosen: NDArray[np.bool_]) -> Iterator[tuple[int, Sequences]]:
        """The same for a stream that was tokenized before, without an object for each document."""
        first = 0
        for arrays in selection.tokens():
            last = first + len(arrays)
            sequences = [arrays[place] for place in np.flatnonzero(chosen[first:last]).tolist()]
            if max(map(len, arrays)) > self.block_size:
                sequences = [piece for sequence in sequences for piece in self._cut(sequence)]
            yield 4 * sum(map(len, arrays)), sequences
            first = last

    def _cut(self, tokens: NDArray[np.uint32]) -> Sequences:
        """A sequence from BOS to EOS as it is, or as several that each fit into a block."""
        if len(tokens) <= self.block_size:
            return [tokens]
        return to_sequences(tokens[1:-1], self.block_size, self._bos, self._eos)

    def _encode(self, batch: Sequence[Spilled]) -> Iterator[Sequences]:
        """The sequences of each document, in order."""
        encoded = iter(self.encoder.encode([document.data.decode() for document in batch if not document.is_tokens]))
        for document in batch:
            if not document.is_tokens:
                yield to_sequences(next(encoded), self.block_size, self._bos, self._eos)
                continue
            yield self._cut(np.frombuffer(document.data, np.uint32))

    def _pack(self, sequences: Sequences) -> list[Sequences]:
        blocks = pack([len(sequence) for sequence in sequences], self.block_size)
        return [[sequences[index] for index in block] for block in blocks]

    def _write(self, blocks: Iterator[Sequences] | Sequence[Sequences], folder: Path) -> WrittenBlocks:
        writer = BlockWriter(folder, self.block_size, self._pad)
        for block in blocks:
            writer.write(block)
        return writer.finish()


class Selection:
    """A unit's documents in the order of their hashes, and what becomes of each."""

    def __init__(self, unit: PackUnit, spills: list[SortedSpill], before: Before, dedup: bool) -> None:
        self.unit = unit
        self._spills = spills
        self._before = before
        self._dedup = dedup
        self.hashes, self.verdicts, trained_before = self._judge(unit.index)
        if unit.index == 0:  # the lowest hashes
            mark_candidates(self.verdicts, self.hashes, trained_before, self._num_new(trained_before))

    @property
    def is_tokens(self) -> bool:
        """Whether all of them were tokenized before."""
        return not any(self.unit.stream in spill.streams for spill in self._spills)

    def tokens(self) -> Iterator[Sequences]:
        """The documents, where all are tokens, many at a time, ascending."""
        spills = [spill.tokens for spill in self._spills]
        for batch in merge_tokens(spills, self.unit.stream, *self.unit.range()):
            yield batch.arrays

    def documents(self, chosen: NDArray[np.bool_]) -> Iterator[Spilled]:
        """The documents where ``chosen`` [documents] is true, ascending; read up to the last of them alone."""
        last = int(np.flatnonzero(chosen)[-1]) + 1 if chosen.any() else 0
        merged = merge_spills(self._spills, self.unit.stream, *self.unit.range())
        for is_chosen, document in zip(chosen[:last].tolist(), merged, strict=False):
            if is_chosen:
                yield document

    def num_training_above(self, most: int) -> int:
        """Training documents in the ranges of higher hashes, at most ``most``."""
        found = 0
        for index in range(self.unit.count - 1, self.unit.index, -1):
            if found >= most:
                break
            found += int(np.count_nonzero(self._judge(index)[1] == Verdict.TRAIN))
        return min(found, most)

    def _judge(self, index: int) -> tuple[NDArray[np.uint64], NDArray[np.uint8], NDArray[np.bool_]]:
        """Hashes of a range, verdicts without candidates, and which texts an earlier part trained on."""
        hashes = merge_hashes(self._spills, self.unit.stream, *self.unit.range(index))
        trained = self._before.trained.contains(hashes)
        return hashes, keep_or_drop(hashes, trained, self._before.held_out.contains(hashes), self._dedup), trained

    def _num_new(self, trained_before: NDArray[np.bool_]) -> int:
        """New documents of the stream, counted until they are enough for a large one."""
        found = num_new(self.verdicts, trained_before)
        for index in range(1, self.unit.count):
            if found >= LARGE_STREAM:
                break
            _, verdicts, trained = self._judge(index)
            found += num_new(verdicts, trained)
        return found


@dataclass(frozen=True)
class _HeldOut:
    blocks: list[Sequences]
    documents: int


def _batches(documents: Iterator[Spilled]) -> Iterator[list[Spilled]]:
    batch: list[Spilled] = []
    size = 0
    for document in documents:
        if batch and (size + len(document.data) > BATCH_BYTES or len(batch) >= BATCH_DOCUMENTS):
            yield batch
            batch, size = [], 0
        batch.append(document)
        size += len(document.data)
    if batch:
        yield batch


def _counts(written: WrittenBlocks) -> dict[str, Any]:
    return {"blocks": written.blocks, "tokens": written.tokens, "bytes": written.bytes, "shards": written.shards}
