import json
import shutil
from pathlib import Path

import pytest

from mmbert_composer.data import open_data as module
from mmbert_composer.data.data_source import DataSource
from mmbert_composer.data.open_data import fetch_indexes, open_data
from mmbert_composer.errors import UserError
from tests.flaky_remote import FlakyRemote


@pytest.fixture
def remote(tiny_data, tmp_path, monkeypatch):
    return FlakyRemote(Path(shutil.copytree(tiny_data, tmp_path / "data")), monkeypatch)


@pytest.fixture
def source(remote, tmp_path):
    return DataSource(remote.address, cache=str(tmp_path / "cache"), download_retries=0)


def test_what_is_read_before_blocks_is_fetched_once(remote, source):
    manifest = open_data(source)
    assert manifest.root == source.folder
    assert manifest.tokens == open_data(DataSource(str(remote.folder))).tokens
    streams = [name for name, entry in manifest.streams.items() if entry.blocks]
    held_out = [f"heldout/{name}" for name, entry in manifest.streams.items() if entry.heldout_blocks]
    expected = {"manifest.json", "tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"}
    expected |= {f"{name}/index.json" for name in [*streams, *held_out]}
    assert expected <= set(remote.fetched)
    assert not any(name.endswith(".mds") for name in remote.fetched)
    open_data(source)
    assert remote.fetched.count("manifest.json") == 1  # once a process


def test_a_remote_that_changed_and_one_that_is_away(remote, source, caplog):
    fetch_indexes(source)
    remote.fetched.clear()
    fetch_indexes(source)
    assert remote.fetched == ["manifest.json"]
    # tiny/eng was made again: its manifest and index there are others now
    for name in ("manifest.json", "tiny/eng/index.json"):
        path = remote.folder / name
        path.write_text(path.read_text().replace(hash_of(remote.folder), "0" * 16))
    remote.fetched.clear()
    fetch_indexes(source)
    assert remote.fetched == ["manifest.json", "tiny/eng/index.json"]
    remote.failures = 1
    fetch_indexes(source)
    assert "flaky://there/manifest.json could not be fetched" in caplog.text
    assert f"Going on with what is in {source.folder}" in caplog.text


def hash_of(folder):
    return json.loads((folder / "tiny/eng/index.json").read_text())["shards"][0]["raw_data"]["hashes"]["xxh64"]


def test_nothing_there_names_the_file(remote, source):
    remote.failures = 1
    with pytest.raises(UserError, match=r"flaky://there/manifest.json could not be fetched, after 1 try: the line is"):
        fetch_indexes(source)
    (remote.folder / "tiny/isl/index.json").unlink()
    with pytest.raises(UserError, match=r"flaky://there/tiny/isl/index.json could not be fetched"):
        fetch_indexes(source)


def test_an_index_that_is_not_the_manifests(remote, source):
    index = remote.folder / "tiny/eng/index.json"
    index.write_text(index.read_text().replace(hash_of(remote.folder), "0" * 16))
    with pytest.raises(UserError, match=r"1 indexes do not list what manifest.json says, the first is tiny/eng/index"):
        fetch_indexes(source)


def test_another_tokenizer_in_the_cache_is_fetched_again(remote, source):
    fetch_indexes(source)
    cached = source.folder / "tokenizer/tokenizer.json"
    right = cached.read_bytes()
    cached.write_bytes(right.replace(b'"e"', b'"E"', 1))
    fetch_indexes(source)
    assert cached.read_bytes() == right


def test_a_folder_is_read_where_it_is(tiny_data, monkeypatch):
    monkeypatch.setattr(module, "fetch_indexes", None)
    assert open_data(DataSource(str(tiny_data))).root == tiny_data


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"root": "s3://b/d"}, r"data.root=s3://b/d is a remote: set data.cache"),
        ({"root": "data", "cache": "c"}, r"data.cache=c is set, but data.root=data is a folder.*write file:///"),
        ({"root": "data", "cache_limit": 5}, r"a shard removed to stay below the limit would be the only copy"),
        ({"root": "data", "verify": "always"}, r"data.verify='always' must be one of first_touch, never"),
    ],
)
def test_sources_that_make_no_sense(fields, message):
    with pytest.raises(UserError, match=message):
        DataSource(**fields)


def test_addresses():
    assert DataSource("data").remote_of("a/eng") is None
    assert DataSource("s3://b/d/", cache="c").remote_of("a/eng") == "s3://b/d/a/eng"
    assert DataSource("file:///mnt/d", cache="c").remote_of("a/eng") == "/mnt/d/a/eng"
