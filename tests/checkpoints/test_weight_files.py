import pytest

from mmbert_composer.checkpoints.weight_files import weight_files
from mmbert_composer.errors import UserError


def test_one_file_or_what_the_index_names(tmp_path):
    (tmp_path / "model.safetensors").touch()
    assert weight_files(tmp_path) == [tmp_path / "model.safetensors"]
    (tmp_path / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "2.safetensors", "b": "1.safetensors"}}'
    )
    for name in ("1.safetensors", "2.safetensors"):
        (tmp_path / name).touch()
    assert weight_files(tmp_path) == [tmp_path / "1.safetensors", tmp_path / "2.safetensors"]
    (tmp_path / "1.safetensors").unlink()
    with pytest.raises(UserError, match=r"no 1\.safetensors; expected"):
        weight_files(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(UserError, match="is no index of safetensors shards"):
        weight_files(tmp_path)


def test_pickled_weights_are_refused_with_the_way_out(tmp_path):
    (tmp_path / "pytorch_model-00001-of-00002.bin").touch()
    with pytest.raises(UserError) as error:
        weight_files(tmp_path)
    assert "its weights are pickled (pytorch_model-00001-of-00002.bin)" in str(error.value)
    assert f"M.from_pretrained('{tmp_path}').save_pretrained('{tmp_path}-safe')" in str(error.value)


def test_nothing(tmp_path):
    with pytest.raises(UserError, match=r"no model\.safetensors; expected a Hugging Face folder"):
        weight_files(tmp_path)
