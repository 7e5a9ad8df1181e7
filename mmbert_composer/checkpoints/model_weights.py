"""The weights of a model under transformers' names, from a Composer checkpoint or a Hugging Face folder."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from mmbert_composer.checkpoints.read_checkpoint import read_checkpoint
from mmbert_composer.checkpoints.safetensors_file import open_safetensors
from mmbert_composer.checkpoints.weight_files import weight_files
from mmbert_composer.errors import UserError

EMBEDDING = "model.embeddings.tok_embeddings.weight"
DECODER = "decoder.weight"


def model_weights(path: str | Path) -> dict[str, Tensor]:
    """Weights of ``path`` (a ``.pt`` checkpoint or a folder with safetensors), sorted by transformers' names.

    Tensors are memory-mapped. A decoder tied to the embedding appears once, as the embedding.
    """
    path = Path(path)
    if path.is_dir():
        return hf_names(folder_weights(path), path)
    return hf_names(read_checkpoint(path)["state"]["model"], path)


def hf_names(weights: Mapping[str, Tensor], where: str | Path) -> dict[str, Tensor]:
    """``weights`` under the names of transformers' ModernBertForMaskedLM, tied decoder dropped.

    A ComposerModel puts ``model.`` before every name and torch.compile ``_orig_mod.`` in between; both go.
    ``where`` is named in errors.
    """
    plain = {name.replace("_orig_mod.", ""): tensor for name, tensor in weights.items()}
    embeddings = [name for name in plain if name.endswith(EMBEDDING)]
    if len(embeddings) != 1:
        shown = ", ".join(sorted(plain)[:5])
        raise UserError(
            f"{where}: expected the weights of one ModernBertForMaskedLM with {EMBEDDING}, found {len(embeddings)} "
            f"such names among {len(plain)} (first: {shown})"
        )
    prefix = embeddings[0].removesuffix(EMBEDDING)
    outside = sorted(name for name in plain if not name.startswith(prefix))
    if outside:
        raise UserError(f"{where}: weights outside the model {prefix.rstrip('.')!r}: {', '.join(outside)}")
    named = {name.removeprefix(prefix): tensor for name, tensor in plain.items()}
    if DECODER in named and _same(named[DECODER], named[EMBEDDING]):
        del named[DECODER]
    return dict(sorted(named.items()))


def _same(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return one.data_ptr() == other.data_ptr() or torch.equal(one, other)


def folder_weights(folder: Path) -> dict[str, Tensor]:
    """Every tensor in the safetensors of ``folder`` under its own name, memory-mapped."""
    weights: dict[str, Tensor] = {}
    for file in weight_files(folder):
        with open_safetensors(file) as tensors:
            weights |= {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118, not a dict
    return weights
