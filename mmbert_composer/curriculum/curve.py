"""Curves: one scheduled number as a function of the tokens since its phase began."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from mmbert_composer.curriculum.tokens import parse_tokens
from mmbert_composer.errors import UserError

SHAPES: dict[str, Callable[[float], float]] = {
    "constant": lambda x: 1.0,
    "linear": lambda x: x,
    "cosine": lambda x: (1.0 - math.cos(math.pi * x)) / 2.0,
    "1-sqrt": math.sqrt,
}
"""Progress of the change (0 at ``from``, 1 at ``to``) over progress in tokens, both in [0, 1].

``1-sqrt`` falls as ``to + (from - to) * (1 - sqrt(x))``: mmBERT's decay (arXiv:2509.06888).
"""


@dataclass(frozen=True)
class Curve:
    """A number that goes from ``start`` to ``end`` over ``over_tok`` tokens of its phase, then stays.

    ``over_tok`` is None for the whole phase. ``{from: 0, to: 1, curve: linear, over: 3_000_000_000tok}``
    is a warm-up; a plain number is constant.
    """

    start: float
    end: float
    shape: str = "constant"
    over_tok: int | None = None

    def at(self, tokens_in_phase: float, phase_tok: int) -> float:
        """The value after ``tokens_in_phase`` tokens of a phase that lasts ``phase_tok``."""
        over = self.over_tok or phase_tok
        progress = min(1.0, max(0.0, tokens_in_phase / over))
        return self.start + (self.end - self.start) * SHAPES[self.shape](progress)

    @property
    def is_constant(self) -> bool:
        return self.start == self.end

    @property
    def low(self) -> float:
        return min(self.start, self.end)

    @property
    def high(self) -> float:
        return max(self.start, self.end)


CurveLike = float | int | Mapping[str, object] | Curve


def parse_curve(value: object, where: str, *, shapes: tuple[str, ...] = tuple(SHAPES)) -> Curve:
    """A :class:`Curve` from a number or ``{from, to, curve, over}``; ``where`` names the key in errors."""
    if isinstance(value, Curve):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return Curve(float(value), float(value))
    if not isinstance(value, Mapping):
        raise UserError(f"{where}: {value!r} must be a number or {{from: , to: , curve: , over: }}")
    row = cast("Mapping[object, object]", value)
    unknown = sorted(str(key) for key in row if key not in ("from", "to", "curve", "over"))
    if unknown:
        raise UserError(f"{where}: unknown key {unknown[0]!r}; a curve has from, to, curve and over")
    shape = row.get("curve", "linear")
    if shape not in shapes:
        raise UserError(f"{where}: curve {shape!r} is not one of {', '.join(shapes)}")
    ends: list[float] = []
    for key in ("from", "to"):
        number = row.get(key)
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise UserError(f"{where}: {key}={number!r} must be a number")
        ends.append(float(number))
    start, end = ends
    if shape == "constant" and start != end:
        raise UserError(f"{where}: a constant curve cannot go from {start:g} to {end:g}; choose linear or cosine")
    over = row.get("over")
    over_tok = None if over is None else parse_tokens(over, f"{where}.over")
    return Curve(start, end, str(shape), over_tok)
