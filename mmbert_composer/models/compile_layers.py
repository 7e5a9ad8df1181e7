"""torch.compile for what a layer computes around its attention, tried out before it is used.

The two functions of ``encoder_layer`` see [T, D] alone, whatever the lengths of the sequences: nothing is compiled
again inside a phase, and one compilation serves all layers. Attention stays outside: its kernels are fused already.
"""

import logging
from collections.abc import Callable
from types import FunctionType
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from transformers import ModernBertModel
from transformers.models.modernbert.modeling_modernbert import ModernBertEncoderLayer

from mmbert_composer.errors import UserError
from mmbert_composer.models.encoder_layer import after_attention, before_attention
from mmbert_composer.models.rotary import rotary_tables

log = logging.getLogger(__name__)

Compile = Literal["auto", True, False]


class LayerFunctions(NamedTuple):
    """``before_attention`` and ``after_attention`` of ``encoder_layer``, as they are or compiled."""

    before_attention: Callable[[ModernBertEncoderLayer, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
    after_attention: Callable[[ModernBertEncoderLayer, Tensor, Tensor], Tensor]


EAGER = LayerFunctions(before_attention, after_attention)


def check_compile(value: object) -> None:
    """Raise a UserError unless ``value`` is auto, True or False."""
    if not (value == "auto" or isinstance(value, bool)):
        raise UserError(f"model.compile={value!r} must be auto, true or false")


def layer_functions(model: ModernBertModel, compile: Compile, device: torch.device) -> LayerFunctions:
    """The functions to train with on ``device``; tried on a few tokens, forward and back, if they are compiled.

    ``auto`` compiles on CUDA alone: on a CPU the eager functions make single passes over memory by hand, and a short
    run is over before a compilation pays. Where compiling fails, ``auto`` logs one line and stays eager.

    Raises:
        UserError: with ``compile=True``, if compiling fails.
    """
    if not compile or (compile == "auto" and not _compiles_by_itself(device)):
        return EAGER
    functions = LayerFunctions(_compiled(before_attention), _compiled(after_attention))
    try:
        _try_out(functions, model, device)
    except Exception as error:  # a missing C compiler, a triton of another torch, an operation it cannot take, ...
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        if compile is True:
            raise UserError(f"model.compile=true, but compiling fails here ({reason}); set it to auto") from error
        log.warning("compiling the layers fails here (%s): they run eagerly", reason)
        return EAGER
    log.info("the layers are compiled for %s", device)
    return functions


def _compiled(function: FunctionType) -> Any:
    """``function`` compiled for fixed shapes, apart from every other model's.

    torch counts compilations by code object and stops a full graph at eight: models of one process would share them.
    """
    own = FunctionType(function.__code__.replace(), function.__globals__, function.__name__, function.__defaults__)
    return torch.compile(own, dynamic=False, fullgraph=True)


def _compiles_by_itself(device: torch.device) -> bool:
    return device.type == "cuda"


def _try_out(functions: LayerFunctions, model: ModernBertModel, device: torch.device, num_tokens: int = 64) -> None:
    """Forward and backward of one layer on ``num_tokens`` tokens; leaves no gradient and no random state behind."""
    layer = model.layers[-1]
    assert isinstance(layer, ModernBertEncoderLayer)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.enable_grad():
        hidden = torch.zeros(num_tokens, model.config.hidden_size, device=device, requires_grad=True)
        positions = torch.arange(num_tokens, device=device)
        inv_freq = layer.attn.rotary_emb.inv_freq
        assert isinstance(inv_freq, Tensor)
        tables = rotary_tables(inv_freq, positions, layer.attn.num_heads, hidden.dtype)
        q, k, v = functions.before_attention(layer, hidden, *tables)
        torch.autograd.grad(functions.after_attention(layer, hidden, q + k + v).sum(), hidden)
