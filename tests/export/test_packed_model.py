import torch
from safetensors.torch import save_file

from mmbert_composer.checkpoints.model_weights import hf_names
from mmbert_composer.export.compare_logits import fixed_documents, packed_logits
from mmbert_composer.export.packed_model import meta_model, packed_model
from mmbert_composer.models.modernbert_mlm import ModernBertMLM

pytest_plugins = ("tiny_models",)


def test_the_same_as_a_model_with_its_own_weights(tmp_path, tiny_model, tiny_config):
    weights = hf_names(tiny_model(0).state_dict(), "test")
    save_file(weights, tmp_path / "model.safetensors")
    config = tiny_config(global_rope_theta=160_000.0)
    usual = ModernBertMLM(config)
    usual.model.load_state_dict(tiny_model(0).state_dict())
    light = packed_model(config.to_dict(), tmp_path / "model.safetensors")
    assert all(parameter.device.type == "cpu" for parameter in light.parameters())
    assert light.model.decoder.weight is light.model.model.embeddings.tok_embeddings.weight
    documents = fixed_documents(config)
    for ours, theirs in zip(packed_logits(light, documents), packed_logits(usual, documents), strict=True):
        assert torch.equal(ours, theirs)


def test_half_precision_is_run_in_float32(tmp_path, tiny_model, tiny_config):
    weights = {name: tensor.bfloat16() for name, tensor in hf_names(tiny_model(0).state_dict(), "test").items()}
    save_file(weights, tmp_path / "model.safetensors")
    light = packed_model(tiny_config().to_dict(), tmp_path / "model.safetensors")
    assert {parameter.dtype for parameter in light.parameters()} == {torch.float32}
    assert torch.equal(light.model.decoder.bias, weights["decoder.bias"].float())


def test_names_and_shapes_without_memory(tiny_config):
    assert {parameter.device.type for parameter in meta_model(tiny_config().to_dict()).parameters()} == {"meta"}
