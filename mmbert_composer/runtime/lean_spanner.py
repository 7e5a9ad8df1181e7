"""Which shard a sample lies in, without a table of all samples.

Fault: Streaming 0.13.0's Spanner (base/spanner.py) repeats every shard's number once a sample to build its table:
2.9 GB of memory and some seconds for 366M samples, in every rank. Detected by: benchmarks/segment_edge.py,
``index-366m-gb``. Mend: a search in the shards' bounds. Can go: when Streaming builds its table from the bounds.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import streaming.base.dataset
from numpy import concatenate, int64, searchsorted, zeros
from numpy.typing import NDArray


class LeanSpanner:
    """Stands for ``streaming.base.spanner.Spanner``.

    Args:
        shard_sizes: [shards] samples in each.
    """

    def __init__(self, shard_sizes: NDArray[int64], span_size: int = 1 << 10) -> None:
        self.shard_sizes = shard_sizes
        self.shard_bounds = concatenate([zeros(1, int64), shard_sizes.cumsum()])
        self.num_samples = int(self.shard_bounds[-1])

    def __getitem__(self, index: int) -> tuple[int, int]:
        """Shard of a sample, and its place in the shard."""
        if not 0 <= index < self.num_samples:
            raise IndexError(f"Invalid sample index `{index}`: 0 <= {index} < {self.num_samples}")
        shard = int(searchsorted(self.shard_bounds, index, side="right")) - 1
        return shard, int(index - self.shard_bounds[shard])


@contextmanager
def lean_spanner() -> Iterator[None]:
    """Datasets that are built inside use it."""
    theirs = streaming.base.dataset.Spanner
    streaming.base.dataset.Spanner = LeanSpanner  # type: ignore[assignment]
    try:
        yield
    finally:
        streaming.base.dataset.Spanner = theirs
