"""Attention by the flash-attn package (CUDA, fp16 or bf16)."""

from importlib.util import find_spec

import torch
from torch import Tensor

from mmbert_composer.errors import UserError
from mmbert_composer.models.attention.packed_layout import PackedLayout


def has_flash_attn() -> bool:
    """Whether the package is installed; it is not imported, which is slow and may fail."""
    return find_spec("flash_attn") is not None


def flash_attention(q: Tensor, k: Tensor, v: Tensor, layout: PackedLayout, window: int | None) -> Tensor:
    """Attention inside each sequence; see ``packed_attention`` for arguments. Returns [T, N, H]."""
    try:
        # Optional, and slow to import: only where it runs.
        from flash_attn import flash_attn_varlen_func  # pyright: ignore
    except ImportError as error:
        raise UserError(
            f"attention=flash_attn needs a working flash-attn package ({error}): "
            f"pip install 'mmbert-composer[gpu]', or set model.attention=sdpa"
        ) from error
    if q.device.type != "cuda" or q.dtype not in (torch.float16, torch.bfloat16):
        raise UserError(
            f"attention=flash_attn takes fp16 or bf16 on CUDA, got {q.dtype} on {q.device.type}: "
            f"set precision=amp_bf16, or model.attention=sdpa"
        )
    half = -1 if window is None else window // 2
    return flash_attn_varlen_func(
        q,
        k,
        v,
        cu_seqlens_q=layout.cu_seqlens,
        cu_seqlens_k=layout.cu_seqlens,
        max_seqlen_q=layout.max_seqlen,
        max_seqlen_k=layout.max_seqlen,
        window_size=(half, half),
    )
