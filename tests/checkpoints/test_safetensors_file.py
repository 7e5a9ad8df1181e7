import pytest
import torch
from safetensors.torch import save_file

from mmbert_composer.checkpoints.safetensors_file import StoredTensor, open_safetensors, stored_tensors
from mmbert_composer.errors import UserError


def test_header(tmp_path):
    file = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(2, 3, dtype=torch.bfloat16), "n": torch.tensor(4)}, file)
    assert stored_tensors(file) == {
        "x": StoredTensor(torch.bfloat16, (2, 3)),
        "n": StoredTensor(torch.int64, ()),
    }
    with open_safetensors(file) as tensors:
        assert tensors.get_tensor("n").item() == 4


def test_bad_files(tmp_path):
    with pytest.raises(UserError, match=r"none\.safetensors: no such file"):
        stored_tensors(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("this is not a header")
    with pytest.raises(UserError, match="not a complete safetensors file"):
        stored_tensors(tmp_path / "text.safetensors")
    save_file({"q": torch.zeros(2, dtype=torch.float8_e4m3fn)}, tmp_path / "q.safetensors")
    with pytest.raises(UserError, match="q is of type F8_E4M3, which is not a type of weights here"):
        stored_tensors(tmp_path / "q.safetensors")
