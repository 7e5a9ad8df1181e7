"""The merge methods as one would write them for tensors in memory: what the streamed ones are compared with."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def plain_trim(delta: Tensor, keep: int) -> Tensor:
    """All but the ``keep`` largest magnitudes set to 0; of equal ones the first stay."""
    order = torch.argsort(delta.abs().flatten(), descending=True, stable=True)
    kept = torch.zeros(delta.numel(), dtype=torch.bool)
    kept[order[:keep]] = True
    return torch.where(kept.view_as(delta), delta, 0.0)


def plain_mean(deltas: Sequence[Tensor], weights: Sequence[float] | None = None) -> Tensor:
    """Weighted mean over the deltas that have the sign of the weighted sum, + where that is 0."""
    weights = weights or [1.0] * len(deltas)
    stacked = torch.stack([delta.double() * weight for delta, weight in zip(deltas, weights, strict=True)])
    sign = torch.where(stacked.sum(0) >= 0, 1.0, -1.0)
    agrees = stacked.sign() == sign
    counts = (agrees * torch.tensor(weights).view(-1, *[1] * deltas[0].dim())).sum(0)
    return (stacked * agrees).sum(0) / torch.where(counts == 0, 1.0, counts)


def plain_ties(models: Sequence[Tensor], base: Tensor, density: float, lam: float = 1.0) -> Tensor:
    """TIES of one tensor."""
    keep = max(1, int(density * base.numel()))
    deltas = [plain_trim(model.float() - base.float(), keep) for model in models]
    return (base.double() + lam * plain_mean(deltas)).float()


def plain_slerp(one: Tensor, other: Tensor, t: float) -> Tensor:
    """Shoemake's formula for one tensor, by the angle between its unit vectors."""
    a, b = one.double(), other.double()
    angle = math.acos(float((a * b).sum() / (a.norm() * b.norm())))
    return ((math.sin((1 - t) * angle) * a + math.sin(t * angle) * b) / math.sin(angle)).float()
