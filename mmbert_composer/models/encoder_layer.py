"""What a ModernBERT layer computes before and after its attention: two functions of fixed shapes.

Whatever the lengths of the sequences, these see [T, D] alone, so that one compilation serves all layers of a phase.
Legend: T packed tokens, D width, N heads, H head width.
"""

from torch import Tensor, nn
from torch.nn.functional import gelu
from transformers.activations import GELUActivation
from transformers.models.modernbert.modeling_modernbert import ModernBertEncoderLayer, ModernBertMLP

from mmbert_composer.models.gated_gelu import gated_gelu
from mmbert_composer.models.rotary import split_rotated


def before_attention(
    layer: ModernBertEncoderLayer, hidden: Tensor, cos: Tensor, sin: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries and keys (both rotated) and values [T, N, H] of ``hidden`` [T, D]; tables as in ``split_rotated``."""
    attn = layer.attn
    qkv = attn.Wqkv(layer.attn_norm(hidden))
    return split_rotated(qkv.view(-1, 3, attn.num_heads, attn.head_dim), cos, sin)


def after_attention(layer: ModernBertEncoderLayer, hidden: Tensor, attended: Tensor) -> Tensor:
    """The layer's output [T, D] for its input ``hidden`` [T, D] and what attention gave, ``attended`` [T, N, H]."""
    attn = layer.attn
    # Under autocast a product has a lower type than the residual stream. That is said here and not left to the
    # addition: torch's compiler would make one addmm of the two, of types that do not go together.
    hidden = hidden + attn.out_drop(attn.Wo(attended.flatten(1))).to(hidden.dtype)
    return hidden + _mlp(layer.mlp, layer.mlp_norm(hidden)).to(hidden.dtype)


def _mlp(mlp: ModernBertMLP, x: Tensor) -> Tensor:
    if not _is_gelu(mlp.act):
        return mlp(x)
    return mlp.Wo(mlp.drop(gated_gelu(mlp.Wi(x))))


def _is_gelu(act: nn.Module) -> bool:
    return isinstance(act, GELUActivation) and act.act is gelu
