"""Whether a base can be the model that others were trained from, to judge by distances."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import sqrt

import numpy as np
from numpy.typing import NDArray


def doubts_about_base(
    names: Sequence[str], base: str, products: Mapping[str, NDArray[np.float64]], base_squares: Mapping[str, float]
) -> list[str]:
    """Reasons to think that ``base`` is not the models' last common ancestor; none where it may well be.

    Models that were trained apart from their base moved in directions of their own, at nearly a right angle to each
    other in so many dimensions. So each is nearer to the base than to any other, and much nearer than a model that has
    nothing in common with it, whose distance exceeds the base's own length. Two models that are nearer to each other
    than both are to the base were still one after it: their shared way counts twice in a merge of differences.

    Args:
        products: of each parameter, inner products [models, models] of the differences from the base.
        base_squares: of each parameter, the base's squared length.
    """
    total = np.sum(list(products.values()), axis=0)
    length = sqrt(sum(base_squares.values()))
    far = np.sqrt(np.diag(total))
    doubts = [
        f"{name} is as far from the base {base} ({distance:.4g}) as models that have nothing in common: the base's own "
        f"length is {length:.4g}"
        for name, distance in zip(names, far, strict=True)
        if distance >= length
    ]
    for i, j in combinations(range(len(names)), 2):
        between = sqrt(max(0.0, total[i, i] + total[j, j] - 2 * total[i, j]))
        if between < min(far[i], far[j]):
            doubts.append(
                f"{names[i]} and {names[j]} are nearer to each other ({between:.4g}) than to the base {base} "
                f"({far[i]:.4g} and {far[j]:.4g}): they parted after it"
            )
    return doubts
