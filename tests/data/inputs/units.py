"""What tests of readers need: the unit of one file, and small MDS folders as they are published."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from streaming import MDSWriter

from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import KINDS
from mmbert_composer.data.inputs.unit import InputUnit


def file_unit(path: Path) -> InputUnit:
    """The one unit of a file, whose kind is its suffix (``text`` for .txt)."""
    kind = next((kind for kind in ("jsonl", "parquet") if f".{kind}" in path.suffixes), "text")
    (found,) = KINDS[kind].find(str(path), ReadOptions()).units
    return found


def write_mds(
    folder: Path,
    sequences: Sequence[NDArray[Any]],
    columns: dict[str, str] | None = None,
    size_limit: int = 1 << 26,
    **more: Any,
) -> Path:
    """An MDS folder of samples with ``input_ids``, an ``id`` and whatever other columns are named."""
    columns = columns or {"input_ids": "ndarray:uint32", "id": "str"}
    others = {"id": lambda index: f"doc-{index}", "len": lambda index: len(sequences[index])}
    writer = MDSWriter(out=str(folder), columns=columns, size_limit=size_limit, **more)
    for index, sequence in enumerate(sequences):
        ids = sequence.tobytes() if columns["input_ids"] == "bytes" else sequence
        writer.write({"input_ids": ids} | {name: others[name](index) for name in columns if name in others})
    writer.finish()
    return folder


def merge_indexes(root: Path) -> None:
    """An index.json in ``root`` that lists the shards of all folders below it, as published roots have."""
    shards = []
    for path in sorted(root.glob("**/index.json")):
        for shard in json.loads(path.read_text())["shards"]:
            if "/" not in shard["raw_data"]["basename"]:
                relative = path.parent.relative_to(root)
                for key in ("raw_data", "zip_data"):
                    if shard[key]:
                        shard[key]["basename"] = f"{relative}/{shard[key]['basename']}"
                shards.append(shard)
    (root / "index.json").write_text(json.dumps({"version": 2, "shards": shards}))


def some_sequences(count: int, seed: int = 0, vocab_size: int = 600, longest: int = 60) -> list[NDArray[np.uint32]]:
    """Sequences of random length and tokens, from BOS 2 to EOS 1."""
    rng = np.random.default_rng(seed)
    found = [rng.integers(5, vocab_size, rng.integers(3, longest)).astype(np.uint32) for _ in range(count)]
    for sequence in found:
        sequence[0], sequence[-1] = 2, 1
    return found
