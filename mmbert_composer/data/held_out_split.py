"""Which documents are held out: by the hash of the text, so that the same text is always on the same side. Pure."""

import numpy as np
from numpy.typing import NDArray

FRACTION_PERCENT = 2
LARGE_STREAM = 500
MAX_BLOCKS = 64


def num_candidates(hashes: NDArray[np.uint64], documents: int | None = None) -> int:
    """How many of a stream's documents may be held out, hashes [documents] ascending: always the first ones.

    With 500 documents or more those in the lowest 2 % of the hash's range; with 2 to 499 those of the
    max(1, floor(2 %)) distinct texts of lowest hash; with one none. ``documents``: of the whole stream, where
    ``hashes`` are only the lowest ones.
    """
    documents = len(hashes) if documents is None else documents
    if documents >= LARGE_STREAM:
        limit = (FRACTION_PERCENT << 64) // 100
        return int(np.searchsorted(hashes, np.uint64(limit), side="left"))
    if documents < 2:
        return 0
    distinct = max(1, documents * FRACTION_PERCENT // 100)
    edges = text_edges(hashes)
    return int(edges[min(distinct, len(edges) - 1)])


def text_edges(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Positions where a new text begins, and the end: hashes [5, 5, 9] -> [0, 2, 3]; [] -> [0]."""
    if not len(hashes):
        return np.zeros(1, np.int64)
    return np.concatenate([[0], np.flatnonzero(np.diff(hashes)) + 1, [len(hashes)]]).astype(np.int64)
