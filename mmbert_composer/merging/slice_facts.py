"""What a merge did to a part of the parameters, as sums that can be added up."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class SliceFacts:
    """Sums over elements; n models.

    ``kept`` [n]: differences from the base that are not 0 after trimming. ``conflicts``: elements where those of two
    models have opposite signs. ``agreeing``: of those kept, over all models, how many have the sign of the merge.
    ``to_merge`` [n]: squared distance of each model to the merge. ``merge_square``: squared length of the merge's
    difference from the base; without a base of the merge itself.
    """

    elements: int
    kept: NDArray[np.int64]
    conflicts: int
    agreeing: int
    to_merge: NDArray[np.float64]
    merge_square: float

    def reordered(self, order: NDArray[np.int64]) -> "SliceFacts":
        """The same for the models in another order: the new i-th is the old ``order[i]``-th."""
        return replace(self, kept=self.kept[order], to_merge=self.to_merge[order])

    def __add__(self, other: "SliceFacts") -> "SliceFacts":
        return SliceFacts(
            self.elements + other.elements,
            self.kept + other.kept,
            self.conflicts + other.conflicts,
            self.agreeing + other.agreeing,
            self.to_merge + other.to_merge,
            self.merge_square + other.merge_square,
        )


def slice_facts(differences: Tensor, trimmed: Tensor, blended: Tensor, lam: float) -> SliceFacts:
    """Facts of one slice.

    Args:
        differences: [models, elements] from the base (from 0 without one).
        trimmed: the same after trimming.
        blended: [elements], the merged difference before it is scaled by ``lam``.
    """
    merged = blended * lam
    distances = [merged - row for row in differences]
    return SliceFacts(
        elements=merged.numel(),
        kept=torch.count_nonzero(trimmed, dim=1).numpy(),
        conflicts=int(torch.count_nonzero((trimmed.amax(0) > 0) & (trimmed.amin(0) < 0))),
        agreeing=int(torch.count_nonzero(trimmed * blended > 0)),
        to_merge=np.array([float(distance.dot(distance)) for distance in distances]),
        merge_square=float(merged.dot(merged)),
    )
