"""What a merge method is: a row that names its options, what it needs and how it blends."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # rows are read before anything heavy is imported
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from mmbert_composer.merging.merge_method import MergeMethod

    Blend = Callable[[Tensor, Tensor], None]
    """Of ``rows`` [models, elements], which it may overwrite, and ``out`` [elements], where the merge goes: float32."""

    Products = NDArray[np.float64]
    """[models, models]: inner products of one parameter's tensors, or of their differences from the base."""


@dataclass(frozen=True)
class MethodRow:
    """A merge method.

    ``options``: those of MergeMethod that it takes, with their defaults. ``blender``: of (method, products of a
    parameter), the blend for every slice of that parameter. With ``needs_base`` rows are differences from the base,
    and so is what is blended. ``needs_products``: products off the diagonal are used. ``ordered``: models come oldest
    first. ``least``, ``most``: how many models it takes.
    """

    name: str
    summary: str
    paper: str
    options: Mapping[str, Any]
    blender: Callable[["MergeMethod", "Products"], "Blend"]
    needs_base: bool = False
    needs_products: bool = False
    ordered: bool = False
    least: int = 2
    most: int | None = None
