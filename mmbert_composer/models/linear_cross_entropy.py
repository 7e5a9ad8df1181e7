"""Cross-entropy of a linear layer that never holds the logits of all rows.

Legend: M rows, D width, V vocabulary.
"""

from typing import Any, cast

import torch
from torch import Tensor

IGNORE = -100

# Logits held at a time: 4M elements are 16 MiB in fp32; fewer rows than 128 make thin, slow matmuls.
CHUNK_ELEMENTS = 1 << 22
MIN_CHUNK_ROWS = 128


class _LinearCrossEntropy(torch.autograd.Function):
    """Computes the gradients in the forward pass, chunk by chunk; the backward pass only scales them."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        labels: Tensor,
        dtype: torch.dtype,
        with_grad: bool,
        chunk_rows: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        sums = torch.promote_types(dtype, torch.float32)
        x, w, b = hidden.to(dtype), weight.to(dtype), bias.to(dtype)
        used = labels != IGNORE
        share = used / used.sum().clamp(min=1).to(sums)  # [M], each row's part in the mean
        row_loss = torch.zeros_like(labels, dtype=sums)
        correct = torch.zeros_like(used)
        grad_hidden, grad_weight, grad_bias = (torch.zeros_like(y) if with_grad else y for y in (hidden, weight, bias))
        buffer = x.new_empty(min(chunk_rows, labels.shape[0]), weight.shape[0])  # one for all chunks: no page faults
        for first in range(0, labels.shape[0], chunk_rows):
            rows = slice(first, first + chunk_rows)
            label = labels[rows, None].clamp(min=0)
            logits = torch.mm(x[rows], w.T, out=buffer[: label.shape[0]]).add_(b).to(sums)
            top = logits.amax(1)
            own = logits.gather(1, label).squeeze(1)
            probs = torch.softmax(logits, 1, out=logits)
            # log(sum exp) = top - log(largest probability), which is never below 1 / V: no second exp over V.
            row_loss[rows] = (top - probs.amax(1).log() - own) * used[rows]
            correct[rows] = (own == top) & used[rows]
            if with_grad:
                # d loss / d logits = share * (probs - one-hot); the share goes to the narrow factor of each product.
                weighted = share[rows, None]
                probs.scatter_add_(1, label, probs.new_full(label.shape, -1.0))
                narrow = probs.to(dtype)
                grad_hidden[rows] = (narrow @ w) * weighted
                grad_weight.addmm_(narrow.T.to(grad_weight.dtype), (x[rows] * weighted).to(grad_weight.dtype))
                grad_bias.addmv_(probs.T.to(grad_bias.dtype), share[rows].to(grad_bias.dtype))
        if with_grad:
            ctx.save_for_backward(grad_hidden, grad_weight, grad_bias)
        ctx.mark_non_differentiable(row_loss, correct)
        return row_loss @ share, row_loss, correct

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return *(saved * grads[0] for saved in ctx.saved_tensors), None, None, None, None


def linear_cross_entropy(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor, chunk_rows: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean cross-entropy of ``hidden @ weight.T + bias`` over the rows whose label is not -100.

    Equal to ``F.cross_entropy`` on the whole logits to rounding, with the gradients of hidden, weight and bias; it
    keeps ``chunk_rows`` rows of logits at a time and none for the backward pass. Under autocast the logits are
    computed in its type; the loss and the sums are at least fp32.

    Args:
        hidden: [M, D]; M = 0 is allowed.
        weight: [V, D], the decoder's (the tied embedding).
        bias: [V] or None.
        labels: int64 [M]; rows of -100 weigh nothing.
        chunk_rows: rows at a time; by default as many as CHUNK_ELEMENTS logits allow.

    Returns:
        loss [] (0, with zero gradients, if no row has a label), row_loss [M] (detached, 0 in unused rows) and
        correct bool [M] (the label has the largest logit).
    """
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
    if chunk_rows is None:
        chunk_rows = max(MIN_CHUNK_ROWS, CHUNK_ELEMENTS // weight.shape[0])
    if bias is None:
        bias = weight.new_zeros(weight.shape[0])
    with torch.autocast(device, enabled=False):
        result = _LinearCrossEntropy.apply(hidden, weight, bias, labels, dtype, torch.is_grad_enabled(), chunk_rows)
    return cast(tuple[Tensor, Tensor, Tensor], result)
