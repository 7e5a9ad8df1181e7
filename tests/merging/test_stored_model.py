import json
from contextlib import ExitStack

import pytest
import torch
from safetensors.torch import save_file

from mmbert_composer.checkpoints.model_weights import DECODER, EMBEDDING, model_weights
from mmbert_composer.errors import UserError
from mmbert_composer.merging.stored_model import check_alike, merged_dtype, open_stored_model

pytest_plugins = ("tiny_models",)


@pytest.fixture
def files():
    with ExitStack() as stack:
        yield stack


def _content(tensor):
    buffer = bytearray(tensor.size * tensor.dtype.itemsize)
    tensor.read_into(0, memoryview(buffer))
    return torch.frombuffer(buffer, dtype=tensor.dtype).view(tensor.shape)


def _same_weights(stored, path):
    expected = model_weights(path)
    assert list(stored.tensors) == list(expected)
    for name, tensor in stored.tensors.items():
        assert tensor.shape == tuple(expected[name].shape)
        assert torch.equal(_content(tensor), expected[name])


def test_a_folder(tmp_path, tiny_model, files):
    tiny_model(1).to(torch.bfloat16).save_pretrained(tmp_path / "one")
    _same_weights(open_stored_model(tmp_path / "one", files), tmp_path / "one")


def test_a_folder_of_shards(tmp_path, tiny_model, files):
    tiny_model(1).save_pretrained(tmp_path / "one", max_shard_size="20KB")
    assert len(list((tmp_path / "one").glob("model-*.safetensors"))) > 2
    _same_weights(open_stored_model(tmp_path / "one", files), tmp_path / "one")


def test_a_checkpoint(tmp_path, tiny_model, save_checkpoint, files):
    path = save_checkpoint(tmp_path, tiny_model(2), epoch=1, batch=4)
    stored = open_stored_model(path, files)
    _same_weights(stored, path)
    assert DECODER not in stored.tensors
    assert stored.size == sum(p.numel() for p in tiny_model(2).parameters())


def test_part_of_a_tensor(tmp_path, files):
    save_file({EMBEDDING: torch.arange(12.0).view(3, 4)}, tmp_path / "model.safetensors")
    tensor = open_stored_model(tmp_path, files).tensors[EMBEDDING]
    buffer = bytearray(8)
    tensor.read_into(5, memoryview(buffer))
    assert torch.frombuffer(buffer, dtype=torch.float32).tolist() == [5, 6]


def test_a_decoder_that_repeats_the_embedding_is_left_out(tmp_path, files):
    embedding = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    for name, decoder, expected in (
        ("tied", embedding.clone(), [EMBEDDING]),
        ("not", -embedding, [DECODER, EMBEDDING]),
    ):
        (tmp_path / name).mkdir()
        save_file({EMBEDDING: embedding, DECODER: decoder}, tmp_path / name / "model.safetensors")
        assert list(open_stored_model(tmp_path / name, files).tensors) == expected


def test_files_that_are_not_whole(tmp_path, tiny_model, save_checkpoint, files):
    with pytest.raises(UserError, match=r"no model\.safetensors; expected a Hugging Face folder with safetensors"):
        open_stored_model(tmp_path, files)
    tiny_model(1).save_pretrained(tmp_path)
    whole = (tmp_path / "model.safetensors").read_bytes()
    for size in (len(whole) - 1, 100, 3):
        (tmp_path / "model.safetensors").write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"model\.safetensors: not a complete safetensors file"):
            open_stored_model(tmp_path, files)
    path = save_checkpoint(tmp_path, tiny_model(1), epoch=1, batch=4)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="not a complete checkpoint file"):
        open_stored_model(path, files)


def test_a_shard_that_is_missing(tmp_path, tiny_model, files):
    tiny_model(1).save_pretrained(tmp_path, max_shard_size="20KB")
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    gone = sorted(set(index["weight_map"].values()))[1]
    (tmp_path / gone).unlink()
    with pytest.raises(UserError, match=f"no {gone}"):
        open_stored_model(tmp_path, files)
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(UserError, match="is no index of safetensors shards"):
        open_stored_model(tmp_path, files)


def test_a_checkpoint_in_another_order_of_memory(tmp_path, files):
    weights = {EMBEDDING: torch.ones(3, 2), "decoder.bias": torch.ones(4, 5).t()}
    torch.save({"state": {"model": weights}}, tmp_path / "odd.pt")
    with pytest.raises(UserError, match=r"decoder\.bias is not stored in the order of its shape; export it first"):
        open_stored_model(tmp_path / "odd.pt", files)


def test_a_file_that_shrinks_while_it_is_read(tmp_path, files):
    save_file({EMBEDDING: torch.arange(12.0)}, tmp_path / "model.safetensors")
    tensor = open_stored_model(tmp_path, files).tensors[EMBEDDING]
    with (tmp_path / "model.safetensors").open("r+b") as file:
        file.truncate(120)
    with pytest.raises(UserError, match="ended early; was it changed"):
        tensor.read_into(0, memoryview(bytearray(48)))


def test_what_does_not_match_is_named_all_at_once(store):
    one = store("a", {"w": torch.ones(2), "x": torch.ones(1), "y": torch.ones(1), "n": torch.ones(1)})
    other = store("b", {"w": torch.ones(3), "z": torch.ones(1), "y": torch.ones(1), "n": torch.ones(1).long()})
    check_alike([one, one])
    with pytest.raises(UserError) as error:
        check_alike([one, other])
    text = str(error.value).replace(one.name, "a").replace(other.name, "b")
    assert "x is missing in b" in text
    assert "z is only in b" in text
    assert "w has shapes [2] and [3] in a and b" in text
    assert "n is torch.float32 in a and torch.int64 in b" in text
    assert "y is" not in text


def test_the_type_of_a_merge(store):
    half, full = store("half", {"w": torch.ones(1).bfloat16()}), store("full", {"w": torch.ones(1)})
    assert merged_dtype([half, half]) == torch.bfloat16
    assert merged_dtype([half, full]) == torch.float32
