"""ModernBERT's encoder over a packed batch, with the parameters of a transformers model.

Legend: T packed tokens, D width, N heads, H head width, V vocabulary.
"""

from typing import cast

from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import ModernBertModel
from transformers.models.modernbert.modeling_modernbert import ModernBertEncoderLayer

from mmbert_composer.models.attention.packed_attention import packed_attention
from mmbert_composer.models.attention.packed_layout import PackedLayout
from mmbert_composer.models.compile_layers import EAGER, LayerFunctions
from mmbert_composer.models.rotary import rotary_tables
from mmbert_composer.models.tied_embedding import tied_embedding


def encode_packed(
    model: ModernBertModel,
    input_ids: Tensor,
    layout: PackedLayout,
    attention: str,
    functions: LayerFunctions = EAGER,
    recompute: bool = False,
) -> tuple[Tensor, Tensor]:
    """Final hidden states [T, D] of flat tokens, what ``model`` gives for each sequence alone; and the embedding.

    Args:
        model: transformers' encoder; its modules hold parameters, dropouts and rotary frequencies.
        input_ids: int64 [T].
        layout: bounds of the sequences.
        attention: name of the backend.
        functions: what a layer computes around its attention, eager or compiled.
        recompute: keep a layer's input alone and compute the rest of it again in the backward pass.

    Returns:
        hidden [T, D] and the embedding weight [V, D], for a decoder tied to it: see ``tied_embedding``.
    """
    hidden, weight = tied_embedding(model.embeddings.tok_embeddings.weight, input_ids)
    hidden = model.embeddings.drop(model.embeddings.norm(hidden))
    tables: dict[float, tuple[Tensor, Tensor]] = {}
    for module in model.layers:
        layer = cast(ModernBertEncoderLayer, module)
        theta = layer.attn.rotary_emb.config.rope_theta
        if theta not in tables:  # one table for the global layers, one for the local ones, or one for both
            inv_freq = cast(Tensor, layer.attn.rotary_emb.inv_freq)
            tables[theta] = rotary_tables(inv_freq, layout.positions, layer.attn.num_heads, hidden.dtype)
        window = None if layer.attn.local_attention == (-1, -1) else model.config.local_attention
        arguments = layer, hidden, layout, tables[theta], window, attention, functions
        hidden = cast(Tensor, checkpoint(_run, *arguments, use_reentrant=False)) if recompute else _run(*arguments)
    return model.final_norm(hidden), weight


def _run(
    layer: ModernBertEncoderLayer,
    hidden: Tensor,
    layout: PackedLayout,
    tables: tuple[Tensor, Tensor],
    window: int | None,
    attention: str,
    functions: LayerFunctions,
) -> Tensor:
    q, k, v = functions.before_attention(layer, hidden, *tables)
    attended = packed_attention(q, k, v, layout.cu_seqlens, layout.max_seqlen, window, attention, layout)
    return functions.after_attention(layer, hidden, attended)
