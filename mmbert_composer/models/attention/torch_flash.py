"""Attention by the flash kernels that torch carries (CUDA, fp16 or bf16): no package to build.

``torch.nn.attention.varlen.varlen_attn`` where it takes a window (torch 2.11), else the operator under it, which
takes bounds and a window since torch 2.6 and has gradients (torch's derivatives.yaml).
"""

import inspect
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from mmbert_composer.models.attention.flash_limits import Problem, flash_limits
from mmbert_composer.models.attention.packed_layout import PackedLayout


def _find_varlen_attn() -> Callable[..., Any] | None:
    if find_spec("torch.nn.attention.varlen") is None:
        return None
    from torch.nn.attention.varlen import varlen_attn  # pyright: ignore (newer than the pinned torch)

    return varlen_attn if "window_size" in inspect.signature(varlen_attn).parameters else None


_varlen_attn = _find_varlen_attn()


def torch_flash_problem(
    head_dim: int | None = None, dtype: torch.dtype | None = None, device: torch.device | None = None
) -> Problem | None:
    """Why torch's kernel cannot run for heads of this width, in this dtype, on this device; None is unknown."""
    if not torch.backends.cuda.is_flash_attention_available():
        return Problem(f"is not part of this build of torch ({torch.__version__})", "install torch for CUDA")
    return flash_limits(head_dim, dtype, device)


def torch_flash_attention(q: Tensor, k: Tensor, v: Tensor, layout: PackedLayout, window: int | None) -> Tensor:
    """Attention inside each sequence; see ``packed_attention`` for arguments. Returns [T, N, H].

    Gradients are the same in every run where ``torch.use_deterministic_algorithms(True)`` is set.
    """
    half = None if window is None else window // 2
    # The kernels read rows of heads: only the last dimension has to be dense.
    q, k, v = (x if x.stride(-1) == 1 else x.contiguous() for x in (q, k, v))
    if _varlen_attn is not None:
        bounds, longest = layout.cu_seqlens, layout.max_seqlen
        sides = (-1, -1) if half is None else (half, half)
        return _varlen_attn(q, k, v, bounds, bounds, longest, longest, window_size=sides)
    return torch.ops.aten._flash_attention_forward(  # pyright: ignore[reportCallIssue] (operators have no stubs)
        q,
        k,
        v,
        cum_seq_q=layout.cu_seqlens,
        cum_seq_k=layout.cu_seqlens,
        max_q=layout.max_seqlen,
        max_k=layout.max_seqlen,
        dropout_p=0.0,
        is_causal=False,
        return_debug_mask=False,
        window_size_left=half,
        window_size_right=half,
    )[0]
