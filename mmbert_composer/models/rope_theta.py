"""Changing the RoPE base of a living model."""

from typing import cast

import torch
from transformers import ModernBertForMaskedLM
from transformers.models.modernbert.modeling_modernbert import ModernBertEncoderLayer, ModernBertRotaryEmbedding

from mmbert_composer.errors import UserError


def set_rope_theta(model: ModernBertForMaskedLM, global_theta: float, local_theta: float) -> None:
    """Give the global and the local layers new rotary bases, in place.

    Changes the config (so that a saved model is right), and every layer's frequencies (so that this forward and
    transformers' own are). Both thetas are of the formula theta ** (-2i / head width) (arXiv:2104.09864).

    Raises:
        UserError: a base that is not positive.
    """
    for name, theta in (("global", global_theta), ("local", local_theta)):
        if not theta > 0:
            raise UserError(f"rope_theta: {name}={theta} must be positive")
    model.config.global_rope_theta = float(global_theta)
    model.config.local_rope_theta = float(local_theta)
    for module in model.model.layers:
        layer = cast(ModernBertEncoderLayer, module)
        rotary = cast(ModernBertRotaryEmbedding, layer.attn.rotary_emb)
        theta = global_theta if layer.attn.local_attention == (-1, -1) else local_theta
        if rotary.config.rope_theta == theta:
            continue
        rotary.config.rope_theta = float(theta)
        inv_freq, rotary.attention_scaling = rotary.rope_init_fn(rotary.config, rotary.inv_freq.device)
        with torch.no_grad():
            rotary.inv_freq.copy_(inv_freq)  # in place: a compiled or captured forward keeps its buffer
        rotary.original_inv_freq = rotary.inv_freq
