"""Check a data folder against its manifest: every shard's size and hash, every stream's number of blocks."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xxhash import xxh64

from mmbert_composer.data.manifest import load_manifest
from mmbert_composer.errors import UserError

READ_BYTES = 1 << 22
NAMED_FAULTS = 5


@dataclass(frozen=True)
class Verified:
    """What was checked and found right."""

    streams: int
    shards: int
    bytes: int


def verify_data(root: str | Path, threads: int = 4, *, contents: bool = True) -> Verified:
    """Read every shard under ``root`` again, or look at its size alone without ``contents``.

    Raises UserError naming the first faulty shards and what to do.
    """
    manifest = load_manifest(root)
    faults: list[str] = []
    shards: list[tuple[Path, int, str | None]] = []
    streams = [entry for entry in manifest.streams.values() if entry.blocks]
    for entry in streams:
        places = [(manifest.stream_folder(entry.name), entry.blocks, entry.shard_hashes)]
        if entry.heldout_blocks:
            places.append((manifest.heldout_folder(entry.name), entry.heldout_blocks, entry.heldout_shard_hashes))
        for folder, blocks, hashes in places:
            try:
                expected = _expected_shards(folder, blocks, hashes, manifest.block_size)
                shards.extend((path, size, digest if contents else None) for path, size, digest in expected)
            except UserError as error:
                faults.append(str(error))
    with ThreadPoolExecutor(threads) as pool:
        faults.extend(fault for fault in pool.map(lambda shard: _shard_fault(*shard), shards) if fault)
    if faults:
        more = f"; and {len(faults) - NAMED_FAULTS} more" if len(faults) > NAMED_FAULTS else ""
        raise UserError(
            f"{root}: {len(faults)} faults: {'; '.join(faults[:NAMED_FAULTS])}{more}. "
            "Copy these files again, or remove the folder and prepare it again"
        )
    return Verified(len(streams), len(shards), sum(size for _, size, _ in shards))


def _expected_shards(
    folder: Path, blocks: int, hashes: dict[str, str], block_size: int
) -> Iterator[tuple[Path, int, str]]:
    index = folder / "index.json"
    try:
        shards: list[dict[str, Any]] = json.loads(index.read_text(encoding="utf-8"))["shards"]
        found = sum(shard["samples"] for shard in shards)
        names = {shard["raw_data"]["basename"] for shard in shards}
        kinds = {kind for shard in shards for kind in shard["column_encodings"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{index} cannot be read ({error})") from None
    if not kinds <= {"ndarray:int32", f"ndarray:uint32:{block_size}"}:
        raise UserError(
            f"{index} says that its columns are {', '.join(sorted(kinds))}, which no `mmbert prepare` wrote"
        )
    if found == blocks and names != hashes.keys():
        other = ", ".join(sorted(names ^ hashes.keys())[:4])
        raise UserError(f"{index} names other shards than the manifest: {other}")
    if found != blocks or names != hashes.keys():
        raise UserError(f"{index} lists {found} blocks in {len(names)} shards, the manifest {blocks} in {len(hashes)}")
    for shard in shards:
        name = shard["raw_data"]["basename"]
        yield folder / name, shard["raw_data"]["bytes"], hashes[name]


def _shard_fault(path: Path, size: int, expected: str | None) -> str | None:
    if not path.is_file():
        return f"{path} is missing"
    if path.stat().st_size != size:
        return f"{path} has {path.stat().st_size:,} bytes instead of {size:,}"
    if expected is None:
        return None
    digest = xxh64()
    with path.open("rb") as file:
        while data := file.read(READ_BYTES):
            digest.update(data)
    return None if digest.hexdigest() == expected else f"{path} has xxh64 {digest.hexdigest()} instead of {expected}"
