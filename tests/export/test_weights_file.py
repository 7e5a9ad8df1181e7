import pytest
import torch
from safetensors.torch import load_file

from mmbert_composer.checkpoints.safetensors_file import stored_tensors
from mmbert_composer.errors import UserError
from mmbert_composer.export.weights_file import described, float_dtype, same_bits, write_weights


def test_every_bit_counts():
    one = torch.tensor([1.0, torch.nan, 0.0])
    assert same_bits(one, one.clone())
    assert not same_bits(one, torch.tensor([1.0, torch.nan, -0.0]))
    assert not same_bits(one, one.double())
    assert not same_bits(one, one[None])
    assert same_bits(torch.arange(6).view(2, 3).T, torch.arange(6).view(2, 3).T.contiguous())


def test_written_as_given(tmp_path):
    weights = {"b": torch.arange(6.0).view(2, 3).T, "a": torch.tensor([7], dtype=torch.bfloat16)}
    write_weights(weights, tmp_path / "model.safetensors")
    read = load_file(tmp_path / "model.safetensors")
    assert all(same_bits(read[name], weights[name]) for name in weights)
    assert stored_tensors(tmp_path / "model.safetensors") == described(weights)


def test_what_the_file_system_says_keeps_its_number(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_weights({"a": torch.zeros(1)}, tmp_path / "none" / "model.safetensors")


def test_one_float_type():
    weights = {"a": torch.zeros(1), "count": torch.zeros(1, dtype=torch.int64)}
    assert float_dtype(described(weights)) == torch.float32
    with pytest.raises(UserError, match=r"mix \['torch\.bfloat16', 'torch\.float32'\]"):
        float_dtype(described({**weights, "b": torch.zeros(1).bfloat16()}))
