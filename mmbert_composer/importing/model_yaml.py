"""The ``model:`` section that fits an imported model."""

import inspect
from collections.abc import Mapping
from typing import Any

import yaml
from transformers import ModernBertConfig

from mmbert_composer.models.modernbert_config import DERIVED_KEYS

# The curriculum sets the bases; dropped probabilities and deterministic kernels are not ours to set.
_NOT_OURS = {"self", "kwargs", "global_rope_theta", "local_rope_theta", "attention_dropout", "deterministic_flash_attn"}


def model_yaml(config: Mapping[str, Any], name: str) -> str:
    """A YAML with every key of ``model:``, so that nothing of another recipe's model is left when it is merged in.

    ``config``: ModernBertConfig's values of the model ``name``, with the rotary bases and the longest sequence that it
    was trained with, which the comments say.
    """
    known = ModernBertConfig(**config)
    keys = [
        key
        for key in inspect.signature(ModernBertConfig.__init__).parameters
        if key not in _NOT_OURS and key not in DERIVED_KEYS
    ]
    model = {key: getattr(known, key) for key in keys}
    model |= {"attention_dropout": 0.0, "attention_out_dropout": config.get("attention_out_dropout", 0.0)}
    thetas = f"{known.global_rope_theta:_.0f}"
    if known.local_rope_theta != known.global_rope_theta:
        thetas = f"{{global: {known.global_rope_theta:_.0f}, local: {known.local_rope_theta:_.0f}}}"
    return f"""# The shape of {name}. Put it into a run, after what else that extends, with the weights beside it:
#   extends: [RECIPE.yaml, THIS_FOLDER/model.yaml]
#   load_path: THIS_FOLDER
#   load_as: weights
# and in every phase the rotary base that the model knows, unless it is to learn another:
#   rope_theta: {thetas}
# It was trained on sequences of up to {known.max_position_embeddings:,} tokens (max_seq_len of the phases).
# mmBERT was trained with attention_out_dropout: 0.1, which transformers' config cannot say.
{yaml.safe_dump({"model": model}, sort_keys=False)}"""
