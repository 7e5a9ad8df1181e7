import json
from pathlib import Path

import numpy as np
import pytest
from streaming import MDSWriter, StreamingDataset

from mmbert_composer.data.mds_writer import BlockWriter, index_json

Blocks = list[list[np.ndarray]]


def random_blocks(count: int, block_size: int, most: int) -> Blocks:
    source = np.random.default_rng(count)
    blocks = []
    for _ in range(count):
        lengths = source.integers(1, max(2, block_size // most), size=source.integers(1, most + 1))
        blocks.append([source.integers(0, 1 << 32, length, dtype=np.uint32) for length in lengths])
    return blocks


@pytest.mark.parametrize(
    ("count", "block_size", "most", "shard_bytes"),
    [(1, 8, 2, 1 << 26), (40, 64, 5, 2_000), (30, 1024, 500, 1 << 15)],
)
def test_the_bytes_are_those_of_streamings_writer(
    tmp_path: Path, count: int, block_size: int, most: int, shard_bytes: int
) -> None:
    blocks = random_blocks(count, block_size, most)
    columns = {"input_ids": f"ndarray:uint32:{block_size}", "cu_seqlens": "ndarray:int32"}
    ours = BlockWriter(tmp_path / "ours", block_size, pad=7, shard_bytes=shard_bytes)
    theirs = MDSWriter(columns=columns, out=str(tmp_path / "theirs"), hashes=["xxh64"], size_limit=shard_bytes)
    for block in blocks:
        ours.write(block)
        input_ids = np.full(block_size, 7, np.uint32)
        used = np.concatenate(block)
        input_ids[: len(used)] = used
        cu_seqlens = np.cumsum([0, *map(len, block)]).astype(np.int32)
        theirs.write({"input_ids": input_ids, "cu_seqlens": cu_seqlens})
    theirs.finish()
    written = ours.finish()
    (tmp_path / "ours/index.json").write_text(index_json(written.shards))
    names = sorted(path.name for path in (tmp_path / "theirs").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "ours").iterdir())
    for name in names:
        assert (tmp_path / "ours" / name).read_bytes() == (tmp_path / "theirs" / name).read_bytes(), name
    assert written.blocks == count
    assert written.tokens == sum(len(sequence) for block in blocks for sequence in block)
    assert written.bytes == sum(path.stat().st_size for path in (tmp_path / "ours").glob("*.mds"))


def test_streaming_reads_what_was_written(tmp_path: Path) -> None:
    writer = BlockWriter(tmp_path, 8, pad=0)
    for block in ([[2, 7, 1], [2, 8, 9, 1]], [[2, 5, 5, 5, 5, 5, 5, 1]]):
        writer.write([np.array(sequence, np.uint32) for sequence in block])
    (tmp_path / "index.json").write_text(index_json(writer.finish().shards))
    dataset = StreamingDataset(local=str(tmp_path), batch_size=1, shuffle=False)
    assert dataset[0]["input_ids"].tolist() == [2, 7, 1, 2, 8, 9, 1, 0]
    assert dataset[0]["cu_seqlens"].tolist() == [0, 3, 7]
    assert dataset[1]["cu_seqlens"].tolist() == [0, 8]


def test_a_block_larger_than_a_shard_has_one_of_its_own(tmp_path: Path) -> None:
    writer = BlockWriter(tmp_path, 64, pad=0, shard_bytes=10)
    for _ in range(3):
        writer.write([np.ones(5, np.uint32)])
    assert [shard["samples"] for shard in writer.finish().shards] == [1, 1, 1]


def test_without_a_block_there_is_no_folder(tmp_path: Path) -> None:
    assert BlockWriter(tmp_path / "out", 8, 0).finish().blocks == 0
    assert not (tmp_path / "out").exists()


def test_more_tokens_than_a_block_holds_are_our_bug(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="9 tokens in a block of 8"):
        BlockWriter(tmp_path, 8, 0).write([np.ones(9, np.uint32)])


def test_the_index_is_compact_json(tmp_path: Path) -> None:
    assert json.loads(index_json([])) == {"version": 2, "shards": []}
