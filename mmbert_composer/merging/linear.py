"""Linear merging: the weighted mean of models, "model soups" (Wortsman et al. 2022, arXiv:2203.05482)."""

from collections.abc import Sequence

import torch
from torch import Tensor


def linear(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Sum of ``weights[i] * tensors[i]`` in float32, for tensors of one shape and any float dtype.

    Two models [1, 3] and [3, 5] at weights 0.25 and 0.75 give [2.5, 4.5]. The weights sum to 1 (see MergeMethod).
    """
    merged = torch.zeros_like(tensors[0], dtype=torch.float32)
    for tensor, weight in zip(tensors, weights, strict=True):
        merged.add_(tensor.float(), alpha=weight)
    return merged


def equal_weights(count: int) -> list[float]:
    """``count`` weights that sum to 1."""
    return [1.0 / count] * count
