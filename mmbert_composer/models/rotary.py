"""Rotary position embedding for positions inside packed sequences.

Legend: T packed tokens, N heads, H head width.
"""

from typing import Any, cast

import torch
from torch import Tensor


def rotary_tables(inv_freq: Tensor, positions: Tensor, heads: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """cos [T, 1, H] and signed sin [T, 1, H] of positions [T] for frequencies [H / 2].

    x * cos + swapped(x) * sin, with the halves of x swapped, is the rotation: the sine's first half is negative.
    On a CPU they are repeated for every head ([T, N, H]): products without broadcasting are three times as fast.
    """
    exact = torch.promote_types(inv_freq.dtype, torch.float32)  # bf16 tells 8,192 positions apart as 900
    angles = positions.to(exact)[:, None, None] * inv_freq.to(exact)
    cos, sin = angles.cos().to(dtype), angles.sin().to(dtype)
    repeat = heads if positions.device.type == "cpu" else 1
    return torch.cat([cos, cos], -1).repeat(1, repeat, 1), torch.cat([-sin, sin], -1).repeat(1, repeat, 1)


class _SplitRotated(torch.autograd.Function):
    """One pass each way: gradients of q, k and v are written into one tensor, and nothing but the tables is kept."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(cos, sin)
        q, k, v = qkv.unbind(1)
        out_q, out_k = (_turn(x, cos, sin, x.new_empty(x.shape)) for x in (q, k))
        return out_q, out_k, v.clone(memory_format=torch.contiguous_format)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        cos, sin = ctx.saved_tensors
        grad_q, grad_k, grad_v = grads
        grad = grad_q.new_empty(grad_q.shape[0], 3, *grad_q.shape[1:])
        back = -sin
        _turn(grad_q, cos, back, grad[:, 0])
        _turn(grad_k, cos, back, grad[:, 1])
        grad[:, 2] = grad_v
        return grad, None, None


def _turn(x: Tensor, cos: Tensor, sin: Tensor, out: Tensor) -> Tensor:
    return torch.mul(x, cos, out=out).addcmul_(_swap(x), sin)


def _swap(x: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return torch.cat([second, first], -1)


def split_rotated(qkv: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """qkv [T, 3, N, H] -> queries, keys (both rotated) and values [T, N, H], for tables of ``rotary_tables``.

    Source: RoFormer (arXiv:2104.09864), in the half-split form of GPT-NeoX that transformers uses.
    """
    if torch.compiler.is_compiling():  # the compiler fuses the plain form itself, forward and backward
        q, k, v = qkv.unbind(1)
        q, k = (x * cos + _swap(x) * sin for x in (q, k))
        return q.to(qkv.dtype), k.to(qkv.dtype), v.contiguous()  # the tables may be of a higher precision
    return cast(tuple[Tensor, Tensor, Tensor], _SplitRotated.apply(qkv, cos, sin))
