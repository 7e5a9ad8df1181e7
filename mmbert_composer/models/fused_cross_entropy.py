"""Liger's fused linear cross-entropy on CUDA: softmax and its gradient in one kernel, in place.

Source: Liger Kernel (arXiv:2410.10989), the optional package liger-kernel.
"""

import inspect
import logging
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

log = logging.getLogger(__name__)

# Liger holds about C x rows x width logits at a time. Its own C = 1 would be 24 rows of mmBERT-base's 8,192 at its
# vocabulary of 256,000: a matmul too thin to be worth a launch. Versions that cannot be told more are not used.
_CHUNK_ARGUMENT = "chunk_mem_const"


@cache
def has_fused_cross_entropy() -> bool:
    """Whether Liger is installed, imports, and takes the size of its chunks; says so once where it does not."""
    if find_spec("liger_kernel") is None:
        return False
    try:
        function = _function()
    except Exception as error:  # a build for another torch or triton fails in many ways
        log.warning("liger-kernel does not import (%s: %s): the chunked loss is used", type(error).__name__, error)
        return False
    if _CHUNK_ARGUMENT not in inspect.signature(function.forward).parameters:
        log.warning("this liger-kernel has no %s (0.8.5 has): the chunked loss is used", _CHUNK_ARGUMENT)
        return False
    return True


def _function() -> type[torch.autograd.Function]:
    # Optional, and it needs triton: only where it runs.
    from liger_kernel.ops.fused_linear_cross_entropy import (  # pyright: ignore
        LigerFusedLinearCrossEntropyFunction,
    )

    return LigerFusedLinearCrossEntropyFunction


def fused_cross_entropy(
    hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor, dtype: torch.dtype, z_loss: float, chunk_rows: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss [], row_loss [M] (NaN: the kernel keeps none) and correct bool [M]; see ``linear_cross_entropy``."""
    rows, width = hidden.shape
    options = {
        "bias": bias.to(dtype),
        "ignore_index": -100,
        "lse_square_scale": z_loss,
        "reduction": "mean",
        "accum_dtype": torch.float32,
        "return_predicted_tokens": True,
        _CHUNK_ARGUMENT: max(1, -(-chunk_rows * weight.shape[0] // (rows * width))),
    }
    function = _function()
    names = list(inspect.signature(function.forward).parameters)[4:]  # after ctx, _input, weight, target
    defaults = inspect.signature(function.forward).parameters
    values = [options.get(name, defaults[name].default) for name in names]
    with torch.autocast(hidden.device.type, enabled=False):
        loss, _, _, predicted = function.apply(hidden.to(dtype), weight.to(dtype), labels, *values)  # pyright: ignore
    return loss, torch.full_like(labels, float("nan"), dtype=torch.float32), predicted == labels
