"""The masked-LM head of an encoder as a function of hidden states, so that it runs on masked positions alone.

All logits of 8,192 tokens over a vocabulary of 256k would be 8 GB.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from mmbert_composer.errors import UserError


def lm_head(model: Any, name: str) -> Callable[[Tensor], Tensor]:
    """Hidden states [M, D] to logits [M, V], for the heads that transformers' encoders have.

    Raises UserError, naming the class, for any other.
    """
    if hasattr(model, "head") and hasattr(model, "decoder"):  # ModernBERT
        return lambda hidden: model.decoder(model.head(hidden))
    if hasattr(model, "vocab_transform"):  # DistilBERT
        return lambda hidden: model.vocab_projector(
            model.vocab_layer_norm(model.activation(model.vocab_transform(hidden)))
        )
    if hasattr(model, "lm_head"):  # RoBERTa, XLM-R, CamemBERT, mGTE, EuroBERT
        return model.lm_head
    if hasattr(model, "cls"):  # BERT
        return model.cls
    raise UserError(f"{name}: the masked-LM head of a {type(model).__name__} is not known here")
