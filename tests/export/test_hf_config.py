import json

import pytest
from transformers import ModernBertConfig

from mmbert_composer.errors import UserError
from mmbert_composer.export.hf_config import read_hf_config, rope_theta_of

# What transformers 5.2.0 writes for a ModernBERT of four layers, without what has no part in this.
OF_5 = {
    "model_type": "modernbert",
    "global_attn_every_n_layers": 3,
    "layer_types": ["full_attention", "sliding_attention", "sliding_attention", "full_attention"],
    "max_position_embeddings": 8192,
    "num_hidden_layers": 4,
    "rope_parameters": {
        "full_attention": {"rope_theta": 160000.0, "rope_type": "default"},
        "sliding_attention": {"rope_theta": 20000.0, "rope_type": "default"},
    },
}


@pytest.fixture
def read(tmp_path):
    def of(config):
        (tmp_path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
        return read_hf_config(tmp_path)

    return of


def test_transformers_5(read):
    config = read(OF_5)
    assert (rope_theta_of(config).global_theta, rope_theta_of(config).local_theta) == (160_000, 20_000)


def test_layer_types_alone(read):
    config = {key: value for key, value in OF_5.items() if key != "global_attn_every_n_layers"}
    full, local = "full_attention", "sliding_attention"
    for types, every in ((OF_5["layer_types"], 3), ([full] * 4, 1), ([full, local, local, local], 4)):
        assert read({**config, "layer_types": types})["global_attn_every_n_layers"] == every


def test_transformers_4(read):
    written = ModernBertConfig(global_rope_theta=80_000.0, max_position_embeddings=512).to_json_string()
    config = read(written)
    assert (rope_theta_of(config).global_theta, rope_theta_of(config).local_theta) == (80_000, 10_000)
    assert (config["global_attn_every_n_layers"], config["max_position_embeddings"]) == (3, 512)


def test_a_file_that_says_little_means_the_defaults(read):
    config = read({"model_type": "modernbert"})
    default = ModernBertConfig()
    for key in (
        "global_rope_theta",
        "local_rope_theta",
        "global_attn_every_n_layers",
        "max_position_embeddings",
    ):
        assert config[key] == getattr(default, key)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ('{"model_type": ', "is not JSON"),
        ([1], "a None model; only modernbert"),
        ({"model_type": "bert"}, "a bert model; only modernbert"),
        (
            {**OF_5, "global_rope_theta": 10_000.0},
            "global_rope_theta is 10000 and rope_parameters say 160000; make them agree",
        ),
        (
            {**OF_5, "rope_parameters": {"full_attention": {"rope_type": "yarn", "rope_theta": 1e5}}},
            "rope_type 'yarn' of full_attention",
        ),
        (
            {**OF_5, "layer_types": ["full_attention", "full_attention", "sliding_attention"]},
            r"layers \[0, 1\] attend globally.*; only 0, n, 2n",
        ),
        ({**OF_5, "global_attn_every_n_layers": 2}, r"layers \[0, 3\] attend globally, and not every 2 layers"),
    ],
)
def test_what_cannot_be_read(read, config, message):
    with pytest.raises(UserError, match=message):
        read(config)
