"""gelu(a) * b for a gated linear unit, with single passes over memory in both directions.

Legend: T packed tokens, I intermediate width.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import gelu


class _GatedGelu(torch.autograd.Function):
    """Both gradients are written into one tensor, and gelu(a) is computed again rather than kept."""

    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        ctx.save_for_backward(both)
        a, b = both.chunk(2, -1)
        return gelu(a).mul_(b)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:
        (both,), (grad,) = ctx.saved_tensors, grads
        a, b = both.chunk(2, -1)
        grad_both = torch.empty_like(both)
        grad_a, grad_b = grad_both.chunk(2, -1)
        torch.mul(gelu(a), grad, out=grad_b)
        torch.ops.aten.gelu_backward.grad_input(grad * b, a, grad_input=grad_a)  # pyright: ignore
        return grad_both


def gated_gelu(both: Tensor) -> Tensor:
    """[T, 2 I], a and b side by side -> [T, I], gelu(a) * b.

    Source: GEGLU of "GLU Variants Improve Transformer" (arXiv:2002.05202), as ModernBERT has it.
    """
    if torch.compiler.is_compiling():  # the compiler fuses the plain form itself, forward and backward
        a, b = both.chunk(2, -1)
        return gelu(a) * b
    return cast(Tensor, _GatedGelu.apply(both))
