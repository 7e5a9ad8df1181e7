"""The best answer of a window from its start and end logits. Pure numpy."""

import numpy as np
from numpy.typing import NDArray

NUM_BEST = 20
MAX_ANSWER_TOKENS = 30


def best_span(
    start: NDArray[np.float32], end: NDArray[np.float32], offsets: NDArray[np.int32]
) -> tuple[float, int, int] | None:
    """Score and characters (first, behind the last) of the best span; None where no span is allowed.

    Of the 20 best starts and ends, a pair counts if both are in the context (``offsets`` [L, 2] are not -1), the end
    is not before the start, and they are at most 30 tokens: the n-best search of transformers' run_qa.py.
    """
    starts = np.argsort(-start, kind="stable")[:NUM_BEST]
    ends = np.argsort(-end, kind="stable")[:NUM_BEST]
    first, last = starts[:, None], ends[None, :]
    allowed = (last >= first) & (last - first < MAX_ANSWER_TOKENS)
    allowed &= (offsets[first, 0] >= 0) & (offsets[last, 0] >= 0)
    if not allowed.any():
        return None
    scores = np.where(allowed, start[first] + end[last], -np.inf)
    i, j = np.unravel_index(np.argmax(scores), scores.shape)
    return float(scores[i, j]), int(offsets[starts[i], 0]), int(offsets[ends[j], 1])
