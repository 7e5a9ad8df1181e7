"""ModernBERT's encoder over a packed batch, with the parameters of a transformers model.

Legend: T packed tokens, D width, N heads, H head width.
"""

from typing import cast

from torch import Tensor
from transformers import ModernBertModel
from transformers.models.modernbert.modeling_modernbert import ModernBertEncoderLayer

from mmbert_composer.models.attention.packed_attention import packed_attention
from mmbert_composer.models.attention.packed_layout import PackedLayout
from mmbert_composer.models.rotary import rotary_tables, split_rotated


def encode_packed(model: ModernBertModel, input_ids: Tensor, layout: PackedLayout, attention: str) -> Tensor:
    """Final hidden states [T, D] of flat tokens: what ``model`` gives for each sequence alone.

    Args:
        model: transformers' encoder; its modules hold parameters, dropouts and rotary frequencies.
        input_ids: int64 [T].
        layout: bounds of the sequences.
        attention: name of the backend.
    """
    hidden = model.embeddings(input_ids)
    tables: dict[bool, tuple[Tensor, Tensor]] = {}
    for module in model.layers:
        layer = cast(ModernBertEncoderLayer, module)
        is_local = layer.attn.local_attention != (-1, -1)
        if is_local not in tables:  # one table for the global layers, one for the local ones
            inv_freq = cast(Tensor, layer.attn.rotary_emb.inv_freq)
            tables[is_local] = rotary_tables(inv_freq, layout.positions, layer.attn.num_heads, hidden.dtype)
        window = model.config.local_attention if is_local else None
        hidden = hidden + _attend(layer, hidden, layout, tables[is_local], window, attention)
        hidden = hidden + layer.mlp(layer.mlp_norm(hidden))
    return model.final_norm(hidden)


def _attend(
    layer: ModernBertEncoderLayer,
    hidden: Tensor,
    layout: PackedLayout,
    tables: tuple[Tensor, Tensor],
    window: int | None,
    attention: str,
) -> Tensor:
    attn = layer.attn
    qkv = attn.Wqkv(layer.attn_norm(hidden)).view(-1, 3, attn.num_heads, attn.head_dim)
    q, k, v = split_rotated(qkv, *tables)
    out = packed_attention(q, k, v, layout.cu_seqlens, layout.max_seqlen, window, attention, layout)
    return attn.out_drop(attn.Wo(out.flatten(1)))
