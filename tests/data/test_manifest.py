import json
import shutil
from pathlib import Path

import pytest

from mmbert_composer.data.manifest import Manifest, Part, StreamEntry, load_manifest
from mmbert_composer.data.tokenizer import tokenizer_hash, train_tokenizer
from mmbert_composer.errors import UserError


@pytest.fixture
def data(tiny_data: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_data, tmp_path / "copied data"))


def test_what_is_saved_is_loaded(tmp_path: Path, tiny_data: Path) -> None:
    shutil.copytree(tiny_data / "tokenizer", tmp_path / "tokenizer")
    entry = StreamEntry(
        "a/deu", (Part("0000", 2, 5, 100),), 5, 100, 2, 0.5, 9000, {"empty text": 1}, {"s": "ff"}, "CC0"
    )
    manifest = Manifest(
        root=tmp_path,
        format=1,
        block_size=100,
        tokenizer_hash=tokenizer_hash(tmp_path / "tokenizer"),
        special_ids={"pad": 0, "eos": 1, "bos": 2, "unk": 3, "mask": 4},
        vocab_size=640,
        special_token_ids=(0, 1, 2, 3, 4),
        streams={"a/deu": entry, "a/und": StreamEntry("a/und")},
        ledger={"documents": 6},
    )
    manifest.save()
    assert load_manifest(tmp_path) == manifest
    assert (manifest.tokens, manifest.blocks) == (100, 2)
    assert manifest.heldout_folder("a/deu") == tmp_path / "heldout/a/deu"


def test_an_absent_or_unfinished_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"no data in {tmp_path}.*mmbert prepare run"):
        load_manifest(tmp_path)
    (tmp_path / ".prepare").mkdir()
    with pytest.raises(UserError, match="is unfinished: run the same"):
        load_manifest(tmp_path)


def test_a_damaged_manifest_and_another_format_are_said(data: Path) -> None:
    path = data / "manifest.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "format": 7}))
    with pytest.raises(UserError, match=r"manifest.json has format 7; this version reads format 1"):
        load_manifest(data)
    for damaged in ("{", "[]", json.dumps({"format": 1}), json.dumps({**content, "streams": {"a": {"x": 1}}})):
        path.write_text(damaged)
        with pytest.raises(UserError, match=r"manifest.json is not a manifest"):
            load_manifest(data)


def test_another_tokenizer_than_that_of_the_blocks_is_refused(data: Path) -> None:
    shutil.rmtree(data / "tokenizer")
    train_tokenizer(iter(["other words " * 50]), 600, data / "tokenizer")
    with pytest.raises(UserError, match="is not the one of the blocks"):
        load_manifest(data)
