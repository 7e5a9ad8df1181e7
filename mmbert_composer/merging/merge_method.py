"""How to merge: the method and its numbers, checked once."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any

from mmbert_composer.errors import UserError
from mmbert_composer.merging.method_row import MethodRow
from mmbert_composer.merging.methods import METHODS


@dataclass(frozen=True)
class MergeMethod:
    """A merge method with its numbers; an option that is None takes the method's default, see its row.

    ``weights``: one for each model. linear: they sum to 1 (None: all alike); ties: above 0, only their ratios count;
    task_arithmetic: any (None: 1 each, as in the paper). ``normalize``: scale the weights to sum to 1.
    ``decay`` (ema): weight of a checkpoint relative to the next newer one, in (0, 1).
    ``density`` (ties): share of each difference from the base that is kept, in (0, 1]. ``trim`` (ties): what a share is
    taken of, each ``tensor`` or the whole ``model``. ``lam`` (ties, task_arithmetic): scale of the merged difference,
    lambda to users. ``t`` (slerp): 0 is the first model, 1 the second.
    """

    method: str = "linear"
    weights: tuple[float, ...] | None = None
    normalize: bool | None = None
    decay: float | None = None
    density: float | None = None
    trim: str | None = None
    lam: float | None = None
    t: float | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            near = get_close_matches(str(self.method), METHODS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UserError(f"merge: method={self.method!r} must be one of {', '.join(METHODS)}{hint}")
        for name in OPTIONS:
            value = getattr(self, name)
            if value is None:
                object.__setattr__(self, name, self.row.options.get(name))
            elif name not in self.row.options:
                takers = " or ".join(row.name for row in METHODS.values() if name in row.options)
                raise UserError(f"merge: {option_key(name)} is for method={takers}, not for {self.method}")
            elif fault := _CHECKS[name](value):
                raise UserError(f"merge: {option_key(name)}={_plain(value)!r} must be {fault}")
        self._check_weights()

    @property
    def row(self) -> MethodRow:
        """What the method is."""
        return METHODS[self.method]

    @property
    def needs_base(self) -> bool:
        """Whether the method works on differences from a base model."""
        return self.row.needs_base

    def parameters(self) -> dict[str, Any]:
        """The options this method uses, by users' names, for the record."""
        used = {option_key(name): getattr(self, name) for name in self.row.options}
        return {key: _plain(value) for key, value in used.items() if value is not None and value is not False}

    def check_count(self, count: int) -> None:
        """Raise a UserError unless ``count`` models can be merged so."""
        row = self.row
        if count < row.least or (row.most is not None and count > row.most):
            needed = _COUNTS[row.least] if row.most == row.least else f"{_COUNTS[row.least]} or more"
            raise UserError(f"merge: {_models(count)} given; method={self.method} needs {needed}")
        if self.weights is not None and len(self.weights) != count:
            raise UserError(f"merge: {len(self.weights)} weights for {_models(count)}; give one for each")

    def check_base(self, base: str | None) -> None:
        """Raise a UserError unless there is a base where one is needed, and only there."""
        if self.needs_base and base is None:
            raise UserError(f"merge: method={self.method} needs a base: the model that the others were trained from")
        if base is not None and not self.needs_base:
            takers = " or ".join(row.name for row in METHODS.values() if row.needs_base)
            raise UserError(f"merge: a base is for method={takers}, not for {self.method}")

    def reordered(self, order: Sequence[int]) -> "MergeMethod":
        """The same merge of the models taken in another order: its new i-th is the old ``order[i]``-th."""
        if self.weights is not None:
            return replace(self, weights=tuple(self.weights[i] for i in order))
        if self.t is not None and list(order) == [1, 0]:
            return replace(self, t=1 - self.t)
        return self

    def _check_weights(self) -> None:
        if self.weights is None:
            return
        total = sum(self.weights)
        if self.method == "ties" and min(self.weights) <= 0:
            raise UserError(
                f"merge: weights {list(self.weights)} must be above 0; leave out a model that shall not count"
            )
        if self.normalize and total <= 0:
            raise UserError(f"merge: weights {list(self.weights)} sum to {total:g} and cannot be scaled to sum to 1")
        if self.method == "linear" and not self.normalize and not math.isclose(total, 1.0, abs_tol=1e-6):
            raise UserError(f"merge: weights {list(self.weights)} sum to {total:g}, not 1; normalize: true scales them")


def option_key(name: str) -> str:
    """What users call the option ``name``: a field cannot be called lambda."""
    return "lambda" if name == "lam" else name


_COUNTS = {1: "one", 2: "two"}


def _models(count: int) -> str:
    return f"{count} model{'' if count == 1 else 's'}"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


OPTIONS = tuple(field.name for field in fields(MergeMethod) if field.name != "method")
"""The options of all methods."""


def _number(value: Any, holds: Callable[[float], bool], what: str) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "a number"
    return None if holds(value) else what


def _weights(value: Any) -> str | None:
    numbers = isinstance(value, tuple) and value and not any(_number(v, math.isfinite, "finite") for v in value)
    return None if numbers else "a list of numbers, one for each model"


_CHECKS: dict[str, Callable[[Any], str | None]] = {
    "weights": _weights,
    "normalize": lambda v: None if isinstance(v, bool) else "true or false",
    "decay": lambda v: _number(v, lambda x: 0 < x < 1, "in (0, 1)"),
    "density": lambda v: _number(v, lambda x: 0 < x <= 1, "in (0, 1]; 0.2 keeps a fifth of each difference"),
    "trim": lambda v: None if v in ("tensor", "model") else "tensor or model: what the density is a share of",
    "lam": lambda v: _number(v, math.isfinite, "a finite number"),
    "t": lambda v: _number(v, lambda x: 0 <= x <= 1, "in [0, 1]: 0 is the first model, 1 the second"),
}
"""Option to a function that says what its value must be, or None if it is."""
