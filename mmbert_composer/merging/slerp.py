"""Spherical linear interpolation of two models (Shoemake 1985, doi:10.1145/325165.325242), each parameter on its arc.

As mergekit does it: a parameter's tensor is one vector; nearly parallel ones are interpolated on the straight line.
"""

import math
from typing import TYPE_CHECKING

from mmbert_composer.merging.linear import weighted_sum
from mmbert_composer.merging.method_row import MethodRow

if TYPE_CHECKING:
    from mmbert_composer.merging.merge_method import MergeMethod
    from mmbert_composer.merging.method_row import Blend, Products

PARALLEL = 0.9995
"""Absolute cosine above which the arc is taken for a line: its sine would be divided by."""
_SMALLEST_NORM = 1e-8


def slerp_weights(products: "Products", t: float) -> tuple[float, float]:
    """What the first (t = 0) and the second vector (t = 1) are multiplied by.

    [1, 0] and [0, 1] are a right angle apart: t = 0.5 weighs both sin 45 / sin 90 = 0.7071, and the result has length
    1 as they have, where the mean would have 0.7071. Vectors of cosine 0.99999 weigh 1 - t and t.
    """
    first, second = (math.sqrt(products[i, i]) for i in (0, 1))
    # A vector of zeros has no direction: mergekit takes it as at a right angle to everything, and so do we.
    lengths = (first if first > _SMALLEST_NORM else 1.0) * (second if second > _SMALLEST_NORM else 1.0)
    cosine = min(1.0, max(-1.0, float(products[0, 1]) / lengths))
    if abs(cosine) > PARALLEL:
        return 1 - t, t
    angle = math.acos(cosine)
    return math.sin((1 - t) * angle) / math.sin(angle), math.sin(t * angle) / math.sin(angle)


def _blender(method: "MergeMethod", products: "Products") -> "Blend":
    assert method.t is not None
    weights = slerp_weights(products, method.t)
    return lambda rows, out: weighted_sum(rows, weights, out)


SLERP = MethodRow(
    name="slerp",
    summary="two models, interpolated on the arc between them",
    paper="https://doi.org/10.1145/325165.325242",
    options={"t": 0.5},
    blender=_blender,
    needs_products=True,
    most=2,
)
