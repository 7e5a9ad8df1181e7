"""The k-th largest magnitude among more numbers than memory should hold: exactly, in one pass after a sample.

A sample brackets the threshold. One pass counts what lies above the bracket and collects the few numbers inside it,
among which the threshold is then found; the counts prove it, or show that the bracket missed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Magnitudes = NDArray[np.float32]

_ERRORS = 5.0
"""Half the bracket's width, in standard errors of the sample: one in a million misses it."""
_COMPRESSED_FROM = 1 << 13
"""Numbers inside a bracket, of one slice, that are kept as values and counts: low precision repeats a few values."""


@dataclass(frozen=True)
class Bracket:
    """Where the threshold is looked for: from ``low`` to ``high``, both included."""

    low: float
    high: float


@dataclass(frozen=True)
class Counted:
    """What one pass saw in a slice: how many numbers lie above the bracket; the values inside it, how often each.

    ``counts`` None: each value stands for one number.
    """

    above: int
    values: Magnitudes
    counts: NDArray[np.int64] | None = None

    def count(self, mask: NDArray[np.bool_]) -> int:
        """How many numbers have the values in ``mask``."""
        return int(np.count_nonzero(mask) if self.counts is None else self.counts[mask].sum())


@dataclass(frozen=True)
class Threshold:
    """The smallest magnitude that is kept; 0 keeps everything.

    Of the magnitudes equal to it the first by position stay: all in the slices before number ``last_slice`` of the
    group, ``ties`` of them in that slice, none in later ones. So exactly as many survive as were asked for.
    """

    value: float
    last_slice: int
    ties: int


def count_to_keep(density: float, size: int) -> int:
    """How many of ``size`` numbers a ``density`` keeps: rounded down, at least one, as mergekit has it."""
    return max(1, int(density * size))


def bracket(pieces: Sequence[Magnitudes], keep: int, size: int, *, widen: float = 1.0) -> Bracket:
    """Where the ``keep``-th largest of ``size`` magnitudes is, to judge from ``pieces`` spread over them.

    The error is that of whole pieces: neighbours (a row of an embedding) are alike. ``widen`` multiplies it.
    """
    values = np.sort(np.concatenate(pieces))[::-1]
    if len(values) >= size:
        exact = float(values[keep - 1])
        return Bracket(exact, exact)
    share = keep / size
    guess = values[min(len(values) - 1, int(share * len(values)))]
    above = np.array([np.count_nonzero(piece > guess) / len(piece) for piece in pieces])
    margin = widen * (_ERRORS * float(above.std()) / math.sqrt(len(pieces)) + 1 / math.sqrt(len(values)))
    lowest, highest = math.ceil((share + margin) * len(values)), math.floor((share - margin) * len(values))
    return Bracket(
        low=0.0 if lowest >= len(values) else float(values[lowest]),
        high=math.inf if highest < 1 else float(values[highest - 1]),
    )


def count_slice(magnitudes: Magnitudes, where: Bracket) -> Counted:
    """One slice's part of the pass. Zeros are never collected: trimming them changes nothing."""
    inside = magnitudes >= where.low
    inside &= magnitudes <= where.high
    if where.low <= 0.0:
        inside &= magnitudes > 0.0
    values = magnitudes[inside]
    above = int(np.count_nonzero(magnitudes > where.high))
    if len(values) >= _COMPRESSED_FROM:
        return Counted(above, *np.unique(values, return_counts=True))
    return Counted(above, values)


def find_threshold(counted: Sequence[Counted], keep: int, where: Bracket) -> Threshold | None:
    """The threshold that keeps ``keep`` of all the numbers counted, slices in their order; None if it is not inside."""
    missing = keep - sum(part.above for part in counted)
    if missing <= 0:
        return None
    value = _kth_largest(counted, missing)
    if value is None:  # the rest are zeros, or below the bracket
        return Threshold(0.0, len(counted), 0) if where.low <= 0.0 else None
    missing -= sum(part.count(part.values > value) for part in counted)
    for number, part in enumerate(counted):
        ties = part.count(part.values == value)
        if ties >= missing:
            return Threshold(value, number, missing)
        missing -= ties
    raise AssertionError("the counts promised more ties than there are")


def _kth_largest(counted: Sequence[Counted], k: int) -> float | None:
    """The ``k``-th largest of the numbers inside the bracket; None if there are fewer."""
    values = np.concatenate([part.values for part in counted])
    if all(part.counts is None for part in counted):
        return None if len(values) < k else float(np.partition(values, len(values) - k)[len(values) - k])
    counts = np.concatenate([np.ones(len(p.values), np.int64) if p.counts is None else p.counts for p in counted])
    order = np.argsort(values)[::-1]
    place = np.searchsorted(np.cumsum(counts[order]), k)
    return None if place == len(values) else float(values[order[place]])


def trim(row: Tensor, threshold: Threshold, number: int) -> None:
    """Set what is below ``threshold`` to 0, in place; ``row`` is slice ``number`` of the group it was found in.

    [4, -1, 2, -2] at threshold 2, of which this slice keeps one, becomes [4, 0, 2, 0].
    """
    if threshold.value == 0.0:
        return
    # What is kept is larger than the cut: just below the threshold where its own magnitude stays.
    below = float(np.nextafter(np.float32(threshold.value), np.float32(0)))
    torch.hardshrink(row, below if number <= threshold.last_slice else threshold.value, out=row)
    if number == threshold.last_slice:
        ties = (row.abs() == threshold.value).nonzero().squeeze(1)
        row[ties[threshold.ties :]] = 0.0
