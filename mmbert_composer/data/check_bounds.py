"""The bounds of packed sequences, checked while they are still on the host. Pure numpy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.errors import UserError


def check_bounds(cu_seqlens: NDArray[np.integer[Any]], max_seqlen: int, num_tokens: int) -> None:
    """Refuse bounds that leave a row of the batch without a sequence, or hold a sequence that is too long.

    [0, 3, 3, 7] fits 7 tokens and a longest sequence of 4: equal neighbours are empty sequences, which are allowed.
    Checked where batches are built, so that no forward on a GPU has to wait for the bounds to be read back: varlen
    kernels leave rows outside of them uninitialised, and cut off what is longer than ``max_seqlen``, silently.

    Args:
        cu_seqlens: [sequences + 1], bounds of the sequences.
        max_seqlen: longest sequence allowed, in tokens.
        num_tokens: rows of the batch.

    Raises:
        UserError: bounds that do not start at 0, fall, do not end at ``num_tokens``, or hold a longer sequence.
    """
    lengths = np.diff(cu_seqlens)
    if not len(lengths) or cu_seqlens[0] != 0 or cu_seqlens[-1] != num_tokens or lengths.min() < 0:
        raise UserError(
            f"cu_seqlens must rise from 0 to the {num_tokens} tokens of the batch, "
            f"got {cu_seqlens[:1].tolist()} to {cu_seqlens[-1:].tolist()}: rows outside of it would be undefined"
        )
    longest = int(lengths.max())
    if longest > max_seqlen:
        raise UserError(
            f"a sequence of {longest} tokens is longer than max_seqlen={max_seqlen}: "
            f"cut sequences before they are packed into a batch"
        )
