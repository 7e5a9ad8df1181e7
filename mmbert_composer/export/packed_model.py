"""Our own model on the weights of a file, without a second copy of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import ModernBertConfig
from transformers.models.modernbert.modeling_modernbert import ModernBertRotaryEmbedding

from mmbert_composer.checkpoints.safetensors_file import open_safetensors
from mmbert_composer.models.modernbert_mlm import ModernBertMLM


def meta_model(config: Mapping[str, Any]) -> ModernBertMLM:
    """Our model with names and shapes alone: its tensors have no memory."""
    with torch.device("meta"):
        return ModernBertMLM(ModernBertConfig(**config), compile=False)


def packed_model(config: Mapping[str, Any], file: Path) -> ModernBertMLM:
    """Our model with the weights of the safetensors ``file`` in float32, to run and not to train.

    Weights that are float32 in the file stay memory-mapped; others are converted, one model in memory.
    """
    model = meta_model(config)
    with open_safetensors(file) as stored:
        weights = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118, not a dict
    model.model.load_state_dict(weights, strict=not model.config.tie_word_embeddings, assign=True)
    model.model.tie_weights()
    for module in model.modules():
        if isinstance(module, ModernBertRotaryEmbedding):  # not in the file: computed where the layer is made
            inv_freq, module.attention_scaling = module.rope_init_fn(module.config, torch.device("cpu"))
            module.register_buffer("inv_freq", inv_freq, persistent=False)
            module.original_inv_freq = inv_freq
    return model.eval()
