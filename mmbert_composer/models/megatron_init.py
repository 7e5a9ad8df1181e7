"""Megatron-style weight initialisation of a ModernBERT, seeded per tensor."""

import math
from hashlib import blake2b

import torch
from torch import Tensor, nn
from transformers import ModernBertForMaskedLM

# Output projections of a layer: what they write is summed over 2 x layers residual branches.
RESIDUAL_PROJECTIONS = ("attn.Wo.weight", "mlp.Wo.weight")


def megatron_init(model: ModernBertForMaskedLM, seed: int) -> None:
    """Fill every parameter in place: matrices N(0, std), biases 0, norms 1.

    std is ``initializer_range`` (0.02), divided by sqrt(2 x layers) for the projections into the residual stream.
    Values beyond ``initializer_cutoff_factor`` deviations are drawn again, from a normal so much wider that the
    std of the result is the one named. Each tensor has a generator of its own, keyed by (seed, name): the weights
    are the same on every rank and do not move when another part of the model changes.

    Source: Megatron-LM (arXiv:1909.08053), as ModernBERT's "full_megatron" and mmBERT use it.
    """
    config = model.config
    residual_std = config.initializer_range / math.sqrt(2 * config.num_hidden_layers)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2:
                std = residual_std if name.endswith(RESIDUAL_PROJECTIONS) else config.initializer_range
                _truncated_normal(parameter, std, config.initializer_cutoff_factor, _generator(seed, name))
            elif name.endswith(".bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.ones_(parameter)


def _generator(seed: int, name: str) -> torch.Generator:
    key = int.from_bytes(blake2b(f"{seed}/{name}".encode(), digest_size=7).digest(), "little")
    return torch.Generator().manual_seed(key)


def _truncated_normal(weight: Tensor, std: float, cutoff: float | None, generator: torch.Generator) -> None:
    if cutoff is None:
        nn.init.normal_(weight, std=std, generator=generator)
        return
    # Variance of a unit normal cut off at +-c: 1 - 2 c pdf(c) / (cdf(c) - cdf(-c)).
    inside = math.erf(cutoff / math.sqrt(2))
    variance = 1 - 2 * cutoff * math.exp(-(cutoff**2) / 2) / math.sqrt(2 * math.pi) / inside
    wide = std / math.sqrt(variance)
    nn.init.trunc_normal_(weight, std=wide, a=-cutoff * wide, b=cutoff * wide, generator=generator)
