"""Rotary position embedding for positions inside packed sequences.

Legend: T packed tokens, N heads, H head width.
"""

from typing import Any, cast

import torch
from torch import Tensor


def rotary_tables(inv_freq: Tensor, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """cos and sin [T, 1, H / 2] of positions [T] for frequencies [H / 2]; angles in the frequencies' type."""
    angles = positions.to(inv_freq.dtype)[:, None, None] * inv_freq
    return angles.cos().to(dtype), angles.sin().to(dtype)


class _SplitRotated(torch.autograd.Function):
    """One pass each way: gradients of q, k and v are written into one tensor, and nothing but the tables is kept."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(cos, sin)
        q, k, v = qkv.unbind(1)
        return (
            _turn(q, cos, sin, q.new_empty(q.shape)),
            _turn(k, cos, sin, k.new_empty(k.shape)),
            v.clone(memory_format=torch.contiguous_format),
        )

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        cos, sin = ctx.saved_tensors
        grad_q, grad_k, grad_v = grads
        grad = grad_q.new_empty(grad_q.shape[0], 3, *grad_q.shape[1:])
        _turn(grad_q, cos, -sin, grad[:, 0])
        _turn(grad_k, cos, -sin, grad[:, 1])
        grad[:, 2] = grad_v
        return grad, None, None


def _turn(x: Tensor, cos: Tensor, sin: Tensor, out: Tensor) -> Tensor:
    """Write (a cos - b sin, b cos + a sin) into ``out``, a and b being the halves of x [T, N, H]."""
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    torch.mul(a, cos, out=out[..., :half]).addcmul_(b, sin, value=-1)
    torch.mul(b, cos, out=out[..., half:]).addcmul_(a, sin)
    return out


def split_rotated(qkv: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """qkv [T, 3, N, H] -> queries, keys (both rotated) and values [T, N, H], for tables [T, 1, H / 2].

    Source: RoFormer (arXiv:2104.09864), in the half-split form of GPT-NeoX that transformers uses.
    """
    return cast(tuple[Tensor, Tensor, Tensor], _SplitRotated.apply(qkv, cos, sin))
