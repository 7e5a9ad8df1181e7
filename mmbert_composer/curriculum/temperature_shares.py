"""Language mixture: temperature shares, with a cap on passes. Pure numpy."""

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.errors import UserError


def temperature_shares(tokens: NDArray[np.int64], tau: float) -> NDArray[np.float64]:
    """Share of each language, proportional to tokens ** tau.

    tau = 1 keeps corpus shares and tau = 0 is uniform: [16, 1] gives [0.8, 0.2] at tau = 0.5.
    Source: mmBERT (arXiv:2509.06888), tau 0.7 -> 0.5 -> 0.3 over the phases.
    """
    if not 0.0 <= tau <= 1.0:
        raise UserError(f"tau={tau} must be in [0, 1]")
    # Through logs and a shift: 1e12 ** 0.7 beside 1e3 ** 0.7 keeps its small terms.
    log_weights = tau * np.log(np.asarray(tokens, np.float64))
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()


def cap_shares(shares: NDArray[np.float64], blocks: float, capacity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares over the segments of a phase with no stream drawn beyond its capacity.

    A stream that would be drawn beyond ``capacity`` (blocks left to it over the run) is held at it, with
    the shape of its curve kept; what it frees goes to the streams that are not capped in proportion to
    their shares, repeated until stable: shares [[0.5, 0.3, 0.2]] of 100 blocks with capacities
    [20, 90, 90] become [[0.2, 0.48, 0.32]].

    Args:
        shares: [segments, streams], each row sums to 1.
        blocks: blocks that this source gets in each segment.
        capacity: [streams] in blocks; infinite where there is no cap.

    Returns:
        [segments, streams], each row sums to 1.

    Raises:
        UserError: if the capacities together are smaller than what the source must give.
    """
    needed = blocks * len(shares)
    if capacity.sum() < needed * (1 - 1e-9):
        raise UserError(f"all streams capped: {capacity.sum():g} blocks are left of the {needed:g} needed")
    result = shares.copy()
    capped = np.zeros(shares.shape[1], bool)
    while True:
        totals = blocks * result.sum(axis=0)
        over = ~capped & (totals > capacity * (1 + 1e-12))
        if not over.any():
            return result
        capped |= over
        totals_free = blocks * shares.sum(axis=0)
        scale = np.divide(capacity, totals_free, out=np.zeros_like(totals_free), where=totals_free > 0)
        held = np.where(capped, shares * np.where(capped, scale, 0.0), 0.0)
        free = np.where(capped, 0.0, shares)
        free_sum = free.sum(axis=1, keepdims=True)
        rest = 1.0 - held.sum(axis=1, keepdims=True)
        if not (free_sum > 0).all():  # every stream with a share is at its cap: they fill the source exactly
            return held / held.sum(axis=1, keepdims=True)
        result = held + free * np.maximum(rest, 0.0) / free_sum
        result /= result.sum(axis=1, keepdims=True)
