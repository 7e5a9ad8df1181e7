"""The number of parameters of a ModernBERT, from its config alone (the report loads no weights)."""

from collections.abc import Mapping
from typing import Any


def model_size(config: Mapping[str, Any]) -> tuple[int, int]:
    """(parameters, those of them outside the token embedding) of a ``ModernBertForMaskedLM``.

    ``config`` is ``ModernBertConfig.to_dict()``. The decoder shares its weight with the embedding.
    mmBERT base: (307M, 110M).
    """
    vocab, hidden, inner = config["vocab_size"], config["hidden_size"], config["intermediate_size"]
    layers = config["num_hidden_layers"]
    norm = hidden * (2 if config.get("norm_bias") else 1)
    attention = 4 * hidden * hidden + (4 * hidden if config.get("attention_bias") else 0)
    mlp = 3 * hidden * inner + (2 * inner + hidden if config.get("mlp_bias") else 0)
    # The first layer's attention norm is the identity; the embedding's own and the final norm are two more.
    encoder = layers * (attention + mlp) + (2 * layers - 1 + 2) * norm
    head = hidden * hidden + norm + (hidden if config.get("classifier_bias") else 0)
    decoder_bias = vocab if config.get("decoder_bias", True) else 0
    rest = encoder + head + decoder_bias
    return vocab * hidden + rest, rest
