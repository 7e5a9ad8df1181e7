"""TIES merging: trim, elect sign, disjoint mean (Yadav et al. 2023, arXiv:2306.01708): what mmBERT-base does.

Works on task vectors, model minus base, of one parameter at a time: trimming counts within each tensor, as mergekit
does (the paper trims over the whole model at once).
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def ties(tensors: Sequence[Tensor], base: Tensor, *, density: float, lam: float) -> Tensor:
    """``base + lam * disjoint mean`` of the trimmed differences of ``tensors`` from ``base``, in float32.

    Base 0, models [4, -1, 2] and [-2, -3, 1] at density 2/3: trimmed to [4, 0, 2] and [-2, -3, 0]; the elected signs
    are +, -, +; the means over those that agree are [4, -3, 2].

    Args:
        tensors: one tensor of each model, all of base's shape.
        density: share of each difference that is kept, the largest by magnitude, in (0, 1].
        lam: scale of the merged difference, lambda in the paper.
    """
    origin = base.float()
    deltas = [trim(tensor.float() - origin, density) for tensor in tensors]
    return origin + lam * disjoint_mean(deltas, elect_signs(deltas))


def trim(delta: Tensor, density: float) -> Tensor:
    """``delta`` with all but its ``int(density * size)`` (at least one) largest magnitudes set to 0.

    Of equal magnitudes at the threshold the first by position stay: exactly that many survive.
    """
    keep = max(1, int(density * delta.numel()))
    if keep >= delta.numel():
        return delta
    magnitude = delta.abs().flatten()
    threshold = torch.kthvalue(magnitude, magnitude.numel() - keep + 1).values
    kept = magnitude > threshold
    at_threshold = (magnitude == threshold).nonzero().squeeze(1)
    kept[at_threshold[: keep - int(kept.sum())]] = True
    return torch.where(kept.view_as(delta), delta, 0.0)


def elect_signs(deltas: Sequence[Tensor]) -> Tensor:
    """+1 or -1 for each element: the sign of the sum over models, + where it is 0."""
    total = torch.zeros_like(deltas[0])
    for delta in deltas:
        total.add_(delta)
    return torch.where(total >= 0, 1.0, -1.0)


def disjoint_mean(deltas: Sequence[Tensor], signs: Tensor) -> Tensor:
    """Mean over the models whose (nonzero) element has the elected sign; 0 where there is none."""
    total, count = torch.zeros_like(signs), torch.zeros_like(signs)
    for delta in deltas:
        agrees = delta.sign() == signs
        total.add_(torch.where(agrees, delta, 0.0))
        count.add_(agrees)
    return total / count.clamp(min=1)
