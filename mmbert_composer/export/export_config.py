"""The config.json of an exported model, readable by transformers 4 and 5 alike.

transformers 4 reads ``global_rope_theta`` and ``local_rope_theta``; 5 reads ``rope_parameters`` and ``layer_types``.
A config that has one alone loads in the other version without a word, with the wrong rotary base.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from transformers import ModernBertConfig

from mmbert_composer.curriculum.phase import RopeTheta

# How a model was run in training: nothing that its weights need.
_TRAINING_KEYS = ("attention", "compile", "_name_or_path", "_attn_implementation", "transformers_version")


def export_config(
    config: Mapping[str, Any], rope_theta: RopeTheta, max_seq_len: int, dtype: torch.dtype
) -> dict[str, Any]:
    """``config`` (ModernBertConfig's values) as the dict to write.

    Args:
        rope_theta: the bases that the last training step used.
        max_seq_len: the longest sequence trained on; becomes ``max_position_embeddings``.
        dtype: of the weights.
    """
    plain = {key: value for key, value in config.items() if key not in _TRAINING_KEYS}
    plain |= {
        "global_rope_theta": float(rope_theta.global_theta),
        "local_rope_theta": float(rope_theta.local_theta),
        "max_position_embeddings": int(max_seq_len),
    }
    known = ModernBertConfig(**plain)
    every = known.global_attn_every_n_layers
    layers = range(known.num_hidden_layers)
    name = str(dtype).removeprefix("torch.")
    # All of ModernBERT's own keys, also where they are today's defaults, without the generation keys that every
    # transformers 4 config carries and 5 warns about.
    own = inspect.signature(ModernBertConfig.__init__).parameters.keys() - {"self", "kwargs"}
    return {
        **known.to_diff_dict(),
        **{key: getattr(known, key) for key in sorted(own)},
        "architectures": ["ModernBertForMaskedLM"],
        "layer_types": ["sliding_attention" if layer % every else "full_attention" for layer in layers],
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": known.global_rope_theta},
            "sliding_attention": {"rope_type": "default", "rope_theta": known.local_rope_theta},
        },
        "reference_compile": False,  # transformers 4 would compile, and so need a C compiler, wherever triton is
        "sparse_prediction": False,
        "tie_word_embeddings": known.tie_word_embeddings,
        "dtype": name,
        "torch_dtype": name,  # the key's name before transformers 4.56
        # The oldest that reads this. 4.57.3 to 4.57.6 warn of a wrong pattern at every local tokenizer of more than
        # 100,000 tokens whose model they or a younger 4 have saved (_patch_mistral_regex); not of this.
        "transformers_version": "4.48.0",
    }
