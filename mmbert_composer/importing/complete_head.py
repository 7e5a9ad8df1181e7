"""The tensors of a folder as those of a masked language model, whatever head the model was saved with."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import ModernBertConfig

from mmbert_composer.checkpoints.model_weights import DECODER, EMBEDDING, hf_names
from mmbert_composer.errors import UserError
from mmbert_composer.export.packed_model import meta_model

_ENCODER = ("embeddings.", "layers.", "final_norm.")
_EMBEDDING = EMBEDDING.removeprefix("model.")


def complete_head(
    weights: Mapping[str, Tensor], config: Mapping[str, Any], where: str, *, new_head: bool
) -> tuple[dict[str, Tensor], list[str]]:
    """``weights`` under the names of ModernBertForMaskedLM, tied decoder dropped, with the names of what is new.

    A ModernBertModel has no head for masked words and a classifier another one. With ``new_head`` what is missing of
    the head is drawn new (matrices N(0, initializer_range) cut off at two deviations, norms 1, biases 0, one fixed
    seed) and what belongs to another head is left out; without it both are errors.

    Raises:
        UserError: a head that is missing or another's; a decoder of its own (ours shares the embedding's weight).
    """
    prefixes = [name.removesuffix(_EMBEDDING) for name in weights if name.endswith(_EMBEDDING)]
    if len(prefixes) != 1:
        return hf_names(weights, where), []  # says what is wrong
    named = {_full_name(name, prefixes[0]): tensor for name, tensor in weights.items()}
    expected = _head_shapes(config)
    missing = [name for name in expected if name not in named]
    foreign = sorted(name for name in named if not name.startswith("model.") and name not in (*expected, DECODER))
    if (missing or foreign) and not new_head:
        faults = [f"{name} is missing" for name in missing]
        faults += [f"{name} belongs to another head" for name in foreign]
        kind = ", ".join(config.get("architectures") or ["an encoder"])
        raise UserError(
            f"{where}: saved as {kind}, without the head for masked words: {'; '.join(faults)}. Import the model it "
            "was made from, or give --new-head: the head is then drawn new and has to be trained"
        )
    kept = {name: tensor for name, tensor in named.items() if name not in foreign}
    dtype = kept[EMBEDDING].dtype
    generator = torch.Generator().manual_seed(0)
    for name in missing:
        kept[name] = _new(name, expected[name], config, generator).to(dtype)
    complete = hf_names(kept, where)
    if DECODER in complete:
        raise UserError(
            f"{where}: decoder.weight differs from the embedding; only models whose decoder shares its weight "
            "(tie_word_embeddings: true, as mmBERT and ModernBERT) can be trained on"
        )
    return complete, [*missing, *(f"{name}, left out" for name in foreign)]


def _full_name(name: str, prefix: str) -> str:
    rest = name.removeprefix(prefix)
    if name.startswith(prefix) and rest.startswith(_ENCODER):
        return f"model.{rest}"
    # In front of the encoder's own "model." others may stand, as in a ComposerModel: they go from the head too.
    return name.removeprefix(prefix.removesuffix("model."))


def _head_shapes(config: Mapping[str, Any]) -> dict[str, torch.Size]:
    model = meta_model(config).model
    return {
        name: tensor.shape
        for name, tensor in model.state_dict().items()
        if not name.startswith("model.") and name != DECODER
    }


def _new(name: str, shape: torch.Size, config: Mapping[str, Any], generator: torch.Generator) -> Tensor:
    if len(shape) == 2:
        std = float(config.get("initializer_range", ModernBertConfig().initializer_range))
        weight = torch.empty(shape)
        return torch.nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std, generator=generator)
    return torch.zeros(shape) if name.endswith("bias") else torch.ones(shape)
