"""Linear merging: the weighted mean of models, "model soups" (Wortsman et al. 2022, arXiv:2203.05482)."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmbert_composer.merging.method_row import MethodRow

if TYPE_CHECKING:
    from torch import Tensor

    from mmbert_composer.merging.merge_method import MergeMethod
    from mmbert_composer.merging.method_row import Blend, Products


def weighted_sum(rows: "Tensor", weights: Sequence[float], out: "Tensor") -> None:
    """Sum of ``weights[i] * rows[i]`` into ``out``.

    Two models [1, 3] and [3, 5] at weights 0.25 and 0.75 give [2.5, 4.5].
    """
    out.copy_(rows[0]).mul_(weights[0])
    for row, weight in zip(rows[1:], weights[1:], strict=True):
        out.add_(row, alpha=weight)


def mean_weights(weights: Sequence[float] | None, count: int) -> list[float]:
    """``weights`` scaled to sum to 1; ``count`` equal ones for None."""
    given = [1.0] * count if weights is None else weights
    total = math.fsum(given)  # exact: the same in any order
    return [weight / total for weight in given]


def _blender(method: "MergeMethod", products: "Products") -> "Blend":
    weights = mean_weights(method.weights, len(products))
    return lambda rows, out: weighted_sum(rows, weights, out)


LINEAR = MethodRow(
    name="linear",
    summary="weighted mean of the models",
    paper="https://arxiv.org/abs/2203.05482",
    options={"weights": None, "normalize": False},
    blender=_blender,
)
