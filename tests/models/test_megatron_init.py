"""Standard deviations and determinism of the initialisation."""

import math

import pytest
import torch

from mmbert_composer.models.modernbert_config import build_config
from mmbert_composer.models.modernbert_mlm import ModernBertMLM

SPECIAL_IDS = {"pad": 0, "eos": 1, "bos": 2}


@pytest.fixture(scope="module")
def model() -> ModernBertMLM:
    shape = {"hidden_size": 256, "num_attention_heads": 4, "intermediate_size": 384, "num_hidden_layers": 6}
    return ModernBertMLM(build_config(shape, 2048, SPECIAL_IDS, 512), init_seed=1)


def test_matrices_have_std_002_and_residual_projections_less(model: ModernBertMLM):
    for name, parameter in model.model.named_parameters():
        if parameter.ndim == 2:
            residual = name.endswith(("attn.Wo.weight", "mlp.Wo.weight"))
            std = 0.02 / math.sqrt(12) if residual else 0.02
            assert parameter.std().item() == pytest.approx(std, rel=0.02), name
            assert abs(parameter.mean().item()) < 3 * std / math.sqrt(parameter.numel()), name
        elif name.endswith("bias"):
            assert not parameter.any(), name
        else:
            assert (parameter == 1).all(), name


def test_the_decoder_is_the_embedding(model: ModernBertMLM):
    assert model.model.decoder.weight is model.model.model.embeddings.tok_embeddings.weight


def test_weights_depend_on_the_seed_alone():
    shape = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 48, "num_hidden_layers": 2}

    def weights(seed: int, **more: int) -> dict[str, torch.Tensor]:
        torch.rand(seed + 1)  # moves the global generator
        return ModernBertMLM(build_config(shape | more, 64, SPECIAL_IDS, 64), init_seed=seed).state_dict()

    first, again, other = weights(3), weights(3), weights(4)
    assert all(torch.equal(first[key], again[key]) for key in first)
    key = "model.model.layers.1.attn.Wqkv.weight"
    assert not torch.equal(first[key], other[key])
    assert torch.equal(first[key], weights(3, num_hidden_layers=3)[key])  # each tensor has its own generator


def test_building_a_model_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    shape = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 48, "num_hidden_layers": 2}
    ModernBertMLM(build_config(shape, 64, SPECIAL_IDS, 64))
    assert torch.equal(state, torch.get_rng_state())
