import json
import shutil

import numpy as np
import pytest
from streaming import LocalDataset

from mmbert_composer.data.block_shard import read_index
from mmbert_composer.errors import UserError


@pytest.fixture
def folder(tiny_data, tmp_path):
    return shutil.copytree(tiny_data / "tiny/eng", tmp_path / "eng")


def test_reads_what_streaming_reads(tiny_data):
    for name in ("eng", "fao"):
        theirs = LocalDataset(str(tiny_data / "tiny" / name))
        (shard,) = read_index(tiny_data / "tiny" / name, 64)
        assert len(shard) == len(theirs)
        for index, expected in enumerate(theirs):
            row = np.empty(64, np.uint32)
            assert shard.read(index, row).tolist() == expected["cu_seqlens"].tolist()
            assert np.array_equal(row, expected["input_ids"])


def test_a_file_cut_short_or_with_wild_offsets_is_named(folder):
    (shard,) = read_index(folder, 64)
    whole, row = shard.path.read_bytes(), np.empty(64, np.uint32)
    shard.path.write_bytes(whole[:-20])
    shard.read(0, row)
    with pytest.raises(UserError, match=r"shard.00000.mds is cut short or damaged: block \d+ cannot be read"):
        shard.read(len(shard) - 1, row)
    shard.path.write_bytes(whole[:6])
    with pytest.raises(UserError, match="cut short or damaged: block 3"):
        shard.read(3, row)
    for offsets in ([0, 2**32 - 1], [500, 100], [100, 100]):
        shard.path.write_bytes(whole[:4] + np.array(offsets, np.uint32).tobytes() + whole[12:])
        with pytest.raises(UserError, match="cut short or damaged: block 0"):
            shard.read(0, row)
    shard.path.unlink()
    with pytest.raises(FileNotFoundError):
        shard.read(0, row)


def test_evicts_its_file(folder):
    (shard,) = read_index(folder, 64)
    assert shard.evict() == shard.num_bytes == shard.get_max_size()
    assert shard.evict() == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"column_encodings": ["ndarray:int32", "pkl"]}, r"with the columns .*input_ids pkl; the block format has"),
        ({"column_encodings": ["ndarray:int32", "ndarray:uint32:128"]}, "input_ids ndarray:uint32:128; the block"),
        ({"column_names": ["cu_seqlens", "text"]}, "text ndarray:uint32:64; the block format has"),
        ({"format": "json"}, "its shards are json"),
        ({"zip_data": {"basename": "shard.00000.mds.zstd"}}, "its shards are mds, compressed"),
        ({"raw_data": {"basename": "../x.mds", "bytes": 1, "hashes": {"xxh64": ""}}}, "it names the file '../x.mds'"),
        ({"raw_data": {"basename": "x.mds", "bytes": 1, "hashes": {}}}, r"is not the index of a stream \(KeyError"),
    ],
)
def test_an_index_that_is_not_of_the_block_format_is_refused(folder, change, message):
    path = folder / "index.json"
    content = json.loads(path.read_text())
    content["shards"][0].update(change)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        read_index(folder, 64)


def test_an_index_that_is_missing_or_none(tmp_path):
    with pytest.raises(UserError, match=r"index.json cannot be read: No such file"):
        read_index(tmp_path, 64)
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(UserError, match=r"index.json is not the index of a stream"):
        read_index(tmp_path, 64)
