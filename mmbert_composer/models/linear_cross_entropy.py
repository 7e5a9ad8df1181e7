"""Cross-entropy of a linear layer that never holds the logits of all rows.

Legend: M rows, D width, V vocabulary.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmbert_composer.models.fused_cross_entropy import fused_cross_entropy, has_fused_cross_entropy

IGNORE = -100

# Memory for what is held of the logits at a time. Thin matmuls are slow ones (on a CPU with a vocabulary of 256,000,
# 128 rows at a time take 20 to 40 % longer than 640), so a chunk is as tall as this allows.
LOGITS_BYTES = {"cpu": 768 << 20, "cuda": 2 << 30}
# From here on a taller chunk gains nothing on a CPU, and a smaller one stays nearer to the caches.
ENOUGH_ROWS = 640


def chunk_rows_for(rows: int, vocab_size: int, device: str = "cpu", dtype: torch.dtype = torch.float32) -> int:
    """Rows at a time: equal chunks of ``rows``, each within LOGITS_BYTES, on a CPU no taller than helps.

    1,228 rows at a vocabulary of 256,000 in fp32 fit as 640 at a time: two chunks of 614. In half precision a logit is
    held three times (as computed, in fp32 for the softmax, and its gradient).
    """
    size = 4 + 2 * dtype.itemsize if dtype.itemsize < 4 else dtype.itemsize
    most = max(1, LOGITS_BYTES.get(device, LOGITS_BYTES["cpu"]) // (vocab_size * size))
    if device == "cpu":
        most = min(most, ENOUGH_ROWS)
    chunks = max(1, -(-rows // most))
    return max(1, -(-rows // chunks))


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
        z_loss: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        sums = torch.promote_types(dtype, torch.float32)
        x, w, b = hidden.to(dtype), weight.to(dtype), bias.to(dtype)
        used = labels != IGNORE
        share = used / used.sum().clamp(min=1).to(sums)  # [M], each row's part in the mean
        row_loss, penalty = (torch.zeros_like(labels, dtype=sums) for _ in range(2))
        correct = torch.zeros_like(used)
        grad_hidden, grad_bias = (torch.zeros_like(y) if with_grad else y for y in (hidden, bias))
        grad_weight = None  # made by the first chunk: to fill 256,000 rows with zeros costs as much as a small matmul
        if with_grad and ctx.needs_input_grad[1] and not labels.numel():
            grad_weight = torch.zeros_like(weight)
        buffer = x.new_empty(min(chunk_rows, labels.shape[0]), weight.shape[0])  # one for all chunks: no page faults
        for first in range(0, labels.shape[0], chunk_rows):
            rows = slice(first, first + chunk_rows)
            label = labels[rows, None].clamp(min=0)
            logits = torch.mm(x[rows], w.T, out=buffer[: label.shape[0]]).add_(b).to(sums)
            top = logits.amax(1)
            own = logits.gather(1, label).squeeze(1)
            probs = torch.softmax(logits, 1, out=logits)
            # log(sum exp) = top - log(largest probability), which is never below 1 / V: no second exp over V.
            log_sum = top - probs.amax(1).log()
            row_loss[rows] = (log_sum - own) * used[rows]
            correct[rows] = (own == top) & used[rows]
            if z_loss:
                penalty[rows] = z_loss * log_sum.square() * used[rows]
            if with_grad:
                # d loss / d logits = share * (probs - one-hot); the share goes to the narrow factor of each product.
                weighted = share[rows, None]
                if z_loss:
                    probs.mul_(1 + 2 * z_loss * log_sum[:, None])
                probs.scatter_add_(1, label, probs.new_full(label.shape, -1.0))
                narrow = probs.to(dtype)
                grad_hidden[rows] = (narrow @ w) * weighted
                grad_bias.addmv_(probs.T.to(grad_bias.dtype), share[rows].to(grad_bias.dtype))
                if ctx.needs_input_grad[1]:
                    grad_weight = _add_product(grad_weight, narrow.T, x[rows] * weighted, weight.dtype)
        if with_grad:
            ctx.save_for_backward(grad_hidden, grad_weight, grad_bias)
        ctx.mark_non_differentiable(row_loss, correct)
        return (row_loss + penalty) @ share if z_loss else row_loss @ share, row_loss, correct

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:
        scale, saved = grads[0], ctx.saved_tensors
        # On a GPU the question would cost a synchronisation.
        if scale.device.type != "cpu" or scale.item() != 1:
            saved = [None if gradient is None else gradient * scale for gradient in saved]
        return *saved, None, None, None, None, None


def _add_product(total: Tensor | None, a: Tensor, b: Tensor, dtype: torch.dtype) -> Tensor:
    """``total + a @ b`` in ``dtype``, in place; of bf16 factors the product is bf16 and the sum is not."""
    if a.dtype == torch.bfloat16 and dtype == torch.float32:
        product = a @ b.to(a.dtype)
        return product.to(dtype) if total is None else total.add_(product)
    a, b = a.to(dtype), b.to(dtype)  # fp16 would lose what a mean over thousands of rows leaves of a gradient
    return a @ b if total is None else total.addmm_(a, b)


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    labels: Tensor,
    chunk_rows: int | None = None,
    z_loss: float = 0.0,
    with_rows: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean cross-entropy of ``hidden @ weight.T + bias`` over the rows whose label is not -100.

    Equal to ``F.cross_entropy`` on the whole logits to rounding, with the gradients of hidden, weight and bias; it
    keeps ``chunk_rows`` rows of logits at a time and none for the backward pass. Under autocast the logits are
    computed in its type; the loss and the sums are at least fp32. On CUDA Liger's fused kernel takes over where it is
    installed, the rows are not asked for, and the type is not fp16 (it would lose gradients before they are scaled); it
    waits for the GPU twice a call. The gradients belong to whoever calls backward: a second backward pass through the
    same graph is refused.

    Args:
        hidden: [M, D]; M = 0 is allowed.
        weight: [V, D], the decoder's (the tied embedding).
        bias: [V] or None.
        labels: int64 [M]; rows of -100 weigh nothing.
        chunk_rows: rows at a time; by default from a memory budget, see ``chunk_rows_for``.
        z_loss: weight of the mean of log(sum exp(logits)) ** 2, which keeps logits near 0 (PaLM, arXiv:2204.02311,
            uses 1e-4); part of the loss, not of ``row_loss``.
        with_rows: whether row_loss is needed; without it a fused kernel may give NaN there.

    Returns:
        loss [] (0, with zero gradients, if no row has a label), row_loss [M] (detached, 0 in unused rows) and
        correct bool [M] (no logit is larger than the label's).
    """
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
    if bias is None:
        bias = weight.new_zeros(weight.shape[0])
    if chunk_rows is None:
        chunk_rows = chunk_rows_for(labels.shape[0], weight.shape[0], device, dtype)
        may_fuse = hidden.is_cuda and hidden.requires_grad and not with_rows and dtype != torch.float16
        if may_fuse and has_fused_cross_entropy(hidden.device, dtype):
            return fused_cross_entropy(hidden, weight, bias, labels, dtype, z_loss, chunk_rows)
    with torch.autocast(device, enabled=False):
        result = _LinearCrossEntropy.apply(
            hidden, weight, bias, labels, dtype, torch.is_grad_enabled(), chunk_rows, z_loss
        )
    return cast(tuple[Tensor, Tensor, Tensor], result)
