"""Liger's fused linear cross-entropy on CUDA: softmax and its gradient in one kernel, in place.

Source: Liger Kernel (arXiv:2410.10989), the optional package liger-kernel.
"""

import inspect
import logging
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

log = logging.getLogger(__name__)

# Liger holds about C x rows x width logits at a time. Its own C = 1 would be 24 rows of mmBERT-base's 8,192 at a
# vocabulary of 256,000: matmuls too thin for a GPU. Versions that cannot be told another C are not used.
_CHUNK_ARGUMENT = "chunk_mem_const"


@cache
def has_fused_cross_entropy(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether Liger is installed and gives the loss and the gradients of the plain form on ``device`` in ``dtype``.

    Tried once for each; where it is installed and of no use, one line says why.
    """
    if find_spec("liger_kernel") is None:
        return False
    try:
        problem = _problem(device, dtype)
    except Exception as error:  # a build for another torch or triton fails in many ways
        problem = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    if problem:
        log.warning("liger-kernel is not used, the chunked loss is: %s", problem)
    return problem is None


def _problem(device: torch.device, dtype: torch.dtype) -> str | None:
    if _CHUNK_ARGUMENT not in inspect.signature(_function().forward).parameters:
        return f"it has no {_CHUNK_ARGUMENT} (0.8.5 has)"
    generator = torch.Generator().manual_seed(0)
    hidden, weight, bias = (torch.randn(*shape, generator=generator) for shape in ((40, 64), (128, 64), (128,)))
    labels = torch.arange(40, device=device)
    labels[7] = -100
    found = []
    with torch.enable_grad(), torch.autocast(device.type, enabled=False):
        for fused in (True, False):
            h, w, b = (x.to(device).requires_grad_() for x in (hidden.clone(), weight.clone() / 8, bias.clone()))
            if fused:
                loss = fused_cross_entropy(h, w, b, labels, dtype, 0.0, chunk_rows=16)[0]
            else:
                loss = cross_entropy(linear(h, w, b), labels)
            found.append([loss.detach(), *torch.autograd.grad(loss, (h, w, b))])
    far = [bool((a.float() - b).norm() > 0.05 * b.norm()) for a, b in zip(*found, strict=True)]
    return "its loss or gradients are not those of the plain form" if any(far) else None


def _function() -> Any:
    # Optional, and it needs triton: imported where it runs alone.
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
    parameters = inspect.signature(_function().forward).parameters
    # An autograd function takes no keywords: every value in its place, after ctx, input, weight and target.
    values = [options.get(name, parameters[name].default) for name in list(parameters)[4:]]
    with torch.autocast(hidden.device.type, enabled=False):
        loss, *_, predicted = _function().apply(hidden.to(dtype), weight.to(dtype), labels, *values)
    return loss, torch.full_like(labels, float("nan"), dtype=torch.float32), predicted == labels
