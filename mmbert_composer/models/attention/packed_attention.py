"""Attention over packed sequences: the one function that the encoder calls."""

from collections.abc import Callable

import torch
from torch import Tensor

from mmbert_composer.errors import UserError
from mmbert_composer.models.attention.flash_attn import flash_attention, has_flash_attn
from mmbert_composer.models.attention.packed_layout import PackedLayout
from mmbert_composer.models.attention.reference import reference_attention
from mmbert_composer.models.attention.sdpa import sdpa_attention

Backend = Callable[[Tensor, Tensor, Tensor, PackedLayout, int | None], Tensor]

BACKENDS: dict[str, Backend] = {
    "flash_attn": flash_attention,
    "sdpa": sdpa_attention,
    "reference": reference_attention,
}


def packed_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens: Tensor,
    max_seqlen: int,
    window: int | None,
    backend: str = "auto",
    layout: PackedLayout | None = None,
) -> Tensor:
    """softmax(q k / sqrt(H)) v inside each sequence of a packed batch.

    Args:
        q, k, v: [T, N, H], T packed tokens, N heads, H head width.
        cu_seqlens: int32 [S + 1], bounds of the sequences, from 0 to T.
        max_seqlen: longest sequence allowed.
        window: None sees the whole sequence; 128 sees 64 tokens left, 64 right and the token itself, as
            ModernBERT's ``local_attention`` does.
        backend: a key of BACKENDS, or ``auto``.
        layout: ``PackedLayout`` of these bounds, where a caller with several layers already has it.

    Returns:
        [T, N, H]

    Raises:
        UserError: bounds that do not fit the tokens, an unknown backend, or one that cannot run here.
    """
    if layout is None:
        layout = PackedLayout(cu_seqlens, max_seqlen, q.shape[0])
    check_backend(backend)
    if backend == "auto":
        flash = q.device.type == "cuda" and q.dtype in (torch.float16, torch.bfloat16) and has_flash_attn()
        backend = "flash_attn" if flash else "sdpa"
    return BACKENDS[backend](q, k, v, layout, window)


def check_backend(name: str) -> None:
    """Raise a UserError for a name that is no backend, or one whose package is missing."""
    if name != "auto" and name not in BACKENDS:
        raise UserError(f"attention={name!r} is no backend: choose one of auto, {', '.join(BACKENDS)}")
    if name == "flash_attn" and not has_flash_attn():
        raise UserError(
            "attention=flash_attn needs the flash-attn package: pip install 'mmbert-composer[gpu]', "
            "or choose one that works here: auto, sdpa, reference"
        )
