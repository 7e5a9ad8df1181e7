"""The model section of a YAML as a transformers ModernBertConfig, strictly."""

import inspect
from collections.abc import Mapping
from typing import Any

from transformers import ModernBertConfig
from transformers.activations import ACT2FN

from mmbert_composer.errors import UserError, did_you_mean

# How to run or train the model: arguments of ModernBertMLM, not stored in its config.
RUN_KEYS = ("attention", "compile", "z_loss", "activation_checkpointing")
# All keys that are not ModernBertConfig's; the last is the one dropout that transformers cannot express.
OWN_KEYS = (*RUN_KEYS, "attention_out_dropout")

# Set from the data, the curriculum or by us: a second value in the YAML could only contradict the first.
DERIVED_KEYS = {
    "vocab_size": "it comes from the tokenizer",
    "pad_token_id": "it comes from the tokenizer",
    "bos_token_id": "it comes from the tokenizer",
    "eos_token_id": "it comes from the tokenizer",
    "cls_token_id": "it comes from the tokenizer",
    "sep_token_id": "it comes from the tokenizer",
    "max_position_embeddings": "it is the longest max_seq_len of the curriculum, or the block size",
    "reference_compile": "use compile",
    "sparse_prediction": "the head always runs on masked tokens alone",
    "sparse_pred_ignore_index": "the head always runs on masked tokens alone",
    "deterministic_flash_attn": "set deterministic_mode: true beside model",
    "repad_logits_with_grad": "the batch is packed and never padded again",
}

VOCAB_MULTIPLE = 64


def build_config(
    model: Mapping[str, Any], vocab_size: int, special_ids: Mapping[str, int], max_position_embeddings: int
) -> ModernBertConfig:
    """ModernBertConfig of a run, with every key checked.

    Args:
        model: ModernBertConfig's own names plus RUN_KEYS (not stored) and ``attention_out_dropout`` (stored, so that
            an exported model remembers it).
        vocab_size: tokens of the tokenizer; rounded up to a multiple of 64.
        special_ids: ids named pad, eos, bos (unk and mask are the tokenizer's business alone).
        max_position_embeddings: longest sequence of the whole run.

    Raises:
        UserError: an unknown key (naming the nearest), one that is derived, or a value out of range.
    """
    accepted = set(inspect.signature(ModernBertConfig.__init__).parameters) - {"self", "kwargs"} - set(DERIVED_KEYS)
    for key in model:
        if key in DERIVED_KEYS:
            raise UserError(f"model.{key} cannot be set: {DERIVED_KEYS[key]}; remove the key")
        if key not in accepted and key not in OWN_KEYS:
            raise UserError(f"model.{key} is no key of the model: {did_you_mean(key, [*accepted, *OWN_KEYS])}")
    _check_values(model)
    values = {key: value for key, value in model.items() if key not in RUN_KEYS}
    values.setdefault("attention_out_dropout", 0.0)
    config = ModernBertConfig(
        **values,
        vocab_size=-(-vocab_size // VOCAB_MULTIPLE) * VOCAB_MULTIPLE,
        max_position_embeddings=max_position_embeddings,
        pad_token_id=special_ids["pad"],
        bos_token_id=special_ids["bos"],
        eos_token_id=special_ids["eos"],
        cls_token_id=special_ids["bos"],
        sep_token_id=special_ids["eos"],
        tie_word_embeddings=True,
        reference_compile=False,
    )
    if config.hidden_size % (2 * config.num_attention_heads):
        raise UserError(
            f"model.hidden_size={config.hidden_size} must be an even multiple of "
            f"num_attention_heads={config.num_attention_heads}"
        )
    return config


def _check_values(values: Mapping[str, Any]) -> None:
    """Raise a UserError for the first value that transformers would accept and the model could not use."""
    for key in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"):
        value = values.get(key, 1)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UserError(f"model.{key}={value!r} must be a whole number of at least 1")
    for key in ("global_attn_every_n_layers", "local_attention"):
        value = values.get(key, 2)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UserError(f"model.{key}={value!r} must be a whole number of at least 1")
    for key in (name for name in values if name.endswith("_dropout")):
        value = values[key]
        if not isinstance(value, int | float) or not 0 <= value < 1:
            raise UserError(f"model.{key}={value!r} must be in [0, 1)")
    if values.get("attention_dropout"):
        raise UserError(
            f"model.attention_dropout={values['attention_dropout']} would drop attention probabilities, which the "
            f"packed kernels do not: the recipe's dropout on the output projection is attention_out_dropout"
        )
    for key in ("global_rope_theta", "local_rope_theta", "norm_eps", "initializer_range"):
        value = values.get(key, 1.0)
        if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
            raise UserError(f"model.{key}={value!r} must be a positive number")
    z_loss = values.get("z_loss", 0.0)
    if not isinstance(z_loss, int | float) or isinstance(z_loss, bool) or not z_loss >= 0:
        raise UserError(f"model.z_loss={z_loss!r} must be a number of at least 0; 1e-4 is usual, 0 is none")
    recompute = values.get("activation_checkpointing", False)
    if not isinstance(recompute, bool):
        raise UserError(f"model.activation_checkpointing={recompute!r} must be true or false")
    for key in ("hidden_activation", "classifier_activation"):
        if values.get(key, "gelu") not in ACT2FN:
            raise UserError(f"model.{key}={values[key]!r} is no activation of transformers: gelu is the recipe's")
