import json

import pytest
import torch
import xxhash

from mmbert_composer.checkpoints.checkpoint_record import CheckpointRecord, HashedFile, read_record, record_path
from mmbert_composer.checkpoints.list_checkpoints import (
    last_unharmed,
    list_checkpoints,
    named_checkpoints,
    newest_checkpoint,
    skipped_checkpoints,
    why_invalid,
)
from mmbert_composer.checkpoints.read_checkpoint import read_checkpoint

pytest_plugins = ("tiny_models",)


@pytest.fixture
def recorded(tmp_path, tiny_model, save_checkpoint):
    """Three checkpoints with records, oldest first."""
    paths = [save_checkpoint(tmp_path, tiny_model(batch), epoch=0, batch=batch) for batch in (1, 2, 3)]
    for path in paths:
        digest = xxhash.xxh64(path.read_bytes()).hexdigest()
        CheckpointRecord(path.stat().st_size, digest, batch=1, token=64, segment=0, phase="one").write(path)
    return paths


def flip_a_weight(path):
    """Change one bit in the middle of the largest tensor, as a bad disk would."""
    content = bytearray(path.read_bytes())
    largest = max(read_checkpoint(path, mmap=False)["state"]["model"].values(), key=torch.numel)
    place = content.find(largest.numpy().tobytes()) + largest.nbytes // 2
    content[place] ^= 1
    path.write_bytes(bytes(content))


def test_flipped_bytes_are_found_by_the_hash_alone(recorded, tmp_path):
    older, newer, newest = recorded
    flip_a_weight(newest)
    read_checkpoint(newest)  # torch sees nothing, mapped or not
    read_checkpoint(newest, mmap=False)
    assert why_invalid(newest) is None
    assert "damaged: its bytes are not those that were written" in why_invalid(newest, content=True)
    assert newest_checkpoint(tmp_path).path == newer
    assert list(skipped_checkpoints(tmp_path, content=True)) == [newest]
    assert [file.path for file in last_unharmed(named_checkpoints(tmp_path), 2)] == [older, newer]
    assert [file.path for file in list_checkpoints(tmp_path)] == recorded  # whole, and nobody asked for more


def test_a_file_cut_short_is_found_by_its_size(recorded):
    path = recorded[0]
    record = read_record(path)
    with path.open("r+b") as file:
        file.truncate(record.bytes - 1)
    assert why_invalid(path) == f"incomplete: {record.bytes - 1:,} bytes, its record says {record.bytes:,}"


def test_without_a_record_there_is_the_check_of_its_form(recorded, tmp_path):
    newest = recorded[-1]
    record_path(newest).unlink()
    flip_a_weight(newest)
    assert read_record(newest) is None
    assert newest_checkpoint(tmp_path).path == newest


@pytest.mark.parametrize("text", ["", "{}", '{"format": 1}', "[]", '{"format": 9}'])
def test_an_unreadable_record_is_said(recorded, tmp_path, text):
    newest = recorded[-1]
    record_path(newest).write_text(text)
    assert f"its record {newest.name}.json " in why_invalid(newest)
    assert newest_checkpoint(tmp_path).path == recorded[1]


def test_a_file_touched_again_is_hashed_again(recorded):
    path = recorded[0]
    assert why_invalid(path, content=True) is None
    flip_a_weight(path)
    assert why_invalid(path, content=True) is not None


def test_the_record_is_plain_json(recorded):
    content = json.loads(record_path(recorded[0]).read_text())
    assert set(content) == {"format", "bytes", "xxh64", "batch", "token", "segment", "phase"}


def test_a_hashed_file_sees_what_torch_writes(tmp_path):
    path = tmp_path / "file"
    with path.open("wb") as plain:
        file = HashedFile(plain)
        torch.save({"a": torch.arange(1000)}, file)
        file.flush()
    assert (file.bytes, file.hexdigest()) == (path.stat().st_size, xxhash.xxh64(path.read_bytes()).hexdigest())
    with open("/dev/full", "wb", buffering=0) as full:
        file = HashedFile(full)
        with pytest.raises((RuntimeError, OSError)):
            torch.save({"a": torch.arange(1000)}, file)
    assert file.error is not None
    assert file.error.strerror == "No space left on device"
