"""One weight that is looked up at the bottom and multiplied with at the top, with one gradient.

torch would make two gradients of the vocabulary's size, one mostly zeros, and add them: at 256,000 x 768 in fp32 that
is 1.6 GB more memory and as many passes over it in every step.
Legend: T tokens, V vocabulary, D width.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class _TiedEmbedding(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(input_ids)
        return weight.index_select(0, input_ids), weight.view_as(weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:
        (input_ids,) = ctx.saved_tensors
        grad_rows, grad_weight = grads
        if not grad_weight.is_contiguous():  # an expanded gradient has no memory of its own
            grad_weight = grad_weight.contiguous()
        return grad_weight.index_add_(0, input_ids, grad_rows.to(grad_weight.dtype)), None


def tied_embedding(weight: Tensor, input_ids: Tensor) -> tuple[Tensor, Tensor]:
    """Rows [T, D] of ``weight`` [V, D] at ``input_ids`` int64 [T], and the weight again for the decoder.

    Whoever uses the second output owns its gradient: that of the rows is added to it in place. So it must be used
    exactly once, by something that makes a fresh gradient, as ``linear_cross_entropy`` and a matmul do.
    """
    return cast(tuple[Tensor, Tensor], _TiedEmbedding.apply(weight, input_ids))
