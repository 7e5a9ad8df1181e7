"""Attention over packed sequences: the one function that the encoder calls."""

from torch import Tensor

from mmbert_composer.models.attention.backend import BACKENDS, check_backend
from mmbert_composer.models.attention.choose_backend import choose_backend
from mmbert_composer.models.attention.packed_layout import PackedLayout

__all__ = ["check_backend", "choose_backend", "packed_attention"]


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

    With the flash backends nothing in it waits for the GPU, after the first call for a dtype.

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
    # Queries rotated in float32 would make `auto` pass over the flash kernels under autocast.
    assert q.dtype == k.dtype == v.dtype, f"q, k and v are {q.dtype}, {k.dtype} and {v.dtype}"
    if layout is None:
        layout = PackedLayout(cu_seqlens, max_seqlen, q.shape[0], device=q.device)
    name = choose_backend(backend, q.shape[-1], q.dtype, q.device)
    return BACKENDS[name].attend(q, k, v, layout, window)
