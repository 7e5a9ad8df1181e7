import shutil
from pathlib import Path

import pytest

from mmbert_composer.data.manifest import load_manifest
from mmbert_composer.data.verify_data import verify_data
from mmbert_composer.errors import UserError


@pytest.fixture
def data(tiny_data: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_data, tmp_path / "copy"))


def test_data_as_written_is_right(data: Path) -> None:
    verified = verify_data(data)
    assert verified.streams == len(load_manifest(data).streams)
    assert verified.shards == len(list(data.rglob("*.mds")))
    assert verified.bytes == sum(path.stat().st_size for path in data.rglob("*.mds"))


def test_a_changed_byte_a_short_file_and_missing_ones_are_named(data: Path) -> None:
    shard = data / "tiny/deu/shard.00000.mds"
    content = bytearray(shard.read_bytes())
    content[-5] ^= 1
    shard.write_bytes(content)
    short = data / "heldout/tiny/eng/shard.00000.mds"
    short.write_bytes(short.read_bytes()[:-1])
    (data / "tiny/fra/shard.00000.mds").unlink()
    (data / "tiny/isl/index.json").unlink()
    with pytest.raises(UserError, match="4 faults") as raised:
        verify_data(data)
    assert f"{shard} has xxh64 " in str(raised.value)
    assert f"{short} has " in str(raised.value)
    assert "fra/shard.00000.mds is missing" in str(raised.value)
    assert "isl/index.json cannot be read" in str(raised.value)
