"""What every flash kernel asks of its input and its GPU, whichever package it comes from."""

from typing import NamedTuple

import torch

DTYPES = (torch.float16, torch.bfloat16)
WIDTH_MULTIPLE = 8
MAX_WIDTH = 256
MIN_CAPABILITY = (8, 0)
"""Ampere: flash-attn 2, and torch's copy of it, have no kernels for older GPUs."""


class Problem(NamedTuple):
    """Why a backend cannot run.

    Attributes:
        reason: continues "attention=NAME ..." and stands alone in a log line.
        mend: what to do, apart from choosing another backend.
        is_fault: something is installed that should work and does not.
    """

    reason: str
    mend: str
    is_fault: bool = False


def flash_limits(head_dim: int | None, dtype: torch.dtype | None, device: torch.device | None) -> Problem | None:
    """The first limit that these break; None in an argument is not known yet, and not checked.

    Source: README of flash-attn 2; TORCH_CHECKs of torch's ``flash_api.cpp``.
    """
    if device is not None and device.type != "cuda":
        return Problem(f"runs on CUDA alone, and the model is on {device.type}", "train on a GPU")
    if head_dim is not None and (head_dim % WIDTH_MULTIPLE or head_dim > MAX_WIDTH):
        return Problem(
            f"takes a head width that is a multiple of {WIDTH_MULTIPLE} up to {MAX_WIDTH}, "
            f"and hidden_size / num_attention_heads is {head_dim}",
            "change model.num_attention_heads",
        )
    if dtype is not None and dtype not in DTYPES:
        return Problem(f"takes float16 or bfloat16, got {str(dtype).removeprefix('torch.')}", "set precision: amp_bf16")
    if not torch.cuda.is_available():
        return Problem("runs on CUDA alone, and torch sees no GPU", "train on a GPU")
    capability = torch.cuda.get_device_capability(device)
    if capability < MIN_CAPABILITY:
        return Problem(
            f"needs a GPU of compute capability {_dotted(MIN_CAPABILITY)}, this one has {_dotted(capability)}",
            "train on a newer GPU",
        )
    return None


def _dotted(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))
