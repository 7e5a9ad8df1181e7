"""How much memory of a GPU training takes, by arithmetic: an estimate, before one is rented.

Legend: D width, I intermediate width, V vocabulary, T tokens of a micro-batch, M rows of the head.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmbert_composer.curriculum import Curriculum
from mmbert_composer.errors import UserError

GB = 10**9
LOGITS = 2 << 30
"""Bytes that the loss holds of the logits at a time on a GPU, at most: ``linear_cross_entropy.LOGITS_BYTES``."""

CONTEXT = GB
"""The CUDA context, kernels and workspaces of matrix products."""

FRAGMENTS = 1.1
"""What the allocator loses between activations of different sizes."""


@dataclass(frozen=True)
class GpuMemory:
    """Bytes on one GPU at the peak of a step."""

    states: int
    """fp32 weights, gradients and the optimizer's two moments; autocast's copies of the weights, DDP's buckets."""
    activations: int
    head: int
    """The loss: logits of one chunk, gradient of the decoder's weight."""

    @property
    def total(self) -> int:
        return self.states + self.activations + self.head + CONTEXT


def gpu_memory(
    model: Mapping[str, Any], parameters: int, tokens: int, masked: int, precision: str, *, ranks: int = 1
) -> GpuMemory:
    """Memory of training ``model`` (its keys, ``vocab_size`` among them) on micro-batches of ``tokens`` slots.

    A layer keeps of each token, for its backward pass: its two residual inputs in fp32 (8 D), what goes into its
    matrices (norms' outputs, attention's output), queries, keys, values, the dropout's mask (D), and the MLP's two
    widths (3 I) in the type of the products. With ``activation_checkpointing`` only its input is kept (4 D), and
    one layer is computed again at a time. Gradients on the way back are as large as the MLP's two widths, twice.

    Args:
        masked: M, rows of the head in a micro-batch.
    """
    width, inner, layers = model["hidden_size"], model["intermediate_size"], model["num_hidden_layers"]
    size = 4 if precision == "fp32" else 2
    dropout = 1 if model.get("attention_out_dropout") else 0
    layer = width * (8 + 6 * size + dropout) + 3 * inner * size
    kept = layers * 4 * width + layer if model.get("activation_checkpointing") else layers * layer
    backward = 2 * max(4 * width, 2 * inner * size)
    states = parameters * (16 + (0 if size == 4 else size) + (4 if ranks > 1 else 0))
    logits = min(LOGITS, masked * model["vocab_size"] * 8)
    return GpuMemory(
        states=states,
        activations=round(tokens * (kept + backward) * FRAGMENTS),
        head=logits + masked * width * 16 + model["vocab_size"] * width * 8,
    )


def micro_batch_memory(
    model: Mapping[str, Any], parameters: int, curriculum: Curriculum, blocks: int, precision: str, *, ranks: int = 1
) -> GpuMemory:
    """The same for micro-batches of ``blocks`` blocks, in the phase that masks most."""
    ratio = max(phase.mask_ratio.high for phase in curriculum.phases)
    masked = round(ratio * curriculum.block_size) * blocks
    return gpu_memory(model, parameters, blocks * curriculum.block_size, masked, precision, ranks=ranks)


def parse_gpu_memory(text: str) -> int:
    """Bytes of ``24GB``, ``80`` (GB) or ``24GiB``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(GB|GiB|G)?", text.strip(), re.IGNORECASE)
    if found is None or float(found[1]) <= 0:
        raise UserError(f"--gpu-memory {text}: write the memory of one GPU as 24GB")
    return round(float(found[1]) * (1 << 30 if (found[2] or "").lower() == "gib" else GB))
