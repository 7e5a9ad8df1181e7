"""What a safetensors file holds, read from its header, and its tensors, memory-mapped."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from mmbert_composer.errors import UserError

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as a header describes it."""

    dtype: torch.dtype
    shape: tuple[int, ...]


@contextmanager
def open_safetensors(file: Path) -> Iterator[Any]:
    """``safe_open`` for torch on the CPU: ``get_tensor`` gives tensors whose pages are read when they are used.

    Raises UserError for a file that is missing or incomplete: the header says how long the file must be.
    """
    if not file.is_file():
        raise UserError(f"{file}: no such file; expected weights in safetensors")
    try:
        with safe_open(file, framework="pt", device="cpu") as tensors:
            yield tensors
    except SafetensorError as error:
        raise UserError(f"{file}: not a complete safetensors file ({error})") from error


def stored_tensors(file: Path) -> dict[str, StoredTensor]:
    """Type and shape of every tensor in ``file``, by name; nothing but the header is read."""
    found: dict[str, StoredTensor] = {}
    with open_safetensors(file) as tensors:
        for name in tensors.keys():  # noqa: SIM118, not a dict
            entry = tensors.get_slice(name)
            if entry.get_dtype() not in _DTYPES:
                raise UserError(f"{file}: {name} is of type {entry.get_dtype()}, which is not a type of weights here")
            found[name] = StoredTensor(_DTYPES[entry.get_dtype()], tuple(entry.get_shape()))
    return found
