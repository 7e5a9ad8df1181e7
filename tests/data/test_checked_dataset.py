import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from streaming import LocalDataset
from streaming.base.dataset import _ShardState

from mmbert_composer.config import parse_run_config
from mmbert_composer.data import annealed_dataset
from mmbert_composer.data.annealed_dataset import AnnealedDataset
from mmbert_composer.data.annealed_loader import AnnealedLoader
from mmbert_composer.data.checked_dataset import UNCHECKED
from mmbert_composer.data.data_source import DataSource
from mmbert_composer.data.held_out_loader import HeldOutLoader
from mmbert_composer.errors import UserError
from tests.flaky_remote import FlakyRemote


@pytest.fixture
def data(tiny_data, tmp_path):
    """A copy that a test may damage."""
    return Path(shutil.copytree(tiny_data, tmp_path / "data"))


@pytest.fixture
def dataset_of(settings):
    def make(source, batch_size=2, **options):
        return AnnealedDataset(source, parse_run_config(settings).curriculum, seed=3, batch_size=batch_size, **options)

    return make


def flip(path, place=-5):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def keys(blocks):
    return [(block["stream"], block["index"], block["visit"], block["input_ids"].tobytes()) for block in blocks]


def test_shards_are_checked_once_before_they_are_read(data, dataset_of):
    dataset = dataset_of(str(data))
    states = dataset._shard_states.numpy()
    assert set(states.tolist()) == {UNCHECKED}
    whole = keys(dataset)
    touched = {stream for stream, *_ in whole}
    assert [number for number, state in enumerate(states) if state == _ShardState.LOCAL] == sorted(touched)
    del states  # a view of shared memory
    for name in dataset.plan.streams:
        flip(data / name / "shard.00000.mds")
    assert len(list(dataset)) == 16  # what was checked is not read again
    other = next(i for i in range(dataset.num_shards) if i not in touched)
    with pytest.raises(UserError, match="has xxh64"):
        dataset[int(dataset.sample_offset_per_shard[other])]


def test_a_flipped_byte_stops_with_stream_shard_and_what_to_do(data, dataset_of):
    flip(data / "tiny/eng/shard.00000.mds")
    with pytest.raises(UserError) as raised:
        list(dataset_of(str(data)))
    message = str(raised.value)
    assert message.startswith(f"stream tiny/eng: {data}/tiny/eng/shard.00000.mds has xxh64 ")
    assert f"mmbert prepare verify {data}" in message
    assert "prepare its text again" in message


def test_a_shard_cut_short_or_missing_stops(data, dataset_of):
    shard = data / "tiny/eng/shard.00000.mds"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"stream tiny/eng: .* bytes instead of"):
        list(dataset_of(DataSource(str(data), verify="never")))  # the size is always compared
    shard.unlink()
    with pytest.raises(UserError, match=r"stream tiny/eng: .*shard.00000.mds is missing"):
        list(dataset_of(str(data)))


def test_never_compares_no_hashes(data, dataset_of, tiny_data):
    for shard in data.glob("tiny/*/*.mds"):
        flip(shard, -200)  # inside the last block's ids or those before
    served = keys(dataset_of(DataSource(str(data), verify="never")))
    assert [key[:3] for key in served] == [key[:3] for key in keys(dataset_of(str(tiny_data)))]


def test_a_workers_error_comes_without_its_traceback(data, dataset_of):
    flip(data / "tiny/eng/shard.00000.mds")
    loader = AnnealedLoader(dataset_of(str(data)), global_batch_size=4, num_workers=1)
    with pytest.raises(UserError, match=r"^stream tiny/eng: [^\n]*$"):
        list(loader)


def test_held_out_shards_are_checked_too(data):
    flip(data / "heldout/tiny/eng/shard.00000.mds")
    loader = HeldOutLoader(data, ["tiny/deu", "tiny/eng"], batch_size=2)
    with pytest.raises(UserError, match=r"stream heldout/tiny/eng: .* has xxh64"):
        list(loader)


def test_a_remote_serves_what_its_folder_does(tiny_data, tmp_path, dataset_of, monkeypatch):
    remote = FlakyRemote(tiny_data, monkeypatch)
    dataset = dataset_of(DataSource(remote.address, cache=str(tmp_path / "cache")))
    assert not [name for name in remote.fetched if name.endswith(".mds")]
    first = [name for name, blocks in zip(dataset.plan.streams, dataset.plan.blocks[0], strict=True) if blocks]
    assert keys(dataset) == keys(dataset_of(str(tiny_data)))
    shards = [name for name in remote.fetched if name.endswith(".mds")]
    assert sorted(shards) == sorted(f"{name}/shard.00000.mds" for name in first)
    again = dataset_of(DataSource(remote.address, cache=str(tmp_path / "cache"), verify="never"))
    list(again)
    assert [name for name in remote.fetched if name.endswith(".mds")] == shards  # from the cache
    held_out = HeldOutLoader(DataSource(remote.address, cache=str(tmp_path / "cache")), ["tiny/eng"], batch_size=2)
    here = HeldOutLoader(tiny_data, ["tiny/eng"], batch_size=2)
    assert remote.fetched[-1] == "heldout/tiny/eng/shard.00000.mds"
    for one, other in zip(held_out, here, strict=True):
        assert one["input_ids"].equal(other["input_ids"])


def test_what_a_killed_process_was_fetching_goes(tiny_data, tmp_path, dataset_of):
    source = DataSource(f"file://{tiny_data}", cache=str(tmp_path / "cache"))
    dataset_of(source)
    old, new = (tmp_path / "cache/tiny/eng" / f".shard.00000.mds.{number}.part" for number in (1, 2))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    dataset_of(source)
    assert (old.exists(), new.exists()) == (False, True)  # the other may be another run's


def test_a_damaged_shard_in_the_cache_is_fetched_again(data, tiny_data, tmp_path, dataset_of, monkeypatch, caplog):
    remote = FlakyRemote(data, monkeypatch)
    source = DataSource(remote.address, cache=str(tmp_path / "cache"), download_retries=0)
    whole = keys(dataset_of(source))
    cached = tmp_path / "cache/tiny/eng/shard.00000.mds"
    flip(cached)
    assert keys(dataset_of(source)) == whole
    assert "has xxh64" in caplog.text
    assert cached.read_bytes() == (data / "tiny/eng/shard.00000.mds").read_bytes()
    flip(data / "tiny/eng/shard.00000.mds")
    cached.unlink()
    with pytest.raises(
        UserError, match=r"stream tiny/eng: .* fetched twice from flaky://there/tiny/eng: it is damaged"
    ):
        list(dataset_of(source))
    remote.failures = 99
    cached.unlink()
    with pytest.raises(UserError, match=r"flaky://there/tiny/eng/shard.00000.mds could not be fetched, after 1 try"):
        list(dataset_of(source))


def test_a_cache_limit_evicts_and_serves_the_same(tiny_data, tmp_path, settings, dataset_of, monkeypatch):
    settings["curriculum"]["phases"] = settings["curriculum"]["phases"][2:]  # all six languages
    remote = FlakyRemote(tiny_data, monkeypatch)
    everything = dataset_of(DataSource(remote.address, cache=str(tmp_path / "cache")))
    expected = [keys(everything) for _ in range(2)]
    limit = everything.cache_usage - 1000
    # A limit that a segment's shards do not fit in is refused; a window of many shards that turned over would not be.
    monkeypatch.setattr(annealed_dataset, "check_cache_limit", lambda *_: None)
    small = dataset_of(DataSource(remote.address, cache=str(tmp_path / "cache"), cache_limit=limit))
    assert small.cache_usage <= limit  # what an earlier run left is removed
    remote.fetched.clear()
    assert [keys(small) for _ in range(2)] == expected
    assert len([name for name in remote.fetched if name.endswith(".mds")]) >= 2
    assert small.cache_usage <= limit
    here = sum(shard.stat().st_size for shard in (tmp_path / "cache/tiny").glob("*/*"))
    assert here == small.cache_usage


def test_a_cache_below_what_a_segment_uses_is_refused_with_the_number(tiny_data, tmp_path, dataset_of):
    source = DataSource(f"file://{tiny_data}", cache=str(tmp_path / "cache"), cache_limit=1000)
    with pytest.raises(UserError, match=r"data.cache_limit=1_000 is below the ([\d_]+) bytes of shards") as raised:
        dataset_of(source)
    needed = int(str(raised.value).split("below the ")[1].split(" ")[0])
    enough = DataSource(source.root, cache=source.cache, cache_limit=needed)
    assert keys(dataset_of(enough)) == keys(dataset_of(str(tiny_data)))
    with pytest.raises(UserError, match=f"below the {needed:_} bytes"):
        dataset_of(DataSource(source.root, cache=source.cache, cache_limit=needed - 1))


def test_samples_are_those_of_streaming(tiny_data, dataset_of):
    dataset = dataset_of(str(tiny_data))
    for stream, name in enumerate(dataset.plan.streams):
        for index, stored in enumerate(LocalDataset(str(tiny_data / name))):
            block = dataset[int(dataset.sample_offset_per_stream[stream]) + index + 3 * dataset.num_samples]
            assert (block["stream"], block["index"], block["visit"]) == (stream, index, 3)
            assert np.array_equal(block["input_ids"], stored["input_ids"])
            assert np.array_equal(block["cu_seqlens"], stored["cu_seqlens"])
