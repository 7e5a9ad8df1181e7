import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from xxhash import xxh64

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


def test_snippets_are_text_of_the_data(data: Path) -> None:
    verified = verify_data(data, show=5, blocks=2)
    assert len(verified.snippets) == 5
    words = {snippet.text.split()[0] for snippet in verified.snippets}
    assert all(word.isalpha() and word.isascii() for word in words)
    assert verified.snippets == verify_data(data, show=5, blocks=2).snippets
    assert verified.snippets != verify_data(data, show=5, blocks=2, seed=1).snippets
    assert verify_data(data, blocks=0).decoded == 0


def rewrite(data: Path, stream: str, change: tuple[int, int]) -> None:
    """Change a token of the last block and make every hash right again: only decoding can find it."""
    shard = data / stream / "shard.00000.mds"
    place, value = change
    content = bytearray(shard.read_bytes())
    content[len(content) - 4 * place : len(content) - 4 * place + 4] = np.uint32(value).tobytes()
    old, new = xxh64(shard.read_bytes()).hexdigest(), xxh64(bytes(content)).hexdigest()
    shard.write_bytes(content)
    for path in (data / stream / "index.json", data / "manifest.json"):
        path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((64, 9), r"sequence 0 must begin with bos \(2\), it begins with 9"),
        ((60, 10**6), r"it holds the token 1000000, the tokenizer has"),
    ],
)
def test_a_block_that_is_not_of_the_format_is_named(data: Path, change: tuple[int, int], message: str) -> None:
    rewrite(data, "tiny/eng", change)
    with pytest.raises(UserError, match=rf"tiny/eng/shard.00000.mds, block \d+ \(tiny/eng, block \d+\): {message}"):
        verify_data(data)


def test_hashes_of_index_and_manifest_and_foreign_columns(data: Path) -> None:
    index = data / "tiny/eng/index.json"
    content = json.loads(index.read_text())
    content["shards"][0]["raw_data"]["hashes"]["xxh64"] = "0" * 16
    index.write_text(json.dumps(content))
    other = data / "tiny/deu/index.json"
    other.write_text(other.read_text().replace("ndarray:int32", "pkl"))
    with pytest.raises(UserError, match="2 faults") as raised:
        verify_data(data)
    assert "eng/index.json has hash 0000000000000000 for shard.00000.mds, the manifest" in str(raised.value)
    assert "with the columns cu_seqlens pkl" in str(raised.value)
