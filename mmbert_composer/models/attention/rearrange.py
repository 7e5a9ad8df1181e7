"""Moving packed rows into batches and back, with gradients that are single passes over memory.

torch's own gradients of indexing and slicing fill a tensor of zeros for every piece and add them up.
Legend: T packed tokens, P places of padded groups, B chunks, C rows of a chunk.
"""

from typing import Any, cast

import torch
from torch import Tensor

from mmbert_composer.models.attention.packed_layout import PaddedGroups


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, token: Tensor, place: Tensor) -> Tensor:
        ctx.save_for_backward(place)
        return x.index_select(0, token)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (place,) = ctx.saved_tensors
        return grads[0].index_select(0, place), None, None


def spread(x: Tensor, groups: PaddedGroups) -> Tensor:
    """[T, ...] -> [P, ...]: every sequence into its row of a group.

    The gradient ignores padding places: attention gives them none, as keys because they are masked, as queries
    because ``collect`` drops what they produce.
    """
    return cast(Tensor, _Spread.apply(x, groups.token, groups.place))


class _Collect(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, token: Tensor, place: Tensor, padding: Tensor) -> Tensor:
        ctx.save_for_backward(token, padding)
        return x.index_select(0, place)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        token, padding = ctx.saved_tensors
        return grads[0].index_select(0, token).index_fill_(0, padding, 0), None, None, None


def collect(x: Tensor, groups: PaddedGroups) -> Tensor:
    """[P, ...] -> [T, ...]: the inverse of ``spread``, without the padding."""
    return cast(Tensor, _Collect.apply(x, groups.token, groups.place, groups.padding))


class _WithNeighbours(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, half: int) -> Tensor:
        ctx.half = half
        chunk = x.shape[1]
        out = x.new_empty(x.shape[0], chunk + 2 * half, *x.shape[2:])
        out[:, half : half + chunk] = x
        out[1:, :half] = x[:-1, chunk - half :]
        out[0, :half] = 0
        out[:-1, half + chunk :] = x[1:, :half]
        out[-1, half + chunk :] = 0
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,), half = grads, ctx.half
        chunk = grad.shape[1] - 2 * half
        own = grad[:, half : half + chunk].clone()
        own[:-1, chunk - half :] += grad[1:, :half]
        own[1:, :half] += grad[:-1, half + chunk :]
        return own, None


def with_neighbours(x: Tensor, half: int) -> Tensor:
    """[B, C, ...] -> [B, half + C + half, ...]: the end of the chunk before, the chunk, the start of the next.

    Zeros before the first and after the last chunk; ``half`` is at most C.
    """
    return cast(Tensor, _WithNeighbours.apply(x, half))
