"""Batches of texts of like length: what is padded is computed for nothing. Pure numpy."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray


def length_batches(lengths: Sequence[int], tokens_at_once: int) -> Iterator[NDArray[np.int64]]:
    """Positions of each batch: longest texts first, so that what does not fit in memory fails at once.

    A batch holds at most ``tokens_at_once`` tokens with its padding (a longer text is alone), and no text is
    padded by more than an eighth: lengths [3, 9, 8, 3] at 18 -> [[1, 2], [0, 3]].
    """
    order = np.argsort(-np.asarray(lengths, np.int64), kind="stable")
    start = 0
    while start < len(order):
        longest = lengths[order[start]]
        most = max(1, tokens_at_once // max(1, longest))
        end = start + 1
        while end < len(order) and end - start < most and longest - lengths[order[end]] <= longest // 8:
            end += 1
        yield order[start:end]
        start = end
