import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from streaming import StreamingDataset

from mmbert_composer.data.mds_writer import write_stream


def sequence(*ids: int) -> NDArray[np.uint32]:
    return np.array(ids, np.uint32)


BLOCKS = [[sequence(2, 7, 1), sequence(2, 8, 9, 1)], [sequence(2, 5, 5, 5, 5, 5, 5, 1)]]


def test_blocks_are_padded_and_carry_their_edges(tmp_path: Path) -> None:
    written = write_stream(BLOCKS, tmp_path / "out", tmp_path / "tmp", block_size=8, pad=0)
    assert (written.blocks, written.tokens) == (2, 15)
    index = json.loads((tmp_path / "out/index.json").read_text())
    assert index["shards"][0]["column_names"] == ["cu_seqlens", "input_ids"]
    assert index["shards"][0]["column_encodings"] == ["ndarray:int32", "ndarray:uint32:8"]
    assert written.hashes == {"shard.00000.mds": index["shards"][0]["raw_data"]["hashes"]["xxh64"]}
    assert written.bytes == (tmp_path / "out/shard.00000.mds").stat().st_size
    dataset = StreamingDataset(local=str(tmp_path / "out"), batch_size=1, shuffle=False)
    assert dataset[0]["input_ids"].tolist() == [2, 7, 1, 2, 8, 9, 1, 0]
    assert dataset[0]["cu_seqlens"].tolist() == [0, 3, 7]
    assert dataset[1]["cu_seqlens"].tolist() == [0, 8]


def test_a_failure_leaves_no_stream_and_the_next_try_succeeds(tmp_path: Path) -> None:
    def failing() -> Iterator[list[NDArray[np.uint32]]]:
        yield BLOCKS[0]
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_stream(failing(), tmp_path / "out", tmp_path / "tmp", 8, 0)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "tmp/index.json").exists()
    assert write_stream(BLOCKS, tmp_path / "out", tmp_path / "tmp", 8, 0).blocks == 2


def test_without_a_block_there_is_no_folder(tmp_path: Path) -> None:
    assert write_stream([], tmp_path / "out", tmp_path / "tmp", 8, 0).blocks == 0
    assert not (tmp_path / "out").exists()
