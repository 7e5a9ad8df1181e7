"""Batch sizes over the token clock, in blocks."""

import bisect
from dataclasses import dataclass

from mmbert_composer.curriculum.curve import SHAPES, Curve, parse_curve
from mmbert_composer.errors import UserError

BATCH_SHAPES = (*SHAPES, "equal_steps")


@dataclass(frozen=True)
class BatchSize:
    """Global batch size in blocks, a multiple of ``multiple``, as a function of the tokens in the phase.

    ``equal_steps`` holds each size from ``start`` up to ``end`` for the same number of steps, so a size
    takes tokens in proportion to itself; ``end`` is reached after ``over`` tokens. Source: ModernBERT's
    batch-size warm-up (arXiv:2412.13663), which mmBERT uses.
    """

    curve: Curve
    multiple: int

    def at(self, tokens_in_phase: float, phase_tok: int) -> int:
        if self.curve.shape == "equal_steps":
            sizes = self.sizes
            step = sizes[1] - sizes[0] if len(sizes) > 1 else 0
            total = sum(sizes[:-1])
            if not total or not step:
                return sizes[-1]
            over = self.curve.over_tok or phase_tok
            ends: list[float] = []
            served = 0
            for size in sizes[:-1]:
                served += size
                ends.append(over * served / total)
            return sizes[bisect.bisect_right(ends, tokens_in_phase)]
        value = self.curve.at(tokens_in_phase, phase_tok)
        low = int(self.curve.low)
        return max(low, int(value + 1e-9) // self.multiple * self.multiple)

    @property
    def sizes(self) -> list[int]:
        """Every size that may occur, in the order of the curve."""
        start, end = int(self.curve.start), int(self.curve.end)
        if start == end:
            return [end]
        step = self.multiple if end > start else -self.multiple
        return [*range(start, end, step), end]


def parse_batch_size(value: object, multiple: int, where: str) -> BatchSize:
    """A :class:`BatchSize` from a number of blocks or a curve; every size must be a multiple of ``multiple``."""
    curve = parse_curve(value, where, shapes=BATCH_SHAPES)
    for number in (curve.start, curve.end):
        if number < 1 or number != int(number):
            raise UserError(f"{where}: {number:g} must be a whole number of blocks, at least 1")
        if int(number) % multiple:
            raise UserError(
                f"{where}: {int(number)} blocks is not a multiple of batch_size_multiple={multiple}; "
                f"nearest: {max(multiple, int(number) // multiple * multiple)}"
            )
    return BatchSize(curve, multiple)
