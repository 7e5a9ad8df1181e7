"""Attention by torch's scaled_dot_product_attention: any device, no extra package, never a T x T square.

Global layers: sequences of similar length are padded to one batch. Local layers: the packed tokens are cut into
chunks, each attending to itself and half a window on either side; a mask hides other sequences, so that the cost
is linear in tokens whatever the lengths.

Legend: T packed tokens, N heads, H head width, G sequences of a group, L its longest, B chunks of C queries.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from mmbert_composer.models.attention.packed_layout import PackedLayout
from mmbert_composer.models.attention.rearrange import collect, spread, with_neighbours

# Queries of a chunk: at least this many, so that short windows do not become matmuls too small to be worth it.
MIN_CHUNK = 64


def sdpa_attention(q: Tensor, k: Tensor, v: Tensor, layout: PackedLayout, window: int | None) -> Tensor:
    """Attention inside each sequence; see ``packed_attention`` for arguments. Returns [T, N, H]."""
    if window is None or layout.longest <= window // 2 + 1:  # every token sees its whole sequence
        return _grouped(q, k, v, layout)
    return _windowed(q, k, v, layout, window // 2)


def _grouped(q: Tensor, k: Tensor, v: Tensor, layout: PackedLayout) -> Tensor:
    groups = layout.groups
    sizes = [rows * longest for rows, longest in groups.shapes]
    parts = [spread(x, groups).split(sizes) for x in (q, k, v)]
    out = []
    for (rows, longest), mask, *qkv in zip(groups.shapes, groups.masks, *parts, strict=True):
        query, key, value = (x.view(rows, longest, *x.shape[1:]).transpose(1, 2) for x in qkv)  # [G, N, L, H]
        if mask is not None:  # added, not a truth value: torch would make a square of that one
            mask = torch.zeros_like(mask, dtype=q.dtype).masked_fill_(~mask, float("-inf"))
        result = scaled_dot_product_attention(query, key, value, attn_mask=mask)
        out.append(result.transpose(1, 2).reshape(rows * longest, *q.shape[1:]))
    return collect(torch.cat(out), groups)


def _windowed(q: Tensor, k: Tensor, v: Tensor, layout: PackedLayout, half: int) -> Tensor:
    num_tokens, heads, width = q.shape
    chunk = max(MIN_CHUNK, half)
    spare = -num_tokens % chunk
    if spare:
        q, k, v = (pad(x, (0, 0, 0, 0, 0, spare)) for x in (q, k, v))
    query, key, value = (x.view(-1, chunk, heads, width) for x in (q, k, v))
    out = scaled_dot_product_attention(
        query.transpose(1, 2),
        with_neighbours(key, half).transpose(1, 2),
        with_neighbours(value, half).transpose(1, 2),
        attn_mask=layout.window_mask(half, chunk, q.dtype),
    )
    return out.transpose(1, 2).reshape(-1, heads, width)[:num_tokens]
