"""Check a data folder against its manifest: every shard's size and hash, every stream's number of blocks."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmbert_composer.data.manifest import load_manifest
from mmbert_composer.data.shard_fault import shard_fault
from mmbert_composer.errors import UserError

NAMED_FAULTS = 5


@dataclass(frozen=True)
class Verified:
    """What was checked and found right."""

    streams: int
    shards: int
    bytes: int


def verify_data(root: str | Path, threads: int = 4) -> Verified:
    """Read every shard under ``root`` again. Raises UserError naming the first faulty shards and what to do."""
    manifest = load_manifest(root)
    faults: list[str] = []
    shards: list[tuple[Path, int, str]] = []
    streams = [entry for entry in manifest.streams.values() if entry.blocks]
    for entry in streams:
        places = [(manifest.stream_folder(entry.name), entry.blocks, entry.shard_hashes)]
        if entry.heldout_blocks:
            places.append((manifest.heldout_folder(entry.name), entry.heldout_blocks, entry.heldout_shard_hashes))
        for folder, blocks, hashes in places:
            try:
                shards.extend(_expected_shards(folder, blocks, hashes))
            except UserError as error:
                faults.append(str(error))
    with ThreadPoolExecutor(threads) as pool:
        faults.extend(fault for fault in pool.map(lambda shard: shard_fault(*shard), shards) if fault)
    if faults:
        more = f"; and {len(faults) - NAMED_FAULTS} more" if len(faults) > NAMED_FAULTS else ""
        raise UserError(
            f"{root}: {len(faults)} faults: {'; '.join(faults[:NAMED_FAULTS])}{more}. "
            "Copy these files again, or remove the folder and prepare it again"
        )
    return Verified(len(streams), len(shards), sum(size for _, size, _ in shards))


def _expected_shards(folder: Path, blocks: int, hashes: dict[str, str]) -> Iterator[tuple[Path, int, str]]:
    index = folder / "index.json"
    try:
        shards: list[dict[str, Any]] = json.loads(index.read_text(encoding="utf-8"))["shards"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{index} cannot be read ({error})") from None
    found = sum(shard["samples"] for shard in shards)
    names = {shard["raw_data"]["basename"] for shard in shards}
    if found != blocks or names != hashes.keys():
        raise UserError(f"{index} lists {found} blocks in {len(names)} shards, the manifest {blocks} in {len(hashes)}")
    for shard in shards:
        name = shard["raw_data"]["basename"]
        yield folder / name, shard["raw_data"]["bytes"], hashes[name]
