"""Attention the slow and obvious way, sequence by sequence: what every other backend is tested against."""

import torch
from torch import Tensor

from mmbert_composer.models.attention.packed_layout import PackedLayout


def reference_attention(q: Tensor, k: Tensor, v: Tensor, layout: PackedLayout, window: int | None) -> Tensor:
    """softmax(q k / sqrt(H)) v inside each sequence; in any float type, float64 included.

    Args:
        q, k, v: [T, N, H], T packed tokens, N heads, H head width.
        layout: sequence bounds.
        window: keys seen are those at most ``window // 2`` away (128: 64 left, 64 right and itself); None sees all.

    Returns:
        [T, N, H]
    """
    out = []
    for start, end in layout.bounds:
        query, key, value = (x[start:end].transpose(0, 1) for x in (q, k, v))  # [N, L, H]
        scores = query @ key.transpose(1, 2) * q.shape[-1] ** -0.5
        if window is not None:
            every = torch.ones(scores.shape[1:], dtype=torch.bool, device=q.device)
            near = every.tril(window // 2).triu(-(window // 2))
            scores = scores.masked_fill(~near, float("-inf"))
        out.append((scores.softmax(-1) @ value).transpose(0, 1))
    return torch.cat(out)
