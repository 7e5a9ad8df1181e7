"""The weights of an export on disk: written, checked against the model config, compared bit by bit."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from mmbert_composer.checkpoints.model_weights import DECODER
from mmbert_composer.checkpoints.safetensors_file import StoredTensor, open_safetensors
from mmbert_composer.errors import UserError
from mmbert_composer.export.packed_model import meta_model

WriteWeights = Callable[[Path], None]
"""Writes ``model.safetensors`` under the path given: names of transformers, a tied decoder once, one float type."""


def write_weights(weights: Mapping[str, Tensor], file: Path) -> None:
    """Write ``weights`` to ``file``, without a copy of those that lie contiguous in the CPU's memory."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    try:
        save_file(plain, file, metadata={"format": "pt"})
    except SafetensorError as error:  # what the file system said, as a text: "... (os error 28)"
        number = re.search(r"\(os error (\d+)\)", str(error))
        raise OSError(*((int(number[1]), os.strerror(int(number[1]))) if number else (str(error),))) from error
    _check_bits(plain, file)


def _check_bits(weights: Mapping[str, Tensor], file: Path) -> None:
    with open_safetensors(file) as stored:
        wrong = [name for name, tensor in weights.items() if not same_bits(stored.get_tensor(name), tensor)]
    if wrong:
        raise UserError(f"{file.name}: what was written reads back differently: {', '.join(wrong)}; is the disk sound?")


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors of the CPU agree in type, shape and every bit, NaN's included."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return torch.equal(one.contiguous().reshape(-1).view(torch.uint8), other.contiguous().reshape(-1).view(torch.uint8))


def described(weights: Mapping[str, Tensor]) -> dict[str, StoredTensor]:
    """Type and shape of tensors in memory, as ``stored_tensors`` gives those of a file."""
    return {name: StoredTensor(tensor.dtype, tuple(tensor.shape)) for name, tensor in weights.items()}


def float_dtype(tensors: Mapping[str, StoredTensor]) -> torch.dtype:
    """The one floating type of the weights; a UserError if there are several or none."""
    floats = {tensor.dtype for tensor in tensors.values() if tensor.dtype.is_floating_point}
    if len(floats) != 1:
        raise UserError(f"export: the weights mix {sorted(map(str, floats))}; convert them to one type first")
    return floats.pop()


def check_fit(tensors: Mapping[str, StoredTensor], config: Mapping[str, Any]) -> None:
    """Raise a UserError naming every weight that is missing, surplus or of another shape than ``config`` says."""
    model = meta_model(config)
    expected = dict(model.model.state_dict())
    if model.config.tie_word_embeddings:
        del expected[DECODER]
    faults = [f"{name} is missing" for name in expected if name not in tensors]
    for name, tensor in tensors.items():
        if name not in expected:
            faults.append(f"{name} is not a weight of this model")
        elif tensor.shape != tuple(expected[name].shape):
            faults.append(f"{name} is {list(tensor.shape)}, the config says {list(expected[name].shape)}")
    if faults:
        raise UserError(f"export: weights and model config do not match: {'; '.join(faults)}")
