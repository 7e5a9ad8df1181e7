"""Parameter counts from the config agree with the model's own."""

import pytest
import torch
from transformers import ModernBertConfig, ModernBertForMaskedLM

from mmbert_composer.model_size import model_size


@pytest.mark.parametrize("biases", [False, True])
def test_as_counted_in_the_model(biases: bool) -> None:
    names = ("norm_bias", "attention_bias", "mlp_bias", "classifier_bias")
    config = ModernBertConfig(
        vocab_size=320,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=4,
        num_attention_heads=2,
        pad_token_id=0,
        **dict.fromkeys(names, biases),
    )
    with torch.device("meta"):
        model = ModernBertForMaskedLM(config)
    total, rest = model_size(config.to_dict())
    assert total == sum(parameter.numel() for parameter in model.parameters())
    assert rest == total - 320 * 32


def test_mmbert_base_is_307_million() -> None:
    config = {"vocab_size": 256_000, "hidden_size": 768, "intermediate_size": 1152, "num_hidden_layers": 22}
    total, rest = model_size(config)
    assert round(total / 1e6) in (307, 308)
    assert round(rest / 1e6) in (110, 111)
