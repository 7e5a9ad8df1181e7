"""Check a data folder: every index against the manifest, every shard's size and hash, and a sample of its blocks."""

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from mmbert_composer.data.block_shard import BlockShard, read_index
from mmbert_composer.data.check_block import block_fault
from mmbert_composer.data.manifest import TOKENIZER_FOLDER, Manifest, load_manifest
from mmbert_composer.data.mds_writer import INDEX_NAME
from mmbert_composer.data.shard_fault import shard_fault
from mmbert_composer.errors import UserError

NAMED_FAULTS = 5
BLOCKS = 4
"""Blocks of each stream that are decoded: the last one, which a file cut short lacks, and others drawn at random."""


@dataclass(frozen=True)
class Snippet:
    """The beginning of a sequence, as text."""

    stream: str
    block: int
    text: str


@dataclass(frozen=True)
class Verified:
    """What was checked and found right."""

    streams: int
    shards: int
    bytes: int
    decoded: int
    """Blocks."""
    snippets: tuple[Snippet, ...] = ()
    """Of blocks drawn over all streams."""


@dataclass(frozen=True)
class _Folder:
    """A stream's training or held-out shards."""

    name: str
    path: Path
    shards: list[BlockShard]


def verify_data(
    root: str | Path,
    threads: int = 4,
    *,
    contents: bool = True,
    show: int = 0,
    blocks: int = BLOCKS,
    seed: int = 0,
) -> Verified:
    """Read every shard under ``root`` again and decode some blocks of each stream.

    Args:
        root: folder written by ``mmbert prepare``.
        threads: shards read at once.
        contents: whether shards are read whole; else their sizes alone are compared.
        show: snippets of text to return.
        blocks: blocks of each stream to decode.
        seed: of which blocks.

    Raises:
        UserError: naming the first faults and what to do.
    """
    manifest = load_manifest(root)
    faults: list[str] = []
    folders: list[_Folder] = []
    streams = [entry for entry in manifest.streams.values() if entry.blocks]
    for entry in streams:
        places = [(entry.name, manifest.stream_folder(entry.name), entry.blocks, entry.shard_hashes)]
        if entry.heldout_blocks:
            held_out = manifest.heldout_folder(entry.name)
            places.append((f"{entry.name} (held out)", held_out, entry.heldout_blocks, entry.heldout_shard_hashes))
        for name, folder, count, hashes in places:
            try:
                folders.append(_Folder(name, folder, _listed(folder, manifest.block_size, count, hashes)))
            except UserError as error:
                faults.append(str(error))
    shards = [shard for folder in folders for shard in folder.shards]
    with ThreadPoolExecutor(threads) as pool:
        found = list(
            pool.map(lambda shard: shard_fault(shard.path, shard.num_bytes, shard.xxh64 if contents else None), shards)
        )
    faults += [fault for fault in found if fault]
    whole = {shard.path for shard, fault in zip(shards, found, strict=True) if fault is None}
    draw = random.Random(seed)
    decoder = _Decoder(manifest)
    snippets: list[Snippet] = []
    decoded = 0
    for folder in folders:
        for shard, number, block in _chosen(folder.shards, blocks, draw):
            if shard.path not in whole:
                continue
            result = decoder.decode(folder.name, shard, number, block)
            if isinstance(result, str):
                faults.append(result)
            else:
                snippets.append(result)
            decoded += 1
    if faults:
        more = f"; and {len(faults) - NAMED_FAULTS} more" if len(faults) > NAMED_FAULTS else ""
        raise UserError(
            f"{root}: {len(faults)} faults: {'; '.join(faults[:NAMED_FAULTS])}{more}. "
            "Copy these files again, or remove the folder and prepare it again"
        )
    shown = draw.sample(snippets, min(show, len(snippets)))
    return Verified(len(streams), len(shards), sum(shard.num_bytes for shard in shards), decoded, tuple(shown))


def _listed(folder: Path, block_size: int, blocks: int, hashes: dict[str, str]) -> list[BlockShard]:
    """The shards of an index that says what the manifest does."""
    shards = read_index(folder, block_size)
    index = folder / INDEX_NAME
    found = sum(len(shard) for shard in shards)
    names = {shard.name for shard in shards}
    if found == blocks and names != hashes.keys():
        raise UserError(f"{index} names other shards than the manifest: {', '.join(sorted(names ^ hashes.keys())[:4])}")
    if found != blocks or names != hashes.keys():
        raise UserError(f"{index} lists {found} blocks in {len(shards)} shards, the manifest {blocks} in {len(hashes)}")
    for shard in shards:
        if shard.xxh64 != hashes[shard.name]:
            raise UserError(f"{index} has hash {shard.xxh64} for {shard.name}, the manifest {hashes[shard.name]}")
    return shards


def _chosen(shards: Sequence[BlockShard], count: int, draw: random.Random) -> Iterator[tuple[BlockShard, int, int]]:
    """Some blocks of a folder, the last one among them: shard, number in it, number in the folder."""
    ends = np.cumsum([len(shard) for shard in shards])
    total = int(ends[-1])
    others = draw.sample(range(total - 1), min(count - 1, total - 1)) if count > 1 else []
    for block in [total - 1, *others][:count]:
        at = int(np.searchsorted(ends, block, side="right"))
        yield shards[at], block - int(ends[at]) + len(shards[at]), block


class _Decoder:
    """Blocks to text, by the tokenizer in the data folder."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._tokenizer = Tokenizer.from_file(str(manifest.root / TOKENIZER_FOLDER / "tokenizer.json"))

    def decode(self, name: str, shard: BlockShard, number: int, block: int) -> Snippet | str:
        """The beginning of a block's text; or what is wrong with it, as a text."""
        input_ids = np.empty(self._manifest.block_size, np.uint32)
        try:
            cu_seqlens = shard.read(number, input_ids)
        except UserError as error:
            return str(error)
        fault = block_fault(input_ids, cu_seqlens, self._manifest.special_ids, self._manifest.vocab_size)
        if fault is not None:
            return f"{shard.path}, block {number} ({name}, block {block}): {fault}"
        sequence = input_ids[cu_seqlens[0] : cu_seqlens[1]].tolist()
        return Snippet(name, block, self._tokenizer.decode(sequence, skip_special_tokens=True))
