import pytest
import torch
from safetensors.torch import save_file

from mmbert_composer.checkpoints.model_weights import hf_names, model_weights
from mmbert_composer.errors import UserError

pytest_plugins = ("tiny_models",)


def test_checkpoint_and_folder_give_the_same(tmp_path, tiny_model, save_checkpoint):
    model = tiny_model(0)
    model.save_pretrained(tmp_path / "hf")
    from_folder = model_weights(tmp_path / "hf")
    from_checkpoint = model_weights(save_checkpoint(tmp_path, model, epoch=1, batch=1))
    assert list(from_folder) == list(from_checkpoint) == sorted(from_folder)
    assert "decoder.weight" not in from_folder
    assert "decoder.bias" in from_folder
    for name, tensor in from_folder.items():
        assert torch.equal(tensor, from_checkpoint[name])
        assert torch.equal(tensor, model.state_dict()[name])


def test_sharded_folder(tmp_path, tiny_model):
    model = tiny_model(0)
    model.save_pretrained(tmp_path / "hf", max_shard_size="20KB")
    assert not (tmp_path / "hf" / "model.safetensors").exists()
    weights = model_weights(tmp_path / "hf")
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in weights.items())
    assert len(weights) == len(model.state_dict()) - 1


@pytest.mark.parametrize("prefix", ["", "model.", "module.model.", "model._orig_mod."])
def test_prefixes(tiny_model, prefix):
    plain = tiny_model(0).state_dict()
    named = hf_names({prefix + name: tensor for name, tensor in plain.items()}, "here")
    assert set(named) == set(plain) - {"decoder.weight"}


def test_a_decoder_of_its_own_is_kept(tiny_model):
    plain = dict(tiny_model(0).state_dict())
    copied = {**plain, "decoder.weight": plain["decoder.weight"].clone()}
    assert "decoder.weight" not in hf_names(copied, "here")
    assert "decoder.weight" in hf_names({**plain, "decoder.weight": plain["decoder.weight"] + 1}, "here")


def test_bad_input(tmp_path, tiny_model):
    with pytest.raises(UserError, match="found 0 such names among 1"):
        hf_names({"layer.weight": torch.zeros(1)}, "here")
    plain = {f"model.{name}": tensor for name, tensor in tiny_model(0).state_dict().items()}
    with pytest.raises(UserError, match=r"here: weights outside the model 'model': other.count"):
        hf_names({**plain, "other.count": torch.zeros(1)}, "here")
    (tmp_path / "hf").mkdir()
    with pytest.raises(UserError, match=r"no model\.safetensors"):
        model_weights(tmp_path / "hf")
    save_file({"a": torch.zeros(100)}, tmp_path / "hf" / "model.safetensors")
    content = (tmp_path / "hf" / "model.safetensors").read_bytes()
    (tmp_path / "hf" / "model.safetensors").write_bytes(content[:-10])
    with pytest.raises(UserError, match="not a complete safetensors file"):
        model_weights(tmp_path / "hf")
