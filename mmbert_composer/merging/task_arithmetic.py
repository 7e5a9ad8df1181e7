"""Task arithmetic: the sum of the models' differences from their base (Ilharco et al. 2023, arXiv:2212.04089)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmbert_composer.merging.linear import mean_weights, weighted_sum
from mmbert_composer.merging.method_row import MethodRow

if TYPE_CHECKING:
    from mmbert_composer.merging.merge_method import MergeMethod
    from mmbert_composer.merging.method_row import Blend, Products


def task_weights(weights: Sequence[float] | None, count: int, *, normalize: bool) -> list[float]:
    """What each difference is multiplied by: 1 as in the paper, or the weights given; ``normalize`` makes them a mean.

    Base 10, models 11 and 14, whose differences are 1 and 4: weights 1 and 1 give 10 + 5 = 15, normalised 12.5; a
    weight of -1 takes a task away: 1 and -1 give 7.
    """
    if normalize:
        return mean_weights(weights, count)
    return [1.0] * count if weights is None else list(weights)


def _blender(method: "MergeMethod", products: "Products") -> "Blend":
    weights = task_weights(method.weights, len(products), normalize=bool(method.normalize))
    return lambda rows, out: weighted_sum(rows, weights, out)


TASK_ARITHMETIC = MethodRow(
    name="task_arithmetic",
    summary="base plus lambda times the weighted sum of differences from it",
    paper="https://arxiv.org/abs/2212.04089",
    options={"weights": None, "normalize": False, "lam": 1.0},
    blender=_blender,
    needs_base=True,
    least=1,
)
