"""Whole blocks per segment: largest remainder with the rounding carried over segments. Pure integers."""

import numpy as np
from numpy.typing import NDArray

ONE = 1 << 40
"""Fixed point: shares and what is owed are kept in 1 / ONE blocks, so a plan is the same on every machine."""


def to_fixed_point(shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Shares that sum to 1 as integers that sum to ONE exactly; a zero share stays zero."""
    scaled = shares * ONE
    fixed = np.floor(scaled).astype(np.int64)
    missing = ONE - int(fixed.sum())
    order = np.argsort(np.where(shares > 0, fixed - scaled, np.inf), kind="stable")
    fixed[order[:missing]] += 1
    return fixed


def apportion(owed: NDArray[np.int64], blocks: int, limit: NDArray[np.int64]) -> NDArray[np.int64]:
    """Blocks of each stream in one segment.

    ``owed`` is what each stream should have been given up to the end of this segment minus what it was
    given before, in 1 / ONE blocks; it sums to ``blocks * ONE``. Each stream gets the whole part, the
    blocks left over go to the largest remainders. A stream that is ahead (owed below 0) gets 0, never a
    negative number, and what it is ahead is taken from the smallest remainders of the others. With fixed
    shares a stream is never off by a whole block; where shares change from phase to phase nothing that
    does not know the next phase can promise that, and the largest deviation seen is 1.1 blocks for a
    moment.

    Args:
        owed: [streams] in 1 / ONE blocks.
        blocks: what the segment holds.
        limit: [streams] blocks that may still be drawn of each stream (max_passes).

    Returns:
        [streams] that sum to ``blocks``.
    """
    given = np.minimum(np.maximum(owed >> 40, 0), limit)
    remainder = owed - (given << 40)
    while (left := blocks - int(given.sum())) > 0:
        can_take = np.flatnonzero((given < limit) & (remainder > -ONE))
        if not len(can_take):
            can_take = np.flatnonzero(given < limit)
        assert len(can_take), "limits leave too few blocks for the segment"
        chosen = can_take[np.argsort(-remainder[can_take], kind="stable")[:left]]
        given[chosen] += 1
        remainder[chosen] -= ONE
    while (left := int(given.sum()) - blocks) > 0:
        can_give = np.flatnonzero(given > 0)
        chosen = can_give[np.argsort(remainder[can_give], kind="stable")[:left]]
        given[chosen] -= 1
        remainder[chosen] += ONE
    return given
