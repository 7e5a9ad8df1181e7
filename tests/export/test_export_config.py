import json

import torch
from transformers import ModernBertConfig

from mmbert_composer.curriculum.phase import RopeTheta
from mmbert_composer.export.export_config import export_config

pytest_plugins = ("tiny_models",)


def test_both_layouts(tiny_config):
    values = {**tiny_config().to_dict(), "attention": "sdpa", "compile": "auto", "attention_out_dropout": 0.1}
    config = json.loads(json.dumps(export_config(values, RopeTheta(160_000, 10_000), 512, torch.bfloat16)))
    assert config["global_rope_theta"] == 160_000
    assert config["local_rope_theta"] == 10_000
    assert config["rope_parameters"]["full_attention"] == {"rope_type": "default", "rope_theta": 160_000}
    assert config["rope_parameters"]["sliding_attention"] == {"rope_type": "default", "rope_theta": 10_000}
    assert config["layer_types"] == ["full_attention", "sliding_attention", "sliding_attention", "full_attention"]
    assert config["max_position_embeddings"] == 512
    assert config["reference_compile"] is False
    assert config["dtype"] == config["torch_dtype"] == "bfloat16"
    assert config["architectures"] == ["ModernBertForMaskedLM"]
    assert config["attention_out_dropout"] == 0.1
    assert config["attention_dropout"] == 0.0
    assert "attention" not in config
    assert "compile" not in config


def test_read_back_by_transformers(tiny_config, tmp_path):
    config = export_config(tiny_config().to_dict(), RopeTheta(160_000, 160_000), 256, torch.float32)
    (tmp_path / "config.json").write_text(json.dumps(config))
    read = ModernBertConfig.from_pretrained(tmp_path)
    for key, value in tiny_config(global_rope_theta=160_000.0, local_rope_theta=160_000.0).to_dict().items():
        if key not in ("architectures", "dtype", "transformers_version"):
            assert getattr(read, key) == value, key
    # An export is a model to train on, and to export again.
    assert export_config(read.to_dict(), RopeTheta(160_000, 160_000), 256, torch.float32) == config
