"""The model section: defaults, derived values and refusals."""

from typing import Any

import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.models.modernbert_config import build_config

SPECIAL_IDS = {"pad": 0, "eos": 1, "bos": 2, "unk": 3, "mask": 4}


def test_ids_and_sizes_come_from_the_tokenizer():
    model = {"hidden_size": 128, "num_attention_heads": 2, "attention": "sdpa", "attention_out_dropout": 0.1}
    config = build_config(model, 8001, SPECIAL_IDS, 512)
    assert config.vocab_size == 8064  # the next multiple of 64
    assert (config.pad_token_id, config.eos_token_id, config.sep_token_id) == (0, 1, 1)
    assert (config.bos_token_id, config.cls_token_id) == (2, 2)
    assert config.max_position_embeddings == 512
    assert config.tie_word_embeddings
    assert config.reference_compile is False
    assert config.attention_dropout == 0
    assert config.to_dict()["attention_out_dropout"] == 0.1
    assert "attention" not in config.to_dict()


def test_the_derived_values_of_the_paper_s_models():
    model = {"hidden_size": 384, "num_attention_heads": 6, "num_hidden_layers": 22, "intermediate_size": 1152}
    config = build_config(model, 256_000, SPECIAL_IDS, 8192)
    assert config.vocab_size == 256_000
    assert (config.local_attention, config.global_attn_every_n_layers) == (128, 3)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"hiden_size": 128}, "model.hiden_size is no key of the model: did you mean hidden_size?"),
        ({"atention": "sdpa"}, "did you mean attention?"),
        ({"zzz": 1}, "model.zzz is no key of the model: known are activation_checkpointing"),
        ({"vocab_size": 8000}, "model.vocab_size cannot be set: it comes from the tokenizer"),
        ({"attention_dropout": 0.1}, "attention_dropout=0.1 would drop attention probabilities.*attention_out_dropout"),
        ({"mlp_dropout": 1.0}, r"model.mlp_dropout=1.0 must be in \[0, 1\)"),
        ({"hidden_size": 100, "num_attention_heads": 12}, "must be an even multiple of num_attention_heads=12"),
        ({"num_hidden_layers": 0}, "model.num_hidden_layers=0 must be a whole number of at least 1"),
        ({"global_rope_theta": -1}, "model.global_rope_theta=-1 must be a positive number"),
        ({"norm_eps": 0}, "model.norm_eps=0 must be a positive number"),
        ({"z_loss": "x"}, "model.z_loss='x' must be a number of at least 0"),
        ({"z_loss": -1}, "model.z_loss=-1 must be a number of at least 0"),
        ({"activation_checkpointing": "no"}, "model.activation_checkpointing='no' must be true or false"),
        ({"deterministic_flash_attn": True}, "cannot be set: set deterministic_mode: true beside model"),
        ({"hidden_activation": "gelo"}, "model.hidden_activation='gelo' is no activation"),
    ],
)
def test_bad_values_are_refused(model: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        build_config(model, 8000, SPECIAL_IDS, 512)
