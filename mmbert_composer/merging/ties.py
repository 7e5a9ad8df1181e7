"""TIES merging: trim, elect sign, disjoint mean (Yadav et al. 2023, arXiv:2306.01708): what mmBERT-base does.

Works on task vectors, model minus base. Trimming keeps the largest magnitudes of each tensor, as mergekit does
(``trim: tensor``), or of the whole model at once, as the paper says (``trim: model``): see magnitude_threshold.py.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmbert_composer.merging.method_row import MethodRow

if TYPE_CHECKING:
    from torch import Tensor

    from mmbert_composer.merging.merge_method import MergeMethod
    from mmbert_composer.merging.method_row import Blend, Products


def elected_mean(rows: "Tensor", weights: Sequence[float] | None, out: "Tensor") -> None:
    """Of trimmed differences, the weighted mean over those whose sign is that of their sum; overwrites ``rows``.

    [4, 0, 2, 1] and [-2, -3, 0, -1] elect +, -, + and, where they cancel, +; the means of those that agree are
    [4, -3, 2, 1]. Where no model has anything left the mean is 0.
    """
    if weights is not None:
        for row, weight in zip(rows, weights, strict=True):
            row.mul_(weight)
    out.copy_(rows.sum(0)).sign_().add_(0.5).sign_()
    rows.mul_(out).clamp_(min=0.0)  # magnitudes of those that agree, 0 for the others
    out.mul_(rows.sum(0))
    rows.sign_()
    if weights is not None:
        for row, weight in zip(rows, weights, strict=True):
            row.mul_(weight)
    agreeing = rows.sum(0)
    out.div_(agreeing.add_(agreeing == 0))


def _blender(method: "MergeMethod", products: "Products") -> "Blend":
    weights = method.weights
    return lambda rows, out: elected_mean(rows, weights, out)


TIES = MethodRow(
    name="ties",
    summary="base plus lambda times the mean of trimmed differences that agree in sign",
    paper="https://arxiv.org/abs/2306.01708",
    options={"weights": None, "density": 0.2, "trim": "tensor", "lam": 1.0},
    blender=_blender,
    needs_base=True,
    least=1,
)
