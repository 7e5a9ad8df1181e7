"""How to merge: the method and its numbers, checked once."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from mmbert_composer.errors import UserError
from mmbert_composer.merging.ema import ema_weights
from mmbert_composer.merging.linear import equal_weights, linear
from mmbert_composer.merging.ties import ties

METHODS = ("linear", "ema", "ties")


@dataclass(frozen=True)
class MergeMethod:
    """A merge method with its numbers.

    ``method``: linear, ema or ties. ``weights`` (linear): one for each model, summing to 1; None weighs all alike.
    ``decay`` (ema): weight of a checkpoint relative to the next newer one, in (0, 1). ``density`` (ties): share of
    each difference from the base that is kept, in (0, 1]. ``lam`` (ties): scale of the merged difference.
    """

    method: str = "linear"
    weights: tuple[float, ...] | None = None
    decay: float = 0.8  # NOTE(assumed): mmBERT gives no number; arXiv:2505.12082 finds 0.8 and 0.9 alike
    density: float = 0.2
    lam: float = 1.0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UserError(f"merge: method={self.method!r} must be one of {', '.join(METHODS)}")
        if not 0.0 < self.decay < 1.0:
            raise UserError(f"merge: decay={self.decay} must be in (0, 1)")
        if not 0.0 < self.density <= 1.0:
            raise UserError(f"merge: density={self.density} must be in (0, 1]; 0.2 keeps a fifth of each difference")
        if not math.isfinite(self.lam):
            raise UserError(f"merge: lambda={self.lam} must be a finite number")
        if self.weights is not None and self.method != "linear":
            raise UserError(f"merge: weights are for method=linear, not {self.method}")
        if self.weights is not None and not math.isclose(sum(self.weights), 1.0, abs_tol=1e-6):
            raise UserError(f"merge: weights {list(self.weights)} sum to {sum(self.weights):g}, not 1")

    @property
    def needs_base(self) -> bool:
        """Whether the method works on differences from a base model."""
        return self.method == "ties"

    @property
    def ordered(self) -> bool:
        """Whether the models must come oldest first."""
        return self.method == "ema"

    def parameters(self) -> dict[str, float | list[float]]:
        """The numbers this method uses, for the record."""
        if self.method == "ties":
            return {"density": self.density, "lambda": self.lam}
        if self.method == "ema":
            return {"decay": self.decay}
        return {} if self.weights is None else {"weights": list(self.weights)}

    def check_count(self, count: int) -> None:
        """Raise a UserError unless ``weights`` fit ``count`` models."""
        if self.weights is not None and len(self.weights) != count:
            raise UserError(f"merge: {len(self.weights)} weights for {count} models; give one for each")

    def merger(self, count: int) -> Callable[[Sequence[Tensor], Tensor | None], Tensor]:
        """A function of one parameter's tensors (one for each of ``count`` models) and the base's, in float32."""
        if self.method == "ties":
            return self._ties
        self.check_count(count)
        weights = ema_weights(count, self.decay) if self.method == "ema" else self.weights or equal_weights(count)
        return lambda tensors, base: linear(tensors, weights)

    def _ties(self, tensors: Sequence[Tensor], base: Tensor | None) -> Tensor:
        assert base is not None, "ties is called with a base"
        return ties(tensors, base, density=self.density, lam=self.lam)
